//! What a checkpoint of the logs holds.
//!
//! ```text
//! length   u64 LE          size of generations
//! generations              MessagePack: path of a file, and what its rotation counts
//! files                    the state of the files
//! ```

use std::collections::BTreeMap;
use std::io;

use remotecall::rmp_serde;

use crate::rotation::Generation;

pub(super) fn encode(generations: &BTreeMap<String, Generation>, files: &[u8]) -> io::Result<Vec<u8>> {
    let generations = rmp_serde::to_vec(generations).map_err(io::Error::other)?;
    let length = (generations.len() as u64).to_le_bytes();
    Ok([&length[..], &generations, files].concat())
}

pub(super) fn decode(state: &[u8]) -> io::Result<(BTreeMap<String, Generation>, &[u8])> {
    let not_a_state = || io::Error::new(io::ErrorKind::InvalidData, "not a state of log files");
    let (length, rest) = state.split_first_chunk().ok_or_else(not_a_state)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| not_a_state())?;
    let (generations, files) = rest.split_at_checked(length).ok_or_else(not_a_state)?;
    let generations = rmp_serde::from_slice(generations).map_err(|_| not_a_state())?;
    Ok((generations, files))
}
