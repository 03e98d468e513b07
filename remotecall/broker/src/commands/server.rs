//! Commands about the broker itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::session::{Session, VERSION};
use crate::args::Args;
use crate::error::CommandError;
use crate::output::Reply;

/// Time since 1970 by the wall clock.
pub(super) fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since 1970 by the wall clock.
pub(super) fn wall_clock_ms() -> u64 {
    u64::try_from(wall_clock().as_millis()).unwrap_or(u64::MAX)
}

/// `PING [message]`
pub(super) fn ping(_session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    match args.len() {
        0 => Ok(Reply::Text("PONG")),
        1 => args.value().map(Reply::Bulk),
        _ => Err(CommandError::Arity("ping")),
    }
}

/// `ECHO message`
pub(super) fn echo(_session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    args.value().map(Reply::Bulk)
}

/// `TIME`
pub(super) fn time(_session: &mut Session, _args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let now = wall_clock();
    Ok(Reply::Array(vec![
        Reply::string(now.as_secs().to_string()),
        Reply::string(now.subsec_micros().to_string()),
    ]))
}

/// `SELECT 0`
pub(super) fn select(_session: &mut Session, args: &mut Args<'_>) -> Result<Reply, CommandError> {
    match args.integer()? {
        0 => Ok(Reply::OK),
        _ => Err(CommandError::NoSuchDatabase),
    }
}

/// `COMMAND …`: always an empty list. Shells ask for their help texts with it.
pub(super) fn command(_session: &mut Session, _args: &mut Args<'_>) -> Result<Reply, CommandError> {
    Ok(Reply::Array(Vec::new()))
}

/// `INFO [section …]`: the same few lines for every section.
pub(super) fn info(session: &mut Session, _args: &mut Args<'_>) -> Result<Reply, CommandError> {
    let (keys, used, limit) = {
        let store = session.store();
        (store.len(), store.used(), store.max_memory())
    };
    let lines = [
        "# Server".into(),
        format!("redis_version:{VERSION}"),
        "redis_mode:standalone".into(),
        "server_name:remotecall-embedded".into(),
        format!("uptime_in_seconds:{}", session.shared().uptime_seconds()),
        "# Clients".into(),
        format!("connected_clients:{}", session.shared().connections()),
        "# Memory".into(),
        format!("used_memory:{used}"),
        format!("maxmemory:{limit}"),
        "maxmemory_policy:noeviction".into(),
        "# Persistence".into(),
        "loading:0".into(),
        "aof_enabled:0".into(),
        "# Replication".into(),
        "role:master".into(),
        "# Keyspace".into(),
        format!("db0:keys={keys}"),
    ];
    let mut text = lines.join("\r\n");
    text.push_str("\r\n");
    Ok(Reply::string(text))
}
