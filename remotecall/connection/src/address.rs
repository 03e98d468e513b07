//! Broker addresses, with their credentials.
//!
//! ```text
//! host:port
//! redis://user:password@host:port/db          rediss:// and valkeys:// use TLS
//! unix:///path/to/socket?db=0&user=me
//!
//! ?password_file=FILE     file with the password, instead of a password in the address
//! ?ca=FILE                CA certificates for the broker's certificate, instead of the system's
//! ?cert=FILE&key=FILE     client certificate and its key, for a broker that requires one
//! ?queue=NAME             prefix of every queue name, so that several servers share a broker
//! ```
//!
//! An address that names no password, CA or client certificate takes it from the variables of an
//! [`Environment`]; [`Address::from_str`] reads no variables. Every file is PEM or one line of
//! text. Parsing checks each file, and each connection reads it again: a renewed file takes effect
//! at the next connection.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::credentials::{Credentials, FileError};
use crate::environment::{Environment, Variable};
use crate::{Keys, QueueNameError, percent};

/// Parameters that name a file; the first three need TLS.
const FILES: [&str; 4] = ["ca", "cert", "key", "password_file"];
/// Parameter with the prefix of queue names.
const QUEUE: &str = "queue";

/// Address of a broker: `host:port`, `redis://user:password@host:port/db` or `unix:///path?db=0`;
/// with TLS `rediss://…`.
///
/// After a `?` may follow `password_file=FILE`, `ca=FILE`, `cert=FILE`, `key=FILE` and
/// `queue=NAME`, joined by `&` and percent-encoded. `Display` and `Debug` omit every secret.
#[derive(Clone)]
pub struct Address {
    pub(crate) info: ConnectionInfo,
    pub(crate) files: Credentials,
    pub(crate) environment: Environment,
    /// Prefix of queue names.
    queue_prefix: Option<String>,
    shown: String,
}

/// Error of a text that is not an address, or whose files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is not an address.
    #[error(
        "invalid broker address {0:?}: write host:port, redis://user:password@host:port/db \
         (rediss:// with TLS) or unix:///path/to/socket; other characters than letters and digits in user, password and \
         files as %XX"
    )]
    Unreadable(String),
    /// The address asks for TLS without a check of the broker's certificate.
    #[error(
        "broker address {0:?}: #insecure is not supported; name the certificate that signs the broker's with ?ca=FILE"
    )]
    Insecure(String),
    /// A parameter after the `?` is unknown.
    #[error(
        "broker address {address:?}: unknown parameter {name:?}: known are ca, cert, key, password_file and queue, and \
         db and user for unix://"
    )]
    Parameter {
        /// The address, without secrets.
        address: String,
        /// Name of the parameter.
        name: String,
    },
    /// The address names a file for TLS and does not use TLS.
    #[error("broker address {address:?}: {name} requires TLS: write rediss://")]
    NotTls {
        /// The address, without secrets.
        address: String,
        /// Name of the parameter.
        name: &'static str,
    },
    /// A client certificate lacks its key, or a key its certificate.
    #[error("broker address {0:?}: cert and key must be given together")]
    HalfCertificate(String),
    /// The address has both a password and a password file.
    #[error("broker address {0:?}: it has both a password and a password_file")]
    TwoPasswords(String),
    /// Two environment variables name a password for an address without one.
    #[error("broker address {address:?}: {variable} and {file_variable} are both set: unset one of them")]
    TwoPasswordVariables {
        /// The address, without secrets.
        address: String,
        /// Variable with the password.
        variable: String,
        /// Variable with the path of the password file.
        file_variable: String,
    },
    /// The queue prefix is empty or has characters that no queue name may have.
    #[error("broker address {address:?}: {error}")]
    Queue {
        /// The address, without secrets.
        address: String,
        /// The prefix, and the rule.
        error: QueueNameError,
    },
    /// A file cannot be used.
    #[error("broker address {address:?}: {error}")]
    File {
        /// The address, without secrets.
        address: String,
        /// The file, and the reason.
        error: FileError,
    },
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse_with(text, &Environment::none())
    }
}

impl Address {
    /// Parses an address; credentials that it does not name come from the variables of
    /// `environment`.
    ///
    /// `PREFIX_TLS_CA`, `PREFIX_TLS_CERT` and `PREFIX_TLS_KEY` count with TLS only,
    /// `PREFIX_PASSWORD` and `PREFIX_PASSWORD_FILE` for an address without a password.
    ///
    /// # Errors
    /// When the text is not an address, a file cannot be used, or both password variables are set.
    pub fn parse_with(text: &str, environment: &Environment) -> Result<Self, AddressError> {
        Self::parse_from(text, *environment, &|name| std::env::var(name).ok())
    }

    fn parse_from(
        text: &str,
        environment: Environment,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, AddressError> {
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
        let (location, parameters) = url.split_once('?').unwrap_or((&url, ""));
        // An `@` here means that the `?` is part of a password, which must not be shown as the name
        // of a parameter.
        if parameters.contains('@') || text.is_empty() {
            return Err(unreadable());
        }
        let mut parameters = Parameters::read(parameters, &shown)?;
        let is_unix = location.starts_with("unix:");
        let location = match is_unix {
            true => format!("{location}?{}", parameters.take_unix_parameters().join("&")),
            false => location.to_owned(),
        };
        let info = location
            .as_str()
            .into_connection_info()
            .map_err(|_| unreadable())?;
        if matches!(info.addr(), ConnectionAddr::Tcp(host, _) if host.is_empty()) {
            return Err(unreadable());
        }
        let queue_prefix = parameters.take_queue(&shown)?;
        let variables = Variables { environment, read };
        let (files, password) = parameters.credentials(&info, &shown, &variables)?;
        files.check().map_err(|error| AddressError::File {
            address: shown.clone(),
            error,
        })?;
        // The library would send its name by a command for which a user needs more rights.
        let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(password) = password {
            settings = settings.set_password(password);
        }
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self {
            info,
            files,
            environment,
            queue_prefix,
            shown,
        })
    }

    /// Full name of a queue on this broker: `PREFIX.name` with `?queue=PREFIX` in the address, else
    /// `name`.
    ///
    /// ```
    /// use remotecall_connection::Address;
    ///
    /// let address: Address = "redis://localhost?queue=team-a".parse()?;
    /// assert_eq!(address.queue("tensorplex"), "team-a.tensorplex");
    /// # Ok::<(), remotecall_connection::AddressError>(())
    /// ```
    pub fn queue(&self, name: &str) -> String {
        match &self.queue_prefix {
            Some(prefix) => format!("{prefix}.{name}"),
            None => name.to_owned(),
        }
    }

    /// A text without the secrets that it has if it is an address, so that it can be shown.
    pub fn shown(text: &str) -> String {
        without_password(text)
    }

    /// The text of an address with another parameter, such as `ca` and the path of a file.
    pub fn with_parameter(address: &str, name: &str, value: &str) -> String {
        let separator = if address.contains('?') { '&' } else { '?' };
        format!("{address}{separator}{name}={}", percent::encoded(value))
    }

    pub(crate) fn has_tls(&self) -> bool {
        has_tls(&self.info)
    }
}

fn has_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

/// Shows the address without its secrets, so that it can be logged.
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

/// Removes everything between the scheme and the last `@`, and every parameter.
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

/// Parameters after the `?`: names and values.
struct Parameters(Vec<(&'static str, String)>);

/// Parameters of `unix://`, which the Redis library parses, so that their values are passed on as
/// they are.
const UNIX_PARAMETERS: [&str; 3] = ["db", "user", "pass"];

impl Parameters {
    fn read(text: &str, shown: &str) -> Result<Self, AddressError> {
        let known: Vec<_> = [QUEUE].into_iter().chain(FILES).chain(UNIX_PARAMETERS).collect();
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

    /// Takes the prefix of queue names.
    fn take_queue(&mut self, shown: &str) -> Result<Option<String>, AddressError> {
        let Some(prefix) = self.take(QUEUE) else {
            return Ok(None);
        };
        let prefix = percent::decoded(&prefix).unwrap_or(prefix);
        match Keys::new(&prefix) {
            Ok(_) => Ok(Some(prefix)),
            Err(error) => Err(AddressError::Queue {
                address: shown.to_owned(),
                error,
            }),
        }
    }

    /// Takes the parameters of `unix://`, as `name=value`.
    fn take_unix_parameters(&mut self) -> Vec<String> {
        let take = |name| self.take(name).map(|value| format!("{name}={value}"));
        UNIX_PARAMETERS.into_iter().filter_map(take).collect()
    }

    /// Credential files, and the password of `PREFIX_PASSWORD` if it is used. No other parameter
    /// may be left.
    fn credentials(
        mut self,
        info: &ConnectionInfo,
        shown: &str,
        variables: &Variables<'_>,
    ) -> Result<(Credentials, Option<String>), AddressError> {
        let [ca, cert, key, password_file] = FILES.map(|name| self.take(name));
        if let Some((name, _)) = self.0.first() {
            let (address, name) = (shown.to_owned(), (*name).to_owned());
            return Err(AddressError::Parameter { address, name });
        }
        let has_password = info.redis_settings().password().is_some();
        if has_password && password_file.is_some() {
            return Err(AddressError::TwoPasswords(shown.to_owned()));
        }
        let has_tls = has_tls(info);
        for (file, name) in [&ca, &cert, &key].into_iter().zip(FILES) {
            if file.is_some() && !has_tls {
                let address = shown.to_owned();
                return Err(AddressError::NotTls { address, name });
            }
        }
        // A client certificate and its key come from the same source.
        let pair = match (cert, key) {
            (None, None) if has_tls => (variables.get(Variable::TlsCert), variables.get(Variable::TlsKey)),
            (cert, key) => (decoded(cert, shown)?, decoded(key, shown)?),
        };
        let certificate = match pair {
            (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
            (None, None) => None,
            _ => return Err(AddressError::HalfCertificate(shown.to_owned())),
        };
        let ca = match decoded(ca, shown)? {
            None if has_tls => variables.get(Variable::TlsCa),
            ca => ca,
        };
        let (password, password_file) = match decoded(password_file, shown)? {
            None if !has_password => variables.password(shown)?,
            file => (None, file),
        };
        let files = Credentials {
            ca: ca.map(PathBuf::from),
            certificate,
            password: password_file.map(PathBuf::from),
        };
        Ok((files, password))
    }
}

/// Values of the variables of an environment.
struct Variables<'a> {
    environment: Environment,
    /// Reads a variable by its full name.
    read: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn get(&self, variable: Variable) -> Option<String> {
        let name = self.environment.name(variable)?;
        (self.read)(&name).filter(|value| !value.is_empty())
    }

    /// Password or path of the password file, or neither.
    fn password(&self, shown: &str) -> Result<(Option<String>, Option<String>), AddressError> {
        let names = [Variable::Password, Variable::PasswordFile].map(|it| self.environment.name(it));
        match (
            self.get(Variable::Password),
            self.get(Variable::PasswordFile),
            names,
        ) {
            (Some(_), Some(_), [Some(variable), Some(file_variable)]) => {
                Err(AddressError::TwoPasswordVariables {
                    address: shown.to_owned(),
                    variable,
                    file_variable,
                })
            }
            (password, file, _) => Ok((password, file)),
        }
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
