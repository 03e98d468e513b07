//! Clients after `fork`.
//!
//! The child process has a copy of the parent's window, sockets and locks, and none of its threads. A thread
//! of the parent may have held any of the locks at the fork; in the child no thread ever releases it. So the
//! child touches nothing of the parent's client, not even to free it: each handle compares its fork generation
//! ([`ForkGeneration`](remotecall_store::fork::ForkGeneration)) before it locks. The child makes a client of its
//! own, with another producer id and its own threads: [`Client::renewed`].

use std::sync::Arc;

use super::{Client, ConnectError, Handle};

impl Client {
    /// True if this process made the client. A child process after a fork cannot call through it.
    pub fn is_here(&self) -> bool {
        self.handle.fork_generation.is_current()
    }

    /// Makes a client with the same address, queue, client id and options, and none of this one's calls: for a child
    /// process after a fork. It gets a spool of its own; the parent keeps its own.
    ///
    /// # Errors
    /// When the system refuses a random id or a thread, or the spool cannot be made.
    pub fn renewed(&self) -> Result<Self, ConnectError> {
        let handle = Handle::open(
            self.handle.access.renewed(),
            self.handle.keys.clone(),
            self.handle.owner.clone(),
            self.handle.window.options.clone(),
        )?;
        Ok(Self {
            handle: Arc::new(handle),
            ..self.clone()
        })
    }
}

impl Handle {
    /// Forgets the parent's threads: even detaching them would touch memory of threads that do not exist here.
    pub(super) fn leave_threads_alone(&mut self) {
        for thread in [&mut self.sender, &mut self.reader] {
            if let Ok(thread) = thread.get_mut() {
                std::mem::forget(thread.take());
            }
        }
        // Its lock may be held by a thread of the parent.
        if let Ok(ended) = self.sender_has_ended.get_mut() {
            std::mem::forget(ended.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use remotecall_store::fork::ForkGeneration;

    use super::*;
    use crate::{ClientId, ClientOptions, NotQueued, RemoteError, RemoteFuture};
    use remotecall_connection::{Endpoint, Role};
    use remotecall_store::spool::Owner;

    /// A client and a future as a child process finds them.
    fn made_by_another_process() -> (Client, RemoteFuture<i64>) {
        let access = Endpoint::new("127.0.0.1:1".parse().unwrap(), Role::Worker);
        let keys = remotecall_connection::Keys::new("q").unwrap();
        let owner = Owner {
            queue: "q".to_owned(),
            client_id: "c".to_owned(),
            address: String::new(),
        };
        let mut handle = Handle::open(access, keys, owner, ClientOptions::default()).unwrap();
        handle.fork_generation = ForkGeneration::of_another_process();
        let client = Client {
            id: Arc::new(ClientId::new("c").unwrap()),
            handle: Arc::new(handle),
            deadline_ms: None,
        };
        let pushed = Ok(((1, 0), Some(Arc::default())));
        let future = RemoteFuture::new(client.handle.clone(), pushed);
        (client, future)
    }

    #[test]
    fn a_child_touches_no_lock_of_its_parent() {
        let (client, future) = made_by_another_process();
        // A lock of the window would never be released in the child.
        let window = client.handle.window.clone();
        let _held = window.hold_for_test();
        assert!(!client.is_here());
        assert_eq!(future.get_timeout(Duration::ZERO), Err(RemoteError::OtherProcess));
        drop(future);
        assert_eq!(
            client.call::<_, ()>("add", &(1,)).get(),
            Err(NotQueued::OtherProcess.into())
        );
        client.send("add", &(1,));
        assert_eq!(client.flush(Duration::ZERO), Ok(()));
        assert_eq!(client.stats().taken, 0);
        let renewed = client.renewed().unwrap();
        assert_eq!(client.close(Duration::ZERO), Ok(()));
        drop(client);
        assert_ne!(renewed.handle.window.producer, window.producer);
        assert!(renewed.is_here());
        renewed.send("add", &(1,));
        assert_eq!(renewed.stats().taken, 1);
        assert!(renewed.close(Duration::ZERO).is_err());
    }
}
