//! The sender thread: sends frames and reads acknowledgements, over one blocking connection.
//!
//! The answer to an `XADD` proves nothing, because the broker may lose what it stored. Only the acknowledgement
//! counts, and it is read with every batch. The sender sends again from the first unacknowledged frame
//!
//! - after a reconnect, when the frame sent last is not in the stream any more, or its entry id is unknown;
//! - after a stall, when the first frame is not in the stream any more: the server trimmed it and did not
//!   accept it, because a frame before it was missing;
//! - when the broker refused a frame.
//!
//! A frame that is still in the stream waits for its server and is not sent again: a server that was away for
//! a day must not find a day's repetitions.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use redis::RedisResult;

use super::Backoff;
use super::handoff::Handoff;
use super::session::Session;
use super::window::{Window, Work};
use remotecall_connection::{Connection, Endpoint, Keys};

/// Connections in a row that broke while frames were sent, after which the length of a frame is suspected.
const FAILURES: u32 = 2;
/// Frames of at most this many bytes are never refused for their length: `proto-max-bulk-len` of Redis is 1 MiB at least.
const ALWAYS_TAKEN: usize = 1 << 20;

pub(super) fn start(
    window: Arc<Window>,
    access: Endpoint,
    keys: Keys,
    handoff: Arc<Handoff<Session>>,
) -> std::io::Result<(JoinHandle<()>, Receiver<Infallible>)> {
    let sender = Sender {
        window,
        access,
        keys,
        handoff,
    };
    let (ended, has_ended) = channel();
    let thread = std::thread::Builder::new()
        .name("remotecall-send".into())
        .spawn(move || {
            sender.run();
            drop(ended);
        })?;
    Ok((thread, has_ended))
}

struct Sender {
    window: Arc<Window>,
    access: Endpoint,
    keys: Keys,
    handoff: Arc<Handoff<Session>>,
}

impl Sender {
    fn run(self) {
        let mut backoff = Backoff::new();
        let mut failures = 0;
        // True while the broker has answered each `XADD`.
        let mut is_certain = true;
        while self.window.wait_for_any() {
            match Session::open(self.window.clone(), &self.access, self.keys.clone()) {
                Ok(session) => {
                    self.access.is_back();
                    match self.send_over(session, &mut backoff, &mut failures, is_certain) {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::debug!(address = %self.access.address, %error, "connection to the broker failed");
                            failures += 1;
                            is_certain = false;
                            if failures >= FAILURES {
                                self.give_up_refused_length();
                            }
                        }
                    }
                }
                Err(error) => self.access.is_out(&error, "calls wait in memory"),
            }
            if self.window.pause(backoff.next()) {
                return;
            }
        }
    }

    /// Gives up the first long frame if the broker refuses values of its length.
    ///
    /// Redis closes the connection of a client that sends a longer value than `proto-max-bulk-len`, which looks like any other
    /// broken connection.
    fn give_up_refused_length(&self) {
        let Some((seq, length)) = self.window.longer_than(ALWAYS_TAKEN) else {
            return;
        };
        match Connection::refuses_length(&self.access, length) {
            Ok(Some(why)) => self.window.give_up(
                seq,
                &format!("{why} (a value of {length} bytes; raise proto-max-bulk-len of the broker)"),
            ),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, length, "cannot ask the broker for its longest value"),
        }
    }

    /// Sends until the client is closed or the connection fails.
    fn send_over(
        &self,
        mut session: Session,
        backoff: &mut Backoff,
        failures: &mut u32,
        is_certain: bool,
    ) -> RedisResult<()> {
        loop {
            let look = session.next_look();
            self.handoff.offer(session);
            let work = self.window.wait(look);
            session = self.handoff.reclaim();
            session.check()?;
            if matches!(work, Work::Stop) {
                if self.window.has_every_ack() {
                    session.say_goodbye(is_certain);
                }
                return Ok(());
            }
            if session.exchange(None)? {
                backoff.reset();
                *failures = 0;
            } else if self.window.pause(backoff.next()) {
                return Ok(());
            }
            session.look_after_stall()?;
            session.ask_for_replies();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::Client;
    use remotecall_broker::{BrokerOptions, EmbeddedBroker};

    const DEADLINE: Duration = Duration::from_secs(60);

    #[track_caller]
    fn receives_data(broker: &EmbeddedBroker) {
        let since = Instant::now();
        while broker.memory() == 0 {
            assert!(since.elapsed() < DEADLINE, "the broker received nothing");
            std::thread::yield_now();
        }
    }

    /// The frame was sent before the broker stopped, and no call follows.
    #[test]
    fn frames_of_a_lost_broker_are_sent_again_without_another_call() {
        let first = EmbeddedBroker::start(BrokerOptions::new(([127, 0, 0, 1], 0).into())).unwrap();
        let address = first.address();
        let client = Client::connect(&address.to_string(), "q", "c").unwrap();
        client.send("put", &(1,));
        receives_data(&first);
        first.stop();
        receives_data(&EmbeddedBroker::start(BrokerOptions::new(address)).unwrap());
        client.close(Duration::ZERO).unwrap_err();
    }
}
