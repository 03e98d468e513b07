//! Checkpoint format of the log files.
//!
//! ```text
//! length     u64 LE        bytes of rotations
//! rotations                MessagePack map: path of the current file to its `RotatedFiles`
//! files                    checkpoint of the `FileSet`
//! ```

use std::collections::BTreeMap;
use std::io;

use remotecall::rmp_serde;

use crate::server::rotation::RotatedFiles;

pub(super) fn encode(rotations: &BTreeMap<String, RotatedFiles>, files: &[u8]) -> io::Result<Vec<u8>> {
    let rotations = rmp_serde::to_vec(rotations).map_err(io::Error::other)?;
    let length = (rotations.len() as u64).to_le_bytes();
    Ok([&length[..], &rotations, files].concat())
}

pub(super) fn decode(state: &[u8]) -> io::Result<(BTreeMap<String, RotatedFiles>, &[u8])> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "invalid checkpoint of log files");
    let (length, rest) = state.split_first_chunk().ok_or_else(invalid)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| invalid())?;
    let (rotations, files) = rest.split_at_checked(length).ok_or_else(invalid)?;
    let rotations = rmp_serde::from_slice(rotations).map_err(|_| invalid())?;
    Ok((rotations, files))
}
