//! Entry point for the target `commands` in `fuzz/`, and the replay of its corpus in `cargo test`.

use std::sync::Arc;

use super::commands::{self, Session};
use super::framing::Limits;
use super::input::{Input, Peer};
use super::options::BrokerOptions;
use super::shared::Shared;

/// Limit on the data of the broker under test, in bytes.
const MEMORY: usize = 1 << 20;

/// Executes the bytes of a client, once unauthenticated and once authenticated. The first byte is
/// the size of the pieces in which the others arrive.
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

/// Executes the commands that have arrived; returns false when the connection would end.
fn execute(session: &mut Session, input: &mut Input) -> bool {
    loop {
        let limits = match session.is_authenticated() {
            true => Limits::AUTHENTICATED,
            false => Limits::UNAUTHENTICATED,
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
    fn the_corpus_is_executed_without_a_panic() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/commands");
        let mut count = 0;
        for entry in std::fs::read_dir(&dir).unwrap() {
            super::commands(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 3, "{}: {count} files", dir.display());
    }
}
