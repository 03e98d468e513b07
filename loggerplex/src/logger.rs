//! Logger: the worker's side.

mod levels;
mod sections;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use remotecall::{ClientIdError, ConnectError, FlushError, OneWay};

use crate::echo::Echo;
use crate::level::Level;
use crate::message::layout::{exception_text, section_line};
use crate::message::{Text, Words};
use crate::server::{LoggerplexClient, QUEUE};

pub use sections::Section;

/// Logs to a remote [`Loggerplex`](crate::Loggerplex). Clones share one connection.
///
/// A call never blocks on the network and never fails. The connection counts what it cannot
/// deliver.
///
/// ```
/// use loggerplex::{Logger, words};
///
/// // The server may start later: lines wait in memory, 64 MiB of them by default.
/// let log = Logger::connect("127.0.0.1:1", "agent/17")?;
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
    /// Connects to the broker at `address` in the background, and logs under this client id.
    ///
    /// # Errors
    /// Fails when the address or the client id is invalid.
    pub fn connect(address: &str, client_id: &str) -> Result<Self, ConnectError> {
        let client = LoggerplexClient::connect(address, QUEUE, client_id)?;
        Ok(Self::new(client.one_way()))
    }

    /// Logs through an existing client.
    pub fn new(client: LoggerplexClient<OneWay>) -> Self {
        Self { client, echo: None }
    }

    /// Also writes every line to a local output.
    #[must_use]
    pub fn echo(mut self, echo: Echo) -> Self {
        self.echo = Some(Arc::new(echo));
        self
    }

    /// Returns the client, for its statistics and options.
    pub fn client(&self) -> &LoggerplexClient<OneWay> {
        &self.client
    }

    /// Returns a logger with another client id over the same connection.
    ///
    /// # Errors
    /// Fails when the client id is invalid.
    pub fn with_client_id(&self, client_id: &str) -> Result<Self, ClientIdError> {
        Ok(Self {
            client: self.client.with_client_id(client_id)?,
            echo: self.echo.clone(),
        })
    }

    /// Waits until all earlier lines are on the server's disk.
    ///
    /// # Errors
    /// Fails after `timeout`; the error counts what is outstanding.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.client.flush(timeout)
    }

    /// Logs a message with any level: `Level(23)` is `INFO3`.
    pub fn log<'a>(&self, level: Level, message: impl Into<Text<'a>>) {
        let message = message.into();
        self.echo_line(level, || message.as_str());
        self.client.log(level, message);
    }

    /// Logs a filled template with any level; see [`Words::format`]. A bad template is logged
    /// unfilled, with the reason.
    pub fn log_fmt(&self, level: Level, template: &str, words: Words) {
        self.log(level, words.format_or_explain(template));
    }

    /// Logs a title between bars, with this level, symbol and length.
    pub fn section_as<'a>(&self, bars: Section<'_>, title: impl Into<Text<'a>>) {
        let Section { level, sep, repeat } = bars;
        let title = title.into();
        self.echo_line(level, || {
            // The server refuses overlong bars; the echo shows at least the title.
            section_line(title.as_str(), sep, repeat).unwrap_or_else(|| title.as_str().to_owned())
        });
        self.client.section(title, level, sep, repeat);
    }

    /// Logs a message with the level `ERROR`, and the error with its sources below it.
    pub fn exception<'a>(&self, message: impl Into<Text<'a>>, error: &dyn Error) {
        self.traceback(message, with_sources(error));
    }

    /// Logs a message with the level `ERROR`, and a traceback below it; each traceback line begins
    /// with `ERROR> `.
    pub fn traceback<'a>(&self, message: impl Into<Text<'a>>, traceback: impl Into<Text<'a>>) {
        let (message, traceback) = (message.into(), traceback.into());
        self.echo_line(Level::ERROR, || {
            exception_text(message.as_str(), traceback.as_str())
        });
        self.client.exception(message, traceback);
    }

    fn echo_line<T: AsRef<str>>(&self, level: Level, message: impl FnOnce() -> T) {
        if let Some(echo) = &self.echo {
            let client_id = self.client.client().client_id();
            echo.write(client_id.as_str(), level, message().as_ref());
        }
    }
}

/// Limit on the logged sources of an error, because the chain could be a cycle.
const MAX_SOURCES: usize = 32;

/// Text of an error: one line for it and one for each source.
fn with_sources(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.take(MAX_SOURCES).fold(error.to_string(), |text, cause| {
        format!("{text}\ncaused by: {cause}")
    })
}

#[cfg(test)]
pub(crate) mod tests;
