//! Drain: delivers the spools of processes that are gone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::window::Window;
use super::{ClientOptions, ConnectError, Handle};
use crate::SpoolError;
use remotecall_connection::{Address, AddressError, Endpoint, Environment, Keys, Role};
use remotecall_store::spool::{Found, Spool, SpoolDirectory};

/// Outcome of one spool.
#[derive(Debug)]
pub struct Drained {
    /// Its directory.
    pub path: PathBuf,
    /// Queue and client id of the process that wrote it, when its owner file can be read.
    pub owner: Option<(String, String)>,
    /// Result of its delivery.
    pub outcome: DrainOutcome,
}

/// Result of the delivery of one spool.
#[derive(Debug)]
pub enum DrainOutcome {
    /// The server acknowledged all frames, and the spool is removed.
    Delivered {
        /// Calls in the spool that were not acknowledged before.
        calls: u64,
    },
    /// A live process uses the spool and delivers its frames itself.
    InUse,
    /// The timeout passed; the spool keeps the frames that are not acknowledged.
    Outstanding {
        /// Calls acknowledged.
        calls: u64,
        /// Calls not acknowledged.
        outstanding: u64,
    },
    /// The readable frames are acknowledged; the rest was moved to `aside`.
    Damaged {
        /// Calls acknowledged.
        calls: u64,
        /// Unreadable bytes.
        bytes: u64,
        /// New path of the spool.
        aside: PathBuf,
    },
    /// The spool cannot be used and was left untouched.
    Refused(DrainError),
}

/// Error of [`drain`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// The spool or the directory of spools cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// No client can be made for the spool.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Drained {
    /// True if the spool needs no further action.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, DrainOutcome::Delivered { .. } | DrainOutcome::InUse)
    }
}

/// Delivers every spool below `dir` that no process uses, one after the other, within `timeout` in all.
///
/// Frames go to `address`, or to the address that each spool's process used. Spools hold no passwords: credentials that
/// the address does not name come from the variables of `environment`. `report` is called once per spool.
///
/// # Errors
/// When the directory cannot be read, or the address cannot be parsed.
pub fn drain(
    dir: &Path,
    address: Option<&str>,
    environment: &Environment,
    timeout: Duration,
    report: &mut dyn FnMut(&Drained),
) -> Result<(), DrainError> {
    let address: Option<Address> = address
        .map(|address| Address::parse_with(address, environment))
        .transpose()
        .map_err(ConnectError::from)?;
    let end = Instant::now() + timeout;
    for found in SpoolDirectory::all(dir)? {
        let (path, owner, outcome) = match found {
            Found::InUse(path) => (path, None, DrainOutcome::InUse),
            Found::Refused(path, error) => (path, None, DrainOutcome::Refused(error.into())),
            Found::Free(directory) => {
                let (path, owner) = (directory.dir.clone(), directory.owner.clone());
                let left = end.saturating_duration_since(Instant::now());
                let address = match &address {
                    Some(address) => Ok(address.clone()),
                    None => Address::parse_with(&directory.owner.address, environment),
                };
                let outcome = deliver(directory, address, left).unwrap_or_else(DrainOutcome::Refused);
                (path, Some((owner.queue, owner.client_id)), outcome)
            }
        };
        report(&Drained { path, owner, outcome });
    }
    Ok(())
}

fn deliver(
    directory: SpoolDirectory,
    address: Result<Address, AddressError>,
    timeout: Duration,
) -> Result<DrainOutcome, DrainError> {
    let owner = directory.owner.clone();
    let address = address.map_err(ConnectError::from)?;
    let keys = Keys::new(&owner.queue).map_err(ConnectError::from)?;
    let opened = Spool::take_over(directory)?;
    let bytes = opened.rest.damaged;
    let window = Window::that_only_delivers(opened, ClientOptions::default());
    let handle = Handle::start(Endpoint::new(address, Role::Worker), keys, owner, window)?;
    let flushed = handle.flush(timeout);
    let stats = handle.window.stats();
    let outcome = match (flushed, bytes) {
        (Err(error), _) => DrainOutcome::Outstanding {
            calls: stats.acked,
            outstanding: error.outstanding,
        },
        (Ok(()), 0) => DrainOutcome::Delivered { calls: stats.acked },
        (Ok(()), bytes) => match handle.window.set_spool_aside() {
            Some(aside) => DrainOutcome::Damaged {
                calls: stats.acked,
                bytes,
                aside: aside?,
            },
            None => DrainOutcome::Delivered { calls: stats.acked },
        },
    };
    // Flushed, or out of time.
    let _ = handle.close(Duration::ZERO);
    Ok(outcome)
}
