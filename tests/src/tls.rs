//! Certificates for a test, and a real redis-server that serves TLS with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chaos::Clock;
use crate::{BoundedOutput, RedisServer};

/// A CA and its certificates, as PEM files in a directory of their own, made by the program
/// openssl.
pub struct Certificates {
    dir: tempfile::TempDir,
}

/// Files of a certificate and its key.
pub struct CertificateFiles {
    /// PEM file of the certificate.
    pub cert: PathBuf,
    /// PEM file of the key.
    pub key: PathBuf,
}

/// Options for an elliptic-curve key, which openssl makes faster than an RSA key.
const NEW_KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
];
/// Ten years back, in seconds.
const LONG_AGO: i64 = -10 * 365 * 86_400;

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// Creates a CA.
    ///
    /// # Panics
    /// When openssl is missing or fails.
    pub fn new() -> Self {
        let certificates = Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        // The name is unique: with two CAs of one name, a client would check against the wrong one.
        let name = certificates
            .dir
            .path()
            .file_name()
            .expect("a name")
            .to_string_lossy();
        let subject = format!("/CN={name}");
        let mut command = certificates.openssl(&["req", "-x509", "-days", "36500", "-subj", &subject]);
        run(command
            .args(NEW_KEY)
            .args(["-keyout", "ca.key", "-out", "ca.pem"]));
        certificates
    }

    /// PEM file of the CA's certificate.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Signs a certificate for a host.
    pub fn host(&self, name: &str) -> CertificateFiles {
        self.sign(name, 0)
    }

    /// Signs a certificate for a host that has expired.
    pub fn expired(&self, name: &str) -> CertificateFiles {
        self.sign(name, LONG_AGO)
    }

    /// Signs a certificate that is valid for a year, by a clock that is off by `seconds`.
    fn sign(&self, name: &str, seconds: i64) -> CertificateFiles {
        let file = |ending: &str| self.dir.path().join(format!("{name}{seconds}.{ending}"));
        let (request, cert, key) = (file("csr"), file("pem"), file("key"));
        let kind = if name.parse::<std::net::IpAddr>().is_ok() {
            "IP"
        } else {
            "DNS"
        };
        // One certificate serves as server or client.
        let extensions = format!("subjectAltName={kind}:{name}\nextendedKeyUsage=serverAuth,clientAuth\n");
        std::fs::write(self.dir.path().join("extensions"), extensions).expect("its file");
        let subject = format!("/CN={name}");
        let mut command = self.openssl(&["req", "-new", "-subj", &subject]);
        run(command
            .args(NEW_KEY)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&request));
        let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        let mut command = self.openssl(&["x509", "-req", "-days", "365", "-extfile", "extensions"]);
        command.args(by).arg("-in").arg(&request).arg("-out").arg(&cert);
        let clock = Clock::new();
        clock.step(seconds);
        clock.set_up(&mut command);
        run(&mut command);
        CertificateFiles { cert, key }
    }

    fn openssl(&self, words: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.args(words).current_dir(self.dir.path());
        command
    }
}

fn run(command: &mut Command) {
    let output = command.output_in_time();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// A real redis-server with a TLS port, and a socket file without TLS.
pub struct TlsRedis {
    /// The server, for connections without TLS.
    pub redis: RedisServer,
    port: u16,
}

impl TlsRedis {
    /// Starts a redis-server with this certificate.
    ///
    /// # Panics
    /// When redis-server does not answer in time, for example because it was built without TLS.
    pub fn start(certificates: &Certificates, own: &CertificateFiles, asks_clients: bool) -> Self {
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

    /// Address with `host` as a name of this machine.
    pub fn address(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.port)
    }

    /// TLS port.
    pub fn port(&self) -> u16 {
        self.port
    }
}
