//! Where a broker is, and what opens its door.
//!
//! ```text
//! host:port
//! redis://user:password@host:port/db          rediss:// and valkeys:// with TLS
//! unix:///path/to/socket?db=0&user=me
//!
//! ?password_file=FILE                          the password, instead of in the address
//! ?ca=FILE                                     certificates that sign the broker's, instead of the system's
//! ?cert=FILE&key=FILE                          a certificate of our own, for a broker that asks for one
//! ```
//!
//! Credentials that the address does not name are taken from the environment ([`ENVIRONMENT`]): workers in all languages, servers and
//! programs read addresses here, and need no other way to be told. All files are PEM or one line of text, are looked
//! at when the address is read, and are read again for each connection: what is renewed counts at the next one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::percent;
use crate::credentials::{Credentials, FileError};

/// The variables that name a file for addresses that do not: with TLS for `ca`, `cert` and `key`, without a password for
/// `password_file`.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("ca", "TENSORPLEX_TLS_CA"),
    ("cert", "TENSORPLEX_TLS_CERT"),
    ("key", "TENSORPLEX_TLS_KEY"),
    ("password_file", "TENSORPLEX_PASSWORD_FILE"),
];

/// Where a broker is: `host:port`, `redis://user:password@host:port/db` or `unix:///path?db=0`; with TLS `rediss://…`. After a
/// `?` may follow `password_file=FILE`, `ca=FILE`, `cert=FILE` and `key=FILE`, joined by `&` and percent-encoded.
#[derive(Clone)]
pub struct Address {
    pub(crate) info: ConnectionInfo,
    pub(crate) files: Credentials,
    shown: String,
}

/// The text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read as an address.
    #[error(
        "broker address {0:?} is not understood: write host:port, redis://user:password@host:port/db \
         (rediss:// with TLS) or unix:///path/to/socket; other characters than letters and digits in user, password and \
         files as %XX"
    )]
    Unreadable(String),
    /// It asks for a broker whose certificate is not checked.
    #[error(
        "broker address {0:?}: #insecure is not supported; name the certificate that signs the broker's with ?ca=FILE"
    )]
    Insecure(String),
    /// Something after the `?` is not known here.
    #[error(
        "broker address {address:?}: parameter {name:?} is not known: there are ca, cert, key and password_file, and db and \
         user for unix://"
    )]
    Parameter {
        /// The address, without secrets.
        address: String,
        /// What is not known.
        name: String,
    },
    /// It names files for TLS, and would be reached without TLS.
    #[error("broker address {address:?}: {name} is of use only with TLS: write rediss://")]
    NotTls {
        /// The address, without secrets.
        address: String,
        /// Which file.
        name: &'static str,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("broker address {0:?}: cert and key come together")]
    HalfCertificate(String),
    /// It names two passwords.
    #[error("broker address {0:?}: it has a password and a password_file")]
    TwoPasswords(String),
    /// A file cannot be used.
    #[error("broker address {address:?}: {error}")]
    File {
        /// The address, without secrets.
        address: String,
        /// Which file, and why.
        error: FileError,
    },
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::read(text, &|name| std::env::var(name).ok())
    }
}

impl Address {
    fn read(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, AddressError> {
        let shown = without_password(text);
        let unreadable = || AddressError::Unreadable(shown.clone());
        let url = match text.contains("://") {
            true => text.to_owned(),
            false => format!("redis://{text}"),
        };
        let url = match url.split_once('#') {
            Some((_, "insecure")) => return Err(AddressError::Insecure(shown)),
            Some(_) => return Err(unreadable()),
            None => url,
        };
        let (place, parameters) = url.split_once('?').unwrap_or((&url, ""));
        // A password with a `?` in it: what follows must not be shown as the name of a parameter.
        if parameters.contains('@') || text.is_empty() {
            return Err(unreadable());
        }
        let mut parameters = Parameters::read(parameters, &shown)?;
        let is_unix = place.starts_with("unix:");
        let place = match is_unix {
            true => format!("{place}?{}", parameters.take_of_sockets().join("&")),
            false => place.to_owned(),
        };
        let info = place.as_str().into_connection_info().map_err(|_| unreadable())?;
        if matches!(info.addr(), ConnectionAddr::Tcp(host, _) if host.is_empty()) {
            return Err(unreadable());
        }
        let files = parameters.files(&info, &shown, environment)?;
        files.check().map_err(|error| AddressError::File {
            address: shown.clone(),
            error,
        })?;
        // The library would introduce itself by commands for which a user needs further rights.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { info, files, shown })
    }

    /// The text of an address without its secrets, so that it can be shown, whether or not it is one.
    pub fn shown(text: &str) -> String {
        without_password(text)
    }

    /// The text of an address with one parameter more, such as `ca` and the path of a file.
    pub fn with_parameter(address: &str, name: &str, value: &str) -> String {
        let joint = if address.contains('?') { '&' } else { '?' };
        format!("{address}{joint}{name}={}", percent::encoded(value))
    }

    pub(crate) fn has_tls(&self) -> bool {
        has_tls(&self.info)
    }
}

fn has_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
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

/// Drops everything between the scheme and the last `@`, and every parameter.
fn without_password(text: &str) -> String {
    let (scheme, rest) = text
        .split_once("://")
        .map_or(("", text), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split_once(['?', '#']).map_or(rest, |(path, _)| path);
    if scheme.is_empty() {
        rest.to_owned()
    } else {
        format!("{scheme}://{rest}")
    }
}

/// What follows the `?`, by name.
struct Parameters(Vec<(&'static str, String)>);

/// Those of `unix://`, which the Redis library reads itself; their values stay as they are.
const OF_SOCKETS: [&str; 3] = ["db", "user", "pass"];

impl Parameters {
    fn read(text: &str, shown: &str) -> Result<Self, AddressError> {
        let known = ENVIRONMENT.iter().map(|(name, _)| *name).chain(OF_SOCKETS);
        let known: Vec<_> = known.collect();
        let read = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let found = known.iter().find(|it| **it == name);
            let name = found.ok_or_else(|| AddressError::Parameter {
                address: shown.to_owned(),
                name: name.to_owned(),
            })?;
            Ok((*name, value.to_owned()))
        };
        let parts = text.split('&').filter(|part| !part.is_empty());
        parts.map(read).collect::<Result<_, _>>().map(Self)
    }

    fn take(&mut self, wanted: &str) -> Option<String> {
        let at = self.0.iter().position(|(name, _)| *name == wanted)?;
        Some(self.0.swap_remove(at).1)
    }

    /// As an address has them.
    fn take_of_sockets(&mut self) -> Vec<String> {
        let take = |name| self.take(name).map(|value| format!("{name}={value}"));
        OF_SOCKETS.into_iter().filter_map(take).collect()
    }

    /// The files, those of the environment included; nothing else may be left.
    fn files(
        mut self,
        info: &ConnectionInfo,
        shown: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Credentials, AddressError> {
        let [ca, cert, key, password] = ENVIRONMENT.map(|(name, _)| self.take(name));
        if let Some((name, _)) = self.0.first() {
            let (address, name) = (shown.to_owned(), (*name).to_owned());
            return Err(AddressError::Parameter { address, name });
        }
        let has_password = info.redis_settings().password().is_some();
        if has_password && password.is_some() {
            return Err(AddressError::TwoPasswords(shown.to_owned()));
        }
        let has_tls = has_tls(info);
        for (file, (name, _)) in [&ca, &cert, &key].into_iter().zip(ENVIRONMENT) {
            if file.is_some() && !has_tls {
                let address = shown.to_owned();
                return Err(AddressError::NotTls { address, name });
            }
        }
        let of_environment = |at: usize| environment(ENVIRONMENT[at].1).filter(|path| !path.is_empty());
        // A certificate of ours and its key come from the same place.
        let pair = match (cert, key) {
            (None, None) if has_tls => (of_environment(1), of_environment(2)),
            (cert, key) => (decoded(cert, shown)?, decoded(key, shown)?),
        };
        let certificate = match pair {
            (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
            (None, None) => None,
            _ => return Err(AddressError::HalfCertificate(shown.to_owned())),
        };
        let ca = decoded(ca, shown)?.or_else(|| of_environment(0).filter(|_| has_tls));
        let password = decoded(password, shown)?.or_else(|| of_environment(3).filter(|_| !has_password));
        Ok(Credentials {
            ca: ca.map(PathBuf::from),
            certificate,
            password: password.map(PathBuf::from),
        })
    }
}

fn decoded(value: Option<String>, shown: &str) -> Result<Option<String>, AddressError> {
    let unreadable = || AddressError::Unreadable(shown.to_owned());
    value
        .map(|text| {
            percent::decoded(&text)
                .filter(|path| !path.is_empty())
                .ok_or_else(unreadable)
        })
        .transpose()
}

#[cfg(test)]
mod tests;
