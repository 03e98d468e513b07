//! The served object: its remote methods, its files and its checkpoints.

use std::io;

use crate::{Durable, Remote};

/// An object with or without files and a state of its own.
pub(super) trait ServedObject: Send {
    fn remote(&mut self) -> &mut dyn Remote;
    fn commit(&mut self) -> io::Result<()>;
    /// None when the object has no checkpoint: then the whole journal is its state.
    fn checkpoint(&mut self) -> Option<io::Result<Vec<u8>>>;
    fn wants_checkpoint(&self) -> bool;
    fn restore(&mut self, state: &[u8]) -> io::Result<()>;
    /// What the object does depends on this, besides the calls.
    fn settings(&self) -> String;
}

/// Any object: its state is what the calls made of it.
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

/// An object that can save itself.
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
