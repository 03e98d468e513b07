//! Remainder: output of processes that the program left behind.
//!
//! The processes hold the write end of a channel. If its read end were closed, SIGPIPE would end
//! them at their next line. So another `tensorplex run` takes the channel over as its standard
//! input, and logs it until they have ended.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::URL_VARIABLE;
use super::capture::Channel;

/// Starts the process that takes a channel over.
///
/// # Errors
/// Fails when the process cannot be started.
pub(super) fn start(channel: Channel, address: &str, client_id: &str) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["run", "--client-id", client_id])
        .args(["--remainder", &channel.level.0.to_string()])
        // Not an argument, because everybody can read those.
        .env(URL_VARIABLE, address)
        .env_remove("TENSORPLEX_SPOOL")
        .stdin(channel.from)
        .stdout(channel.to)
        .stderr(Stdio::null())
        // Signals to the caller's group, such as Ctrl-C, are not for it.
        .process_group(0);
    command.spawn().map(drop)
}
