//! The thread that sends frames and hears acks, over one blocking connection.
//!
//! The answer to an `XADD` proves nothing: the broker may lose what it stored. Only the ack counts, and it
//! is read with every batch. Frames are sent again, from the first that is not acked,
//!
//! - after a reconnect, when the frame sent last is not in the stream any more (or nobody knows);
//! - when no ack comes for a while and the first frame is not in the stream any more: the server took
//!   it out and did not accept it, because one before it was missing;
//! - when the broker refused one.
//!
//! A frame that is still in the stream only waits for its server, and is not sent twice: a server that is
//! away for a day must not find a day's repetitions.

use std::sync::Arc;
use std::thread::JoinHandle;

use redis::RedisResult;

use super::Backoff;
use super::handoff::Handoff;
use super::session::Session;
use super::window::{Window, Work};
use remotecall_connection::{Endpoint, Keys};

pub(super) fn start(
    window: Arc<Window>,
    access: Endpoint,
    keys: Keys,
    turn: Arc<Handoff<Session>>,
) -> std::io::Result<JoinHandle<()>> {
    let sender = Sender {
        window,
        access,
        keys,
        turn,
    };
    std::thread::Builder::new()
        .name("remotecall-send".into())
        .spawn(move || sender.run())
}

struct Sender {
    window: Arc<Window>,
    access: Endpoint,
    keys: Keys,
    turn: Arc<Handoff<Session>>,
}

impl Sender {
    fn run(self) {
        let mut backoff = Backoff::new();
        while self.window.wait_for_any() {
            match Session::open(self.window.clone(), &self.access, self.keys.clone()) {
                Ok(session) => {
                    self.access.is_back();
                    match self.send_over(session, &mut backoff) {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::debug!(address = %self.access.address, %error, "connection to the broker failed")
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

    /// Sends until the client is closed or the connection fails.
    fn send_over(&self, mut session: Session, backoff: &mut Backoff) -> RedisResult<()> {
        loop {
            let look = session.next_look();
            self.turn.lend(session);
            let work = self.window.wait(look);
            session = self.turn.reclaim();
            session.check()?;
            if matches!(work, Work::Stop) {
                return Ok(());
            }
            if session.exchange(None)? {
                backoff.reset();
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
    fn gets_something(broker: &EmbeddedBroker) {
        let since = Instant::now();
        while broker.memory() == 0 {
            assert!(since.elapsed() < DEADLINE, "nothing comes");
            std::thread::yield_now();
        }
    }

    /// Everything was sent before the broker went, and nobody calls any more.
    #[test]
    fn what_a_lost_broker_had_is_sent_again_without_another_call() {
        let first = EmbeddedBroker::start(BrokerOptions::new(([127, 0, 0, 1], 0).into())).unwrap();
        let address = first.address();
        let client = Client::connect(&address.to_string(), "q", "c").unwrap();
        client.send("put", &(1,));
        gets_something(&first);
        first.stop();
        gets_something(&EmbeddedBroker::start(BrokerOptions::new(address)).unwrap());
        client.close(Duration::ZERO).unwrap_err();
    }
}
