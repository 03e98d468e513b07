//! Certificates made for a test, and a real redis-server that speaks TLS with them.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use crate::RedisServer;

/// A CA and the certificates that it signed, as PEM files in a folder of their own.
pub struct Certificates {
    dir: tempfile::TempDir,
    ca: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Named {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// A new CA.
    ///
    /// # Panics
    /// When the system gives no randomness or no file.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of two CAs of the same name the wrong one would be tried, and its signature found to be bad.
        let name = dir.path().to_string_lossy().into_owned();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).expect("its file");
        let ca = Issuer::new(params, key);
        Self { dir, ca }
    }

    /// The file of the CA's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for a host.
    pub fn host(&self, name: &str) -> Named {
        self.sign(name, 4096)
    }

    /// A certificate for a host that is not valid any more.
    pub fn expired(&self, name: &str) -> Named {
        self.sign(name, 2020)
    }

    fn sign(&self, name: &str, until: i32) -> Named {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_after = date_time_ymd(until, 1, 1);
        // For either end.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.ca).expect("a certificate");
        let file = |ending: &str, text: String| {
            let path = self.dir.path().join(format!("{name}-{until}.{ending}"));
            std::fs::write(&path, text).expect("its file");
            path
        };
        Named {
            cert: file("cert", certificate.pem()),
            key: file("key", key.serialize_pem()),
        }
    }
}

/// A real redis-server with a port for TLS, and a socket file without.
pub struct TlsRedis {
    /// The server, for its other door.
    pub redis: RedisServer,
    port: u16,
}

impl TlsRedis {
    /// Starts one with this certificate.
    ///
    /// # Panics
    /// When it does not come up, as when it was built without TLS.
    pub fn start(certificates: &Certificates, own: &Named, asks_clients: bool) -> Self {
        let (redis, port) = RedisServer::start_on_a_port(|port| {
            let path = |path: &Path| path.to_str().expect("a temporary folder in UTF-8").to_owned();
            let options = [
                ("--tls-port", port.to_string()),
                ("--tls-cert-file", path(&own.cert)),
                ("--tls-key-file", path(&own.key)),
                ("--tls-ca-cert-file", path(&certificates.ca())),
                (
                    "--tls-auth-clients",
                    if asks_clients { "yes" } else { "no" }.to_owned(),
                ),
            ];
            options
                .into_iter()
                .flat_map(|(name, value)| [name.to_owned(), value])
                .collect()
        });
        Self { redis, port }
    }

    /// Its address under a name of this machine.
    pub fn address(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}
