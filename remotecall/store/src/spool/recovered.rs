//! Recovered spool: the frames that a process left.

use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::SpoolError;
use super::directory::{SpoolDirectory, segment};
use super::error::at;
use super::record::{End, Frames, HEADER, VERSION, header};
use remotecall_wire::Draft;

/// Location of a frame in a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// First frame number of the segment.
    pub first: u64,
    /// Offset in the segment, in bytes.
    pub begin: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A frame of a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredFrame {
    /// Number of the frame.
    pub seq: u64,
    /// Number of its calls.
    pub count: usize,
    /// Its location.
    pub location: Location,
}

/// Content of a spool.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Highest acknowledged frame.
    pub acked: u64,
    /// Frames after it, without a gap.
    pub frames: Vec<StoredFrame>,
    /// First frame and length of each segment, oldest first.
    pub segments: Vec<(u64, u64)>,
    /// Bytes of a call that a kill interrupted.
    pub torn: u64,
    /// Unreadable bytes, and the bytes after them.
    pub damaged: u64,
}

impl Recovered {
    /// Number of the next frame.
    pub fn next(&self) -> u64 {
        self.acked + self.frames.len() as u64 + 1
    }

    /// Reads a spool. Removes segments without frames.
    pub fn read(directory: &SpoolDirectory) -> Result<Self, SpoolError> {
        let firsts = directory.segments()?;
        let mut rest = Self {
            acked: firsts.first().map_or(0, |first| first - 1),
            ..Self::default()
        };
        for &first in &firsts {
            let path = segment(&directory.dir, first);
            let file = File::open(&path).map_err(at(&path))?;
            let length = file.metadata().map_err(at(&path))?.len();
            if rest.damaged > 0 || first != rest.next() {
                // Frames after a gap can never be delivered in order.
                rest.damaged += length;
                rest.segments.push((first, length));
                continue;
            }
            let before = rest.frames.len();
            rest.read_segment(directory, &path, first, file, length)?;
            if rest.frames.len() == before && rest.damaged == 0 {
                fs::remove_file(&path).map_err(at(&path))?;
            } else {
                rest.segments.push((first, length));
            }
        }
        Ok(rest)
    }

    fn read_segment(
        &mut self,
        directory: &SpoolDirectory,
        path: &Path,
        first: u64,
        file: File,
        length: u64,
    ) -> Result<(), SpoolError> {
        let mut input = BufReader::new(file);
        let mut start = [0; HEADER];
        match input.read_exact(&mut start) {
            Ok(()) if start == header(directory.producer, first) => {}
            Ok(()) if start[4] != VERSION => {
                return Err(SpoolError::Version {
                    path: path.to_owned(),
                    found: start[4],
                });
            }
            Ok(()) => {
                self.damaged += length;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.torn += length;
                return Ok(());
            }
            Err(error) => return Err(at(path)(error)),
        }
        let mut frames = Frames::new(input, HEADER as u64, length);
        while let Some((bytes, draft)) = frames.next_frame().map_err(at(path))? {
            self.frames.push(StoredFrame {
                seq: self.next(),
                count: draft.count(),
                location: Location {
                    first,
                    begin: bytes.start,
                    length: bytes.end - bytes.start,
                },
            });
        }
        match frames.end() {
            End::Whole => {}
            End::Torn(bytes) => self.torn += bytes,
            End::Damaged(bytes) => self.damaged += bytes,
        }
        Ok(())
    }
}

/// Loads one frame of the spool in `dir`.
///
/// # Errors
/// When the frame cannot be read.
pub fn load(dir: &Path, location: Location) -> Result<Draft, SpoolError> {
    let path = segment(dir, location.first);
    let mut file = File::open(&path).map_err(at(&path))?;
    file.seek(SeekFrom::Start(location.begin)).map_err(at(&path))?;
    let input = BufReader::new(file);
    let mut frames = Frames::new(input, location.begin, location.begin + location.length);
    match frames.next_frame().map_err(at(&path))? {
        Some((bytes, draft)) if bytes.end == location.begin + location.length => Ok(draft),
        _ => Err(SpoolError::NotASpool {
            path,
            why: "a frame has changed since it was written",
        }),
    }
}
