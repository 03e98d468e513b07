//! Options for the files that open a broker's door, for the server and every program that calls one.

use remotecall::Address;

/// They become parameters of the address, which the environment fills up: see `remotecall::Address`.
#[derive(clap::Args, Debug, Default)]
pub struct BrokerFiles {
    /// File with the broker's password as its only line [env: TENSORPLEX_PASSWORD_FILE]
    #[arg(long, value_name = "FILE")]
    redis_password_file: Option<String>,
    /// PEM file with the CA that signs the certificate of a rediss:// broker, instead of the system's [env: TENSORPLEX_TLS_CA]
    #[arg(long, value_name = "FILE")]
    redis_ca: Option<String>,
    /// PEM file with a certificate of our own, for a broker that asks for one [env: TENSORPLEX_TLS_CERT]
    #[arg(long, value_name = "FILE", requires = "redis_key")]
    redis_cert: Option<String>,
    /// PEM file with its key [env: TENSORPLEX_TLS_KEY]
    #[arg(long, value_name = "FILE", requires = "redis_cert")]
    redis_key: Option<String>,
}

impl BrokerFiles {
    /// Whether any was named.
    pub fn are_named(&self) -> bool {
        !self.apply("").is_empty()
    }

    /// An address with these files.
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
    fn files_become_parameters() {
        let files = BrokerFiles {
            redis_password_file: Some("/run/a b".to_owned()),
            redis_ca: Some("ca.pem".to_owned()),
            ..BrokerFiles::default()
        };
        let with = "unix:///s?db=1&password_file=%2Frun%2Fa%20b&ca=ca.pem";
        assert_eq!(files.apply("unix:///s?db=1"), with);
        assert_eq!(BrokerFiles::default().apply("host:1"), "host:1");
    }
}
