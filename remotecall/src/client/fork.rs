//! A client after `fork`.
//!
//! The child process has a copy of the parent's window, sockets and locks, and none of its threads. A thread
//! of the parent may have held any of the locks in that instant; in the child nobody will ever release it. So
//! nothing of the parent is touched in the child, not even to free it: whatever belongs to a client knows
//! which process made it, looks before it locks, and is useless in any other. The child makes a client
//! of its own, with another producer id and threads of its own: [`Client::renewed`].
//!
//! The C library counts: a function that it calls in every child. It is called for a fork by any language and library;
//! only a bare `clone` system call, after which the C library itself cannot be used, goes unnoticed.

use std::sync::Arc;

use super::{Client, ConnectError, Handle};

impl Client {
    /// Whether this process made the client. In a child process, after a fork, calls through it are refused.
    pub fn is_here(&self) -> bool {
        self.handle.fork_generation.is_current()
    }

    /// A client with the same address, queue, client id and options, and nothing of this one's calls: what a child
    /// process needs after a fork. Its spool is another one: the parent's stays the parent's.
    ///
    /// # Errors
    /// When the system gives no random id or no thread, or there can be no spool.
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
    /// The threads are the parent's: even to detach them would be to touch memory that is no thread's any more.
    pub(super) fn leave_threads_alone(&mut self) {
        for thread in [&mut self.sender, &mut self.reader] {
            if let Ok(thread) = thread.get_mut() {
                std::mem::forget(thread.take());
            }
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

    /// As a child process finds it.
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
    fn a_child_uses_nothing_of_its_parent() {
        let (client, future) = made_by_another_process();
        // Whoever takes one of these locks now waits for ever.
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
