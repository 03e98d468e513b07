//! Exit codes of the commands that read files.

use std::process::ExitCode;

use tensorplex::logdir::{LeftOut, Pattern};

use crate::terminal::escape;

/// Most names that a message lists.
const MAX_NAMES: usize = 10;

/// Success, without findings.
pub const SUCCESS: u8 = 0;
/// Success, with findings: damaged records, faults, undelivered spools.
pub const FINDINGS: u8 = 1;
/// Failure; wrong options have the same code.
pub const FAILURE: u8 = 2;
/// Success, except for entries that cannot be read, or patterns that match nothing.
pub const INCOMPLETE: u8 = 3;
/// The reader of the output is gone: the code of a shell for a program that SIGPIPE ended.
const BROKEN_PIPE: u8 = 128 + 13;

/// Converts the result of a command to its exit code, and prints its error.
pub fn code<E: std::error::Error + 'static>(command: &str, result: Result<u8, E>) -> ExitCode {
    match result {
        Ok(code) => code.into(),
        Err(error) if is_broken_pipe(&error) => BROKEN_PIPE.into(),
        Err(error) => {
            eprintln!("tensorplex {command}: {error}");
            FAILURE.into()
        }
    }
}

/// Names on standard error the entries of a directory that cannot be read.
pub fn report_left_out(command: &str, left_out: &[LeftOut]) {
    for left in left_out {
        eprintln!("tensorplex {command}: {}", escape(&left.to_string()));
    }
}

/// Says on standard error which patterns match none of `names`; `things` is the plural of what has
/// these names, and `thing` its singular.
pub fn report_unmatched(command: &str, [thing, things]: [&str; 2], patterns: &[Pattern], names: &[String]) {
    for pattern in patterns {
        eprintln!(
            "tensorplex {command}: no {thing} matches {:?}; {}",
            pattern.as_str(),
            there_are(things, names)
        );
    }
}

/// Lists names, such as `there are agent/1, agent/2 and 8 more`.
fn there_are(things: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("there are no {things}");
    }
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| escape(name)).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    match names.len().saturating_sub(MAX_NAMES) {
        0 => format!("there {verb} {}", shown.join(", ")),
        more => format!("there are {} and {more} more", shown.join(", ")),
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    let mut source = Some(error);
    while let Some(error) = source {
        if error.downcast_ref().is_some_and(is_broken) {
            return true;
        }
        source = error.source();
    }
    false
}
