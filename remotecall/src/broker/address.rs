//! Where a broker is.

use std::fmt;
use std::str::FromStr;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Where a broker is: `host:port`, `redis://user:password@host:port/db` or `unix:///path?db=0`.
#[derive(Clone)]
pub struct Address {
    pub(super) info: ConnectionInfo,
    shown: String,
}

/// The text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read as an address.
    #[error(
        "broker address {0:?} is not understood: write host:port, redis://user:password@host:port/db \
         or unix:///path/to/socket"
    )]
    Unreadable(String),
    /// It asks for TLS.
    #[error("broker address {0:?}: TLS is not supported by this build")]
    Tls(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("redis://{text}")
        };
        if url.starts_with("rediss://") || url.starts_with("valkeys://") {
            return Err(AddressError::Tls(without_password(&url)));
        }
        let unreadable = || AddressError::Unreadable(without_password(text));
        let info = url.as_str().into_connection_info().map_err(|_| unreadable())?;
        let has_host = !matches!(info.addr(), ConnectionAddr::Tcp(host, _) if host.is_empty());
        if !has_host || text.is_empty() {
            return Err(unreadable());
        }
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self {
            info,
            shown: without_password(text),
        })
    }
}

/// Without the password, so that it can be logged.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

/// Drops everything between the scheme and the last `@`, and every `pass` parameter.
fn without_password(text: &str) -> String {
    let (scheme, rest) = text
        .split_once("://")
        .map_or(("", text), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if scheme.is_empty() {
        rest.to_owned()
    } else {
        format!("{scheme}://{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("redis://me:secret@host:6379/2", "redis://host:6379/2"),
            ("me:secret@host:6379", "host:6379"),
            ("redis://:sec@ret@host", "redis://host"),
            ("unix:///run/redis.sock?pass=secret", "unix:///run/redis.sock"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("{shown:?}"));
        }
        let error = "rediss://me:secret@host".parse::<Address>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "http://host", "redis://", "host:port"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
