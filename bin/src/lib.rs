//! The programs `tensorplex-server` and `tensorplex`.
//!
//! ```text
//! server         tensorplex-server: writes event files and log files
//! run, send      tensorplex: logs the output of a program; sends records as JSON lines
//! drain          delivers the spools of killed workers
//! tail, top      follows log files; shows runs and the backlog
//! export, inspect, doctor       reads and checks event files
//! completions    shell completions
//!
//! endpoint       options: broker address, spool
//! credentials    options: files with the broker's credentials
//! units          sizes and durations: parsing and printing
//! terminal       colours, escaping, progress bar
//! logging        log lines of the programs themselves
//! exit           exit codes
//! ```
//!
//! Each command is a struct of options with a method `run`. The binaries only parse, call, and
//! exit.

#![allow(
    clippy::doc_markdown,
    reason = "doc comments of options are help texts: a terminal would show the backticks"
)]

pub mod completions;
pub mod credentials;
pub mod doctor;
pub mod drain;
pub mod endpoint;
pub mod exit;
pub mod export;
pub mod inspect;
pub mod logging;
pub mod run;
pub mod send;
pub mod server;
pub mod tail;
pub mod terminal;
pub mod top;
pub mod units;
