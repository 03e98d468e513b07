//! Exit codes of the commands that read files.

use std::process::ExitCode;

/// Everything was as it should be.
pub const FINE: u8 = 0;
/// It was done, and something is not as it should be: damaged records, faults.
pub const FOUND: u8 = 1;
/// It was not done; wrong options are reported with the same code.
pub const NOT_DONE: u8 = 2;
/// Who read the output has gone: as if SIGPIPE had ended the program.
const GONE: u8 = 128 + 13;

/// The exit code of a command, whose error is reported here.
pub fn code<E: std::error::Error + 'static>(command: &str, result: Result<u8, E>) -> ExitCode {
    match result {
        Ok(code) => code.into(),
        Err(error) if is_gone(&error) => GONE.into(),
        Err(error) => {
            eprintln!("tensorplex {command}: {error}");
            NOT_DONE.into()
        }
    }
}

fn is_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    let broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(broken) {
            return true;
        }
        cause = error.source();
    }
    false
}
