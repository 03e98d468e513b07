//! Support for the whole-system tests: real servers in directories of their own, and waits with a
//! deadline.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a panic fails the test that called it"
)]

mod bounded;
mod broker;
pub mod chaos;
pub mod event_file;
mod log_messages;
mod programs;
mod raw_frame;
mod readers;
mod redis_server;
mod rng;
mod server;
mod small_disk;
mod tail;
mod test_broker;
mod tls;
mod tmux;
mod wait;

pub use bounded::{BoundedGet, BoundedOutput, BoundedStop, Lines, in_time};
pub use broker::Broker;
pub use log_messages::log_messages;
pub use programs::{Process, example, own_program, program, worker_program};
pub use raw_frame::RawFrame;
pub use readers::{Follower, Series, Summary, dashboards, dump, plugins, summary};
pub use redis_server::RedisServer;
pub use rng::{Rng, SEED};
pub use server::{BrokerAddress, TestServer};
pub use small_disk::SmallDisk;
pub use tail::{Messages, Tail};
pub use test_broker::TestBroker;
pub use tls::{CertificateFiles, Certificates, TlsRedis};
pub use tmux::Tmux;
pub use wait::{DEADLINE, until, wait_for};
