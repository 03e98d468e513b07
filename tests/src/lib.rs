//! What the whole-system tests share: real servers in folders of their own, and patience with a deadline.

mod redis_server;
mod wait;

pub use redis_server::RedisServer;
pub use wait::{DEADLINE, until, wait_for};
