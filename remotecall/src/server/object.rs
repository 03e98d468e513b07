//! The served object: its remote methods, its files and its checkpoints.

use std::io;

use crate::{Durable, Remote};

/// A served object, with or without checkpoints.
pub(super) trait ServedObject: Send {
    fn remote(&mut self) -> &mut dyn Remote;
    fn commit(&mut self) -> io::Result<()>;
    /// Makes a checkpoint; `None` when the object has none, so that its state is the whole journal.
    fn checkpoint(&mut self) -> Option<io::Result<Vec<u8>>>;
    fn wants_checkpoint(&self) -> bool;
    fn restore(&mut self, state: &[u8]) -> io::Result<()>;
    /// Settings that the effects of calls depend on.
    fn settings(&self) -> String;
}

/// An object without checkpoints: its state is the result of all calls.
pub(super) struct JournalOnly<O>(pub O);

impl<O: Remote> ServedObject for JournalOnly<O> {
    fn remote(&mut self) -> &mut dyn Remote {
        &mut self.0
    }

    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn checkpoint(&mut self) -> Option<io::Result<Vec<u8>>> {
        None
    }

    fn wants_checkpoint(&self) -> bool {
        false
    }

    fn restore(&mut self, _state: &[u8]) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the object has no state of its own to restore",
        ))
    }

    fn settings(&self) -> String {
        String::new()
    }
}

/// An object with checkpoints.
pub(super) struct Checkpointed<O>(pub O);

impl<O: Durable> ServedObject for Checkpointed<O> {
    fn remote(&mut self) -> &mut dyn Remote {
        &mut self.0
    }

    fn commit(&mut self) -> io::Result<()> {
        self.0.commit()
    }

    fn checkpoint(&mut self) -> Option<io::Result<Vec<u8>>> {
        Some(self.0.checkpoint())
    }

    fn wants_checkpoint(&self) -> bool {
        self.0.wants_checkpoint()
    }

    fn restore(&mut self, state: &[u8]) -> io::Result<()> {
        self.0.restore(state)
    }

    fn settings(&self) -> String {
        self.0.settings()
    }
}
