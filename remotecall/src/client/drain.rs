//! Delivers what processes that are gone have left in their spools.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::window::Window;
use super::{ClientOptions, ConnectError, Handle};
use crate::SpoolError;
use remotecall_connection::{Address, AddressError, Endpoint, Environment, Keys, Role};
use remotecall_store::spool::{Found, Spool, SpoolDirectory};

/// What became of one spool.
#[derive(Debug)]
pub struct Drained {
    /// Its directory.
    pub path: PathBuf,
    /// Queue and client id of the process that wrote it, if they can be read.
    pub owner: Option<(String, String)>,
    /// How it went.
    pub outcome: DrainOutcome,
}

/// How it went with a spool.
#[derive(Debug)]
pub enum DrainOutcome {
    /// All of it is acknowledged, and the spool is gone.
    Delivered {
        /// How many calls were in it that this process did not know to be acknowledged.
        calls: u64,
    },
    /// A process that lives uses it; it delivers its calls itself.
    InUse,
    /// Time was over; the spool is as it was, but for what is acknowledged.
    Outstanding {
        /// Calls acknowledged.
        calls: u64,
        /// Calls not acknowledged.
        outstanding: u64,
    },
    /// What can be read is acknowledged; the rest lies in `aside`.
    Damaged {
        /// Calls acknowledged.
        calls: u64,
        /// Bytes that cannot be read or delivered.
        bytes: u64,
        /// Where the spool is now.
        aside: PathBuf,
    },
    /// It cannot be used; it is as it was.
    Refused(DrainError),
}

/// Spools cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The spool, or the directory of spools, cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// There is no client for it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Drained {
    /// Whether nothing is left that somebody has to see to.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, DrainOutcome::Delivered { .. } | DrainOutcome::InUse)
    }
}

/// Delivers every spool below `dir` that no process uses, one after the other, to `address` or where its process sent.
/// No spool holds a password: it comes from `address`, or like other credentials from the variables of `environment`.
/// `report` hears of each spool.
///
/// # Errors
/// When the directory cannot be read, or the address not be understood.
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
    // It was flushed, or there is no time left.
    let _ = handle.close(Duration::ZERO);
    Ok(outcome)
}
