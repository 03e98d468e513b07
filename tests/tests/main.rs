//! All whole-system tests in one program, because linking forty programs would take longer than
//! most tests run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is a failure, also in their helper functions"
)]

mod acl;
mod bounds;
mod broker_errors;
mod broker_limits;
mod calls_under_kills;
mod chaos;
mod commands;
mod demo;
mod dependencies;
mod differential;
mod disk;
mod doctor;
mod every_record;
mod examples;
mod export;
mod failure_matrix;
mod failures;
mod hostile;
mod layers;
mod left_out;
mod links;
mod loggerplex;
mod many_ids;
mod many_workers;
mod no_server;
mod old_files;
mod oracle;
mod producers;
mod prose;
mod readme;
mod records;
mod remotecall;
mod run;
mod secrets;
mod send;
mod settings;
mod spool;
mod tail;
mod tail_server;
mod tls;
mod top;
mod two_servers;
