//! The programs `tensorplex-server` and `tensorplex`: they parse, call, and turn the result into an exit code.

pub mod broker_files;
pub mod client_options;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod drain;
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
