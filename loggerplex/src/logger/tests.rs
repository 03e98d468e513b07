use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::format::TextFormat;
use crate::words;

#[derive(Debug, thiserror::Error)]
#[error("cannot load {0}")]
struct Load(&'static str, #[source] std::num::ParseIntError);

#[test]
fn an_error_is_logged_with_its_sources() {
    let cause = "x".parse::<i64>().unwrap_err();
    assert_eq!(
        with_sources(&Load("model", cause.clone())),
        "cannot load model\ncaused by: invalid digit found in string"
    );
    assert_eq!(with_sources(&cause), "invalid digit found in string");
}

#[test]
fn level_methods_are_named_after_their_levels() {
    assert_eq!(levels::NAMES.len(), 23);
    for (level, name) in levels::NAMES {
        assert_eq!(name.parse(), Ok(*level));
    }
}

#[test]
fn a_client_id_is_checked_when_the_logger_is_made() {
    let log = Logger::connect("redis://localhost:1", "agent/17").unwrap();
    assert!(Logger::connect("redis://localhost:1", "../agent").is_err());
    assert!(log.with_client_id("agent/18").is_ok());
}

/// Output that records each write.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<String>>>);

impl Sink {
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap()
            .push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns a logger without a server, whose echo has no times.
pub(crate) fn logger(sink: &Sink) -> Logger {
    let lines = TextFormat::default().time(None);
    let log = Logger::connect("redis://localhost:1", "agent/17").unwrap();
    log.echo(Echo::to(sink.clone()).lines(lines))
}

#[test]
fn the_echo_equals_the_line_in_the_file() {
    let sink = Sink::default();
    let log = logger(&sink);
    log.debug("quiet");
    log.info("two\nlines\x1b[2J");
    log.info3(words!["loss", 0.25]);
    log.warning_fmt("{:.1%} of {what}", words![0.5, what = "all"]);
    log.section("Yo");
    log.error_section("hot");
    let section = Section::at(Level::INFO).sep("!").repeat(4);
    log.section_as(section, "wide");
    log.traceback("failed", "Traceback:\nValueError");
    assert_eq!(
        sink.take(),
        [
            "INFO> two\n    | lines\\x1b[2J\n",
            "INFO3> loss 0.25\n",
            "WARNING> 50.0% of all\n",
            "INFO> ========== Yo ==========\n",
            "ERROR> ========== hot ==========\n",
            "INFO> !! wide !!\n",
            "ERROR> failed\n    | ERROR> Traceback:\n    | ERROR> ValueError\n",
        ]
    );
}

#[test]
fn the_echo_has_its_own_level_and_the_client_id_of_its_logger() {
    let sink = Sink::default();
    let lines = TextFormat::default().preamble("{client_id} ".parse().unwrap());
    let echo = Echo::to(sink.clone()).level(Level(15)).lines(lines);
    let log = Logger::connect("redis://localhost:1", "a").unwrap().echo(echo);
    log.log(Level(14), "quiet");
    log.log(Level(15), "heard");
    log.with_client_id("b").unwrap().info("too");
    assert_eq!(sink.take(), ["a DEBUG5> heard\n", "b INFO> too\n"]);
}
