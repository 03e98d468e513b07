//! Options for broker credentials: files with a password, a CA, a certificate and its key.

use remotecall::Address;

/// Credential files. They become parameters of the broker address; `remotecall::Address` fills in
/// missing ones from the environment.
#[derive(clap::Args, Debug, Default)]
pub struct CredentialOptions {
    /// File whose only line is the broker's password
    ///
    /// [env: TENSORPLEX_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Broker credentials")]
    redis_password_file: Option<String>,
    /// PEM file with the CA of a rediss:// broker; default: the system's CAs
    ///
    /// [env: TENSORPLEX_TLS_CA]
    #[arg(long, value_name = "FILE", help_heading = "Broker credentials")]
    redis_ca: Option<String>,
    /// PEM file with a client certificate, for a broker that asks for one
    ///
    /// [env: TENSORPLEX_TLS_CERT]
    #[arg(
        long,
        value_name = "FILE",
        requires = "redis_key",
        help_heading = "Broker credentials"
    )]
    redis_cert: Option<String>,
    /// PEM file with the key of the client certificate
    ///
    /// [env: TENSORPLEX_TLS_KEY]
    #[arg(
        long,
        value_name = "FILE",
        requires = "redis_cert",
        help_heading = "Broker credentials"
    )]
    redis_key: Option<String>,
}

impl CredentialOptions {
    /// Returns whether no file was given.
    pub fn is_empty(&self) -> bool {
        self.apply("").is_empty()
    }

    /// Adds the files to an address.
    pub fn apply(&self, address: &str) -> String {
        let files = [
            ("password_file", &self.redis_password_file),
            ("ca", &self.redis_ca),
            ("cert", &self.redis_cert),
            ("key", &self.redis_key),
        ];
        let mut address = address.to_owned();
        for (name, path) in files {
            if let Some(path) = path {
                address = Address::with_parameter(&address, name, path);
            }
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_files_become_address_parameters() {
        let files = CredentialOptions {
            redis_password_file: Some("/run/a b".to_owned()),
            redis_ca: Some("ca.pem".to_owned()),
            ..CredentialOptions::default()
        };
        let with = "unix:///s?db=1&password_file=%2Frun%2Fa%20b&ca=ca.pem";
        assert_eq!(files.apply("unix:///s?db=1"), with);
        assert_eq!(CredentialOptions::default().apply("host:1"), "host:1");
        assert!(CredentialOptions::default().is_empty());
    }
}
