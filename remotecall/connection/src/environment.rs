//! Environment variables that complete a broker address.
//!
//! ```text
//! PREFIX_URL            broker address, read by programs
//! PREFIX_PASSWORD       password of the broker
//! PREFIX_PASSWORD_FILE  file with the password as its only line
//! PREFIX_TLS_CA         PEM file with the CA that signs the broker's certificate
//! PREFIX_TLS_CERT       PEM file with the client certificate
//! PREFIX_TLS_KEY        PEM file with the key of the client certificate
//! ```
//!
//! The application chooses the prefix, such as `TENSORPLEX`. An empty variable counts as unset.

/// Prefix of the environment variables that an address may take credentials from, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    prefix: Option<&'static str>,
}

/// Environment variable, without its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variable {
    /// `PREFIX_URL`: the broker address.
    Url,
    /// `PREFIX_PASSWORD`: the password itself.
    Password,
    /// `PREFIX_PASSWORD_FILE`: path of the file with the password.
    PasswordFile,
    /// `PREFIX_TLS_CA`: path of the CA certificates.
    TlsCa,
    /// `PREFIX_TLS_CERT`: path of the client certificate.
    TlsCert,
    /// `PREFIX_TLS_KEY`: path of the client key.
    TlsKey,
}

impl Environment {
    /// Variables that begin with `prefix` and an underscore.
    pub const fn with_prefix(prefix: &'static str) -> Self {
        Self { prefix: Some(prefix) }
    }

    /// No variables: an address has only the credentials that its text names.
    pub const fn none() -> Self {
        Self { prefix: None }
    }

    /// Full name of a variable, such as `TENSORPLEX_TLS_CA`; `None` without a prefix.
    pub fn name(&self, variable: Variable) -> Option<String> {
        self.prefix
            .map(|prefix| format!("{prefix}_{}", variable.suffix()))
    }
}

impl Variable {
    /// Name after the prefix and the underscore.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Url => "URL",
            Self::Password => "PASSWORD",
            Self::PasswordFile => "PASSWORD_FILE",
            Self::TlsCa => "TLS_CA",
            Self::TlsCert => "TLS_CERT",
            Self::TlsKey => "TLS_KEY",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_begin_with_the_prefix_of_the_application() {
        let environment = Environment::with_prefix("TENSORPLEX");
        for (variable, expect) in [
            (Variable::Url, "TENSORPLEX_URL"),
            (Variable::Password, "TENSORPLEX_PASSWORD"),
            (Variable::PasswordFile, "TENSORPLEX_PASSWORD_FILE"),
            (Variable::TlsCa, "TENSORPLEX_TLS_CA"),
            (Variable::TlsCert, "TENSORPLEX_TLS_CERT"),
            (Variable::TlsKey, "TENSORPLEX_TLS_KEY"),
        ] {
            assert_eq!(environment.name(variable).as_deref(), Some(expect));
            assert_eq!(Environment::none().name(variable), None);
        }
    }
}
