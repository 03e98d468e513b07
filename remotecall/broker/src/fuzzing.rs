//! Entry point for the target `commands` in `fuzz/`: bytes of a client.

use std::sync::Arc;

use super::BrokerOptions;
use super::commands::{self, Session};
use super::framing::Limits;
use super::input::{Input, Peer};
use super::shared::Shared;

/// Bytes of data of the broker that is tried.
const MEMORY: usize = 1 << 20;

/// A connection's bytes, in pieces whose size the first byte says, as a stranger and as one who may do everything.
pub fn commands(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else {
        return;
    };
    for password in [None, Some("pw".to_owned())] {
        let options = BrokerOptions {
            max_memory: MEMORY,
            password,
            ..BrokerOptions::default()
        };
        let mut session = Session::new(Arc::new(Shared::new(&options)), 1);
        let mut input = Input::default();
        for mut piece in bytes.chunks(usize::from(piece).max(1)) {
            while let Ok(Peer::Open) = input.fill(&mut piece) {}
            if !execute(&mut session, &mut input) {
                break;
            }
        }
        assert!(session.store().used() <= MEMORY);
    }
}

/// False when the connection would end.
fn execute(session: &mut Session, input: &mut Input) -> bool {
    loop {
        let limits = match session.is_authenticated() {
            true => Limits::TRUSTED,
            false => Limits::STRANGER,
        };
        match input.next(limits) {
            Ok(Some(args)) => drop(commands::execute(session, args)),
            Ok(None) => return true,
            Err(_) => return false,
        }
        session.take_wait();
        if session.is_over() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_holds() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/commands");
        let mut count = 0;
        for entry in std::fs::read_dir(&dir).unwrap() {
            super::commands(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 3, "{}: {count} files", dir.display());
    }
}
