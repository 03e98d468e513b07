//! Options that all programs with a client share: broker address and spool.

use std::path::PathBuf;

use remotecall::Environment;

use crate::credentials::CredentialOptions;

/// Default address of the embedded broker, for clients and for the server.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8008";

/// Variables with the credentials that an address does not name: `TENSORPLEX_PASSWORD` and so on.
pub const ENVIRONMENT: Environment = Environment::with_prefix("TENSORPLEX");

/// Broker address with its credentials.
#[derive(clap::Args, Debug)]
pub struct EndpointOptions {
    /// Broker address: of the server itself, or of the Redis that it reads from
    ///
    /// Forms: host:port, redis://user:password@host:port/db, rediss://… (TLS), unix:///path. A
    /// server without --redis listens on port 8008.
    #[arg(
        long,
        value_name = "ADDR",
        env = "TENSORPLEX_URL",
        default_value = DEFAULT_ADDRESS,
        hide_env_values = true
    )]
    redis: String,
    #[command(flatten)]
    credentials: CredentialOptions,
}

impl EndpointOptions {
    /// Returns the broker address, with the credential files.
    pub fn address(&self) -> String {
        self.credentials.apply(&self.redis)
    }
}

/// Spool of a program that sends.
#[derive(clap::Args, Debug)]
pub struct SpoolOptions {
    /// Also keep unacknowledged records and lines in files below DIR, so that they survive a kill
    ///
    /// The next run with the same queue and client id delivers them, or `tensorplex drain DIR`
    /// does.
    #[arg(long, value_name = "DIR", env = "TENSORPLEX_SPOOL")]
    pub spool: Option<PathBuf>,
}
