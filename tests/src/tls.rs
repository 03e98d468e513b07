//! Certificates made for a test, and a real redis-server that speaks TLS with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chaos::Clock;
use crate::{BoundedOutput, RedisServer};

/// A CA and the certificates that it signed, as PEM files in a folder of their own, made by the program openssl.
pub struct Certificates {
    dir: tempfile::TempDir,
}

/// A certificate and its key.
pub struct CertificateFiles {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

/// Keys that are made quickly.
const NEW_KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
];
/// Ten years, in seconds.
const LONG_AGO: i64 = -10 * 365 * 86_400;

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// A new CA.
    ///
    /// # Panics
    /// When openssl cannot be run.
    pub fn new() -> Self {
        let certificates = Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        // Of two CAs of the same name the wrong one would be tried, and its signature found to be bad.
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

    /// The file of the CA's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for a host.
    pub fn host(&self, name: &str) -> CertificateFiles {
        self.sign(name, 0)
    }

    /// A certificate for a host that is not valid any more.
    pub fn expired(&self, name: &str) -> CertificateFiles {
        self.sign(name, LONG_AGO)
    }

    /// One that is valid for a year, by a clock that is off by so many seconds.
    fn sign(&self, name: &str, seconds: i64) -> CertificateFiles {
        let file = |ending: &str| self.dir.path().join(format!("{name}{seconds}.{ending}"));
        let (request, cert, key) = (file("csr"), file("pem"), file("key"));
        let kind = if name.parse::<std::net::IpAddr>().is_ok() {
            "IP"
        } else {
            "DNS"
        };
        // For either end.
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

    /// Its address under a name of this machine.
    pub fn address(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}
