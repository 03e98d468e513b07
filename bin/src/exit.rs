//! Exit codes of the commands that read files.

use std::process::ExitCode;

/// Success, without findings.
pub const SUCCESS: u8 = 0;
/// Success, with findings: damaged records, faults, undelivered spools.
pub const FINDINGS: u8 = 1;
/// Failure; wrong options have the same code.
pub const FAILURE: u8 = 2;
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
