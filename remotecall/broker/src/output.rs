//! Replies on their way to a client.
//!
//! Short replies are gathered and leave in one write. A large value is not copied: the queue holds a
//! reference to it, and the system takes it from where it is stored.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, Bytes, BytesMut};
use redis_protocol::resp2::encode::extend_encode_borrowed;
use redis_protocol::resp2::types::BorrowedFrame;

use super::error::CommandError;
use super::framing::ProtocolError;
use super::stream::Entry;
use super::stream_id::StreamId;

/// Values from this size on are not copied.
const LARGE: usize = 4 << 10;
/// Replies are written before they grow beyond this, even when more commands wait.
const FULL: usize = 256 << 10;
/// Most pieces handed to the system at a time.
const PIECES: usize = 64;
/// Longest id: two numbers of twenty digits and the dash.
const ID_DIGITS: usize = 41;

/// The result of a command.
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
    /// `OK`
    pub const OK: Self = Self::Text("OK");

    /// A count, or 1 for yes and 0 for no.
    pub fn count(count: impl TryInto<i64>) -> Self {
        Self::Integer(count.try_into().unwrap_or(i64::MAX))
    }

    /// A short string that is not a constant.
    pub fn string(text: impl Into<String>) -> Self {
        Self::Bulk(Bytes::from(text.into()))
    }

    /// A value, or nil.
    pub fn maybe(value: Option<&Bytes>) -> Self {
        value.map_or(Self::Nil, |value| Self::Bulk(value.clone()))
    }
}

/// Replies that have not been written yet.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// What comes first, in pieces.
    pieces: VecDeque<Bytes>,
    /// Bytes in the pieces.
    queued: usize,
    /// What comes after the pieces.
    text: BytesMut,
}

impl Output {
    /// Adds the answer to a command.
    pub fn answer(&mut self, answer: Result<Reply, CommandError>) -> io::Result<()> {
        match answer {
            Ok(reply) => self.reply(reply),
            Err(error) => self.error(&error.to_string()),
        }
    }

    /// Adds the last words to a client that does not speak the protocol.
    pub fn protocol_error(&mut self, error: ProtocolError) -> io::Result<()> {
        self.error(&error.to_string())
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.queued + self.text.len()
    }

    /// Whether it is time to write.
    pub fn is_full(&self) -> bool {
        self.len() >= FULL
    }

    /// Writes until nothing is left. After an error, what has been written is forgotten and the rest
    /// stays for another call.
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
            self.forget(written);
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

    fn forget(&mut self, mut written: usize) {
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

    fn reply(&mut self, reply: Reply) -> io::Result<()> {
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
                items.into_iter().try_for_each(|item| self.reply(item))
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
        // A client's bytes may be in it; a line's end would end the reply.
        let message = message.replace(['\r', '\n'], " ");
        self.frame(&BorrowedFrame::Error(&message))
    }

    fn frame(&mut self, frame: &BorrowedFrame<'_>) -> io::Result<()> {
        extend_encode_borrowed(&mut self.text, frame, false).map_err(io::Error::other)?;
        Ok(())
    }

    /// The codec wants an array's items together with it; a header goes before they are there.
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

/// What a write achieved; a target that takes nothing is an error.
fn progress(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}
