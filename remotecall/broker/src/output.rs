//! Output buffer: replies that are encoded and not yet written to the client.
//!
//! Short replies share one write. A large value is not copied: the buffer holds a reference to it,
//! and a vectored write takes the bytes from the store.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, Bytes, BytesMut};
use redis_protocol::resp2::encode::extend_encode_borrowed;
use redis_protocol::resp2::types::BorrowedFrame;

use super::error::CommandError;
use super::framing::ProtocolError;
use super::stream::Entry;
use super::stream_id::StreamId;

/// Size from which on a value is not copied, in bytes.
const LARGE: usize = 4 << 10;
/// Size at which replies are written even when more commands wait, in bytes.
const FULL: usize = 256 << 10;
/// Limit on the pieces of one vectored write.
const PIECES: usize = 64;
/// Limit on the text of an id: two numbers of twenty digits and a dash.
const ID_DIGITS: usize = 41;

/// Reply to a command.
#[derive(Debug)]
pub(super) enum Reply {
    Text(&'static str),
    Integer(i64),
    Bulk(Bytes),
    Id(StreamId),
    Nil,
    NilArray,
    Array(Vec<Reply>),
    Entries(Vec<Entry>),
}

impl Reply {
    /// The reply `OK`.
    pub const OK: Self = Self::Text("OK");

    /// A count, or a Boolean as 1 or 0.
    pub fn count(count: impl TryInto<i64>) -> Self {
        Self::Integer(count.try_into().unwrap_or(i64::MAX))
    }

    /// A string that is built at run time.
    pub fn string(text: impl Into<String>) -> Self {
        Self::Bulk(Bytes::from(text.into()))
    }

    /// A value, or nil.
    pub fn maybe(value: Option<&Bytes>) -> Self {
        value.map_or(Self::Nil, |value| Self::Bulk(value.clone()))
    }
}

/// Buffer of unwritten replies: first the pieces, then the text.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Large values, and the texts between them.
    pieces: VecDeque<Bytes>,
    /// Size of all pieces, in bytes.
    queued: usize,
    /// Short replies after the last piece.
    text: BytesMut,
}

impl Output {
    /// Adds the reply to a command, or its error.
    pub fn reply(&mut self, result: Result<Reply, CommandError>) -> io::Result<()> {
        match result {
            Ok(reply) => self.encode(reply),
            Err(error) => self.error(&error.to_string()),
        }
    }

    /// Adds the error of a client that violates the protocol; the connection ends after it.
    pub fn protocol_error(&mut self, error: ProtocolError) -> io::Result<()> {
        self.error(&error.to_string())
    }

    /// Size of the unwritten replies, in bytes.
    pub fn len(&self) -> usize {
        self.queued + self.text.len()
    }

    /// True if the replies should be written before the next command.
    pub fn is_full(&self) -> bool {
        self.len() >= FULL
    }

    /// Writes everything. After an error the unwritten bytes remain for another call.
    pub fn write_to(&mut self, target: &mut impl Write) -> io::Result<()> {
        if self.pieces.is_empty() {
            return self.write_text(target);
        }
        self.queue_text();
        while !self.pieces.is_empty() {
            let slices: Vec<IoSlice<'_>> = self
                .pieces
                .iter()
                .take(PIECES)
                .map(|piece| IoSlice::new(piece))
                .collect();
            let written = progress(target.write_vectored(&slices))?;
            self.remove_written(written);
        }
        Ok(())
    }

    fn write_text(&mut self, target: &mut impl Write) -> io::Result<()> {
        while !self.text.is_empty() {
            let written = progress(target.write(&self.text))?;
            if written == self.text.len() {
                self.text.clear();
            } else {
                self.text.advance(written);
            }
        }
        Ok(())
    }

    fn queue_text(&mut self) {
        self.queued += self.text.len();
        self.pieces.push_back(self.text.split().freeze());
    }

    fn remove_written(&mut self, mut written: usize) {
        self.queued -= written;
        while let Some(piece) = self.pieces.front_mut() {
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
    }

    fn encode(&mut self, reply: Reply) -> io::Result<()> {
        match reply {
            Reply::Text(text) => self.frame(&BorrowedFrame::SimpleString(text.as_bytes())),
            Reply::Integer(number) => self.frame(&BorrowedFrame::Integer(number)),
            Reply::Bulk(bytes) => self.bulk(bytes),
            Reply::Id(id) => self.id(id),
            Reply::Nil => self.frame(&BorrowedFrame::Null),
            Reply::NilArray => {
                self.raw(b"*-1\r\n");
                Ok(())
            }
            Reply::Array(items) => {
                self.header(b'*', items.len())?;
                items.into_iter().try_for_each(|item| self.encode(item))
            }
            Reply::Entries(entries) => {
                self.header(b'*', entries.len())?;
                entries.into_iter().try_for_each(|entry| self.entry(entry))
            }
        }
    }

    fn entry(&mut self, entry: Entry) -> io::Result<()> {
        self.header(b'*', 2)?;
        self.id(entry.id)?;
        self.header(b'*', entry.fields.len())?;
        entry.fields.iter().try_for_each(|field| self.bulk(field.clone()))
    }

    fn bulk(&mut self, bytes: Bytes) -> io::Result<()> {
        if bytes.len() < LARGE {
            return self.frame(&BorrowedFrame::BulkString(&bytes));
        }
        self.header(b'$', bytes.len())?;
        self.queue_text();
        self.queued += bytes.len();
        self.pieces.push_back(bytes);
        self.raw(b"\r\n");
        Ok(())
    }

    fn id(&mut self, id: StreamId) -> io::Result<()> {
        let mut digits = [0; ID_DIGITS];
        let mut rest = digits.as_mut_slice();
        write!(rest, "{id}")?;
        let unused = rest.len();
        let text = digits.get(..ID_DIGITS - unused).unwrap_or_default();
        self.frame(&BorrowedFrame::BulkString(text))
    }

    fn error(&mut self, message: &str) -> io::Result<()> {
        // The message may repeat bytes of the client, and an end of line would end the reply.
        let message = message.replace(['\r', '\n'], " ");
        self.frame(&BorrowedFrame::Error(&message))
    }

    fn frame(&mut self, frame: &BorrowedFrame<'_>) -> io::Result<()> {
        extend_encode_borrowed(&mut self.text, frame, false).map_err(io::Error::other)?;
        Ok(())
    }

    /// Adds the header of an array or a bulk string by hand, because the codec encodes it only with
    /// the content.
    fn header(&mut self, kind: u8, count: usize) -> io::Result<()> {
        let mut line = [0; 24];
        let mut rest = line.as_mut_slice();
        write!(rest, "{}{count}\r\n", char::from(kind))?;
        let unused = rest.len();
        let length = line.len() - unused;
        self.raw(line.get(..length).unwrap_or_default());
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }
}

/// Number of bytes written; zero is an error, an interrupted write is not.
fn progress(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}
