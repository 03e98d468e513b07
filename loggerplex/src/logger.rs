//! What a worker logs with.

mod levels;
pub(crate) mod sections;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use remotecall::{ClientIdError, ConnectError, FlushError, OneWay};

use crate::line::{exception, section};
use crate::{Echo, Level, LoggerplexClient, Text, Words};
use sections::Section;

/// The queue on which a [`Loggerplex`](crate::Loggerplex) is expected.
pub const QUEUE: &str = "loggerplex";

/// Logs to a [`Loggerplex`](crate::Loggerplex) that runs elsewhere. No call waits, and none fails: what
/// cannot be delivered is counted by the connection.
///
/// ```no_run
/// use loggerplex::words;
///
/// let log = loggerplex::Logger::connect("redis://localhost:6379", "agent/17")?;
/// log.info("started");
/// log.section(words!["epoch", 1]);
/// log.info3(words!["loss", 0.25]);
/// log.warning_fmt("{:.1%} of {what} lost", words![0.012, what = "frames"]);
/// # Ok::<(), remotecall::ConnectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Logger {
    client: LoggerplexClient<OneWay>,
    echo: Option<Arc<Echo>>,
}

impl Logger {
    /// Logs under a client id to the queue [`QUEUE`] at `address`. No server has to be there yet.
    ///
    /// # Errors
    /// When the address or the client id cannot be used.
    pub fn connect(address: &str, client_id: &str) -> Result<Self, ConnectError> {
        let client = LoggerplexClient::connect(address, QUEUE, client_id)?;
        Ok(Self::new(client.one_way()))
    }

    /// Logs through a client that is there already.
    pub fn new(client: LoggerplexClient<OneWay>) -> Self {
        Self { client, echo: None }
    }

    /// Writes every line there as well.
    #[must_use]
    pub fn echo(mut self, echo: Echo) -> Self {
        self.echo = Some(Arc::new(echo));
        self
    }

    /// The client beneath.
    pub fn client(&self) -> &LoggerplexClient<OneWay> {
        &self.client
    }

    /// Logs under another client id over the same connection.
    ///
    /// # Errors
    /// When the client id cannot be used.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            client: self.client.with_client_id(client_id)?,
            echo: self.echo.clone(),
        })
    }

    /// Waits until all lines so far are in their file.
    ///
    /// # Errors
    /// When `timeout` passes first; the error says how much is outstanding.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.client.flush(timeout)
    }

    /// Logs a message with a level of your choice: `Level(23)` is `INFO3`.
    pub fn log<'a>(&self, level: Level, message: impl Into<Text<'a>>) {
        let message = message.into();
        self.echo_line(level, || message.as_str());
        self.client.log(level, message);
    }

    /// Logs a template with a level of your choice; see [`Words::format`]. One that does not fit its values is logged
    /// as it is, with the reason.
    pub fn log_fmt(&self, level: Level, template: &str, words: Words) {
        self.log(level, words.format_or_say_why(template));
    }

    /// Logs a title between bars of your choice.
    pub fn section_as<'a>(&self, bars: Section<'_>, title: impl Into<Text<'a>>) {
        let Section { level, sep, repeat } = bars;
        let title = title.into();
        self.echo_line(level, || {
            // One with bars that are too long is refused by the server, and still of use here.
            section(title.as_str(), sep, repeat).unwrap_or_else(|| title.as_str().to_owned())
        });
        self.client.section(title, level, sep, repeat);
    }

    /// Logs a message with the level `ERROR`, and below it the error with its causes.
    pub fn exception<'a>(&self, message: impl Into<Text<'a>>, error: &dyn Error) {
        self.traceback(message, with_causes(error));
    }

    /// Logs a message with the level `ERROR`, and below it a traceback as a text, each of its lines after `ERROR> `.
    pub fn traceback<'a>(&self, message: impl Into<Text<'a>>, traceback: impl Into<Text<'a>>) {
        let (message, traceback) = (message.into(), traceback.into());
        self.echo_line(Level::ERROR, || exception(message.as_str(), traceback.as_str()));
        self.client.exception(message, traceback);
    }

    fn echo_line<T: AsRef<str>>(&self, level: Level, message: impl FnOnce() -> T) {
        if let Some(echo) = &self.echo {
            let client_id = self.client.client().client_id();
            echo.write(client_id.as_str(), level, message().as_ref());
        }
    }
}

/// Most causes that are told: an error could be its own.
const MAX_CAUSES: usize = 32;

/// One line for the error and one for each cause.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.take(MAX_CAUSES).fold(error.to_string(), |text, cause| {
        format!("{text}\ncaused by: {cause}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot load {0}")]
    struct Load(&'static str, #[source] std::num::ParseIntError);

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = "x".parse::<i64>().unwrap_err();
        assert_eq!(
            with_causes(&Load("model", cause.clone())),
            "cannot load model\ncaused by: invalid digit found in string"
        );
        assert_eq!(with_causes(&cause), "invalid digit found in string");
    }

    #[test]
    fn methods_are_called_after_their_levels() {
        assert_eq!(levels::NAMES.len(), 23);
        for (level, name) in levels::NAMES {
            assert_eq!(name.parse(), Ok(*level));
        }
    }

    #[test]
    fn a_logger_has_the_address_and_the_id_of_its_client() {
        let log = Logger::connect("redis://localhost:1", "agent/17").unwrap();
        assert!(Logger::connect("redis://localhost:1", "../agent").is_err());
        assert!(log.with_client_id("agent/18").is_ok());
    }
}
