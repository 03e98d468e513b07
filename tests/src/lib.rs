//! What the whole-system tests share: real servers in folders of their own, and patience with a deadline.

mod broker;
mod programs;
mod readers;
mod redis_server;
mod server;
mod wait;

pub use broker::Broker;
pub use programs::{Process, program, worker_program};
pub use readers::{Follower, Series, Summary, dashboards, dump, summary};
pub use redis_server::RedisServer;
pub use server::{TestServer, Through};
pub use wait::{DEADLINE, until, wait_for};
