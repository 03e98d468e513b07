//! Witness: tells whether a signal went to the program as well.
//!
//! Schedulers and service managers signal a whole process group, or every process of a job, so the
//! program has the signal already. The witness is one more process of the group that blocks these
//! signals: they stay pending, and `/proc` shows them.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

/// Time for which a signal to all processes may take to reach each of them: 100 ms.
const SPREAD: Duration = Duration::from_millis(100);
/// Interval of the looks at the witness in that time: 2 ms.
const INTERVAL: Duration = Duration::from_millis(2);

/// Process that ends when this one does.
pub(super) struct Witness(Child);

impl Witness {
    /// Starts a process that blocks `signals`.
    pub fn start(signals: &[i32]) -> io::Result<Self> {
        let signals: SigSet = signals
            .iter()
            .filter_map(|&signal| Signal::try_from(signal).ok())
            .collect();
        // The process inherits the blocked signals; other threads handle them meanwhile.
        signals.thread_block()?;
        // Waits for the end of a pipe that this process holds open.
        let mut command = Command::new("cat");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn();
        signals.thread_unblock()?;
        Ok(Self(child?))
    }

    /// Returns whether the witness got a signal, too.
    pub fn has_got(&self, signal: i32) -> bool {
        let end = Instant::now() + SPREAD;
        loop {
            if self.is_pending(signal) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(INTERVAL);
        }
    }

    fn is_pending(&self, signal: i32) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let pending = status.lines().filter_map(|line| {
            let mask = line
                .strip_prefix("ShdPnd:")
                .or_else(|| line.strip_prefix("SigPnd:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        });
        let bit = u32::try_from(signal - 1)
            .ok()
            .and_then(|bit| 1u64.checked_shl(bit))
            .unwrap_or(0);
        pending.fold(0, |all, mask| all | mask) & bit != 0
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
