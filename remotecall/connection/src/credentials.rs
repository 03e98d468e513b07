//! Credential files: a password, certificates and a key.
//!
//! Errors never show the content of a file. Only regular files are read: a pipe could block, and
//! could not be read again for the next connection.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use redis::{ClientTlsConfig, TlsCertificates};

/// Limit on a password, in bytes.
pub const MAX_PASSWORD: usize = 4096;
/// Limit on a PEM file, 4 MiB.
const MAX_PEM: usize = 4 << 20;
/// Line that a file of certificates has.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// End of a line that a file of a key has.
const KEY: &str = "PRIVATE KEY-----";

/// Paths of the credential files of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Password file.
    pub password: Option<PathBuf>,
    /// CA certificates.
    pub ca: Option<PathBuf>,
    /// Client certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Error of a credential file. It does not show the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {}: {why}", path.display())]
pub struct FileError {
    what: &'static str,
    path: PathBuf,
    why: String,
}

impl Credentials {
    /// Checks that all files can be used now. Logs a warning when other users can read a secret.
    pub fn check(&self) -> Result<(), FileError> {
        self.password()?;
        self.certificates()?;
        let secrets = [
            self.password.as_ref(),
            self.certificate.as_ref().map(|(_, key)| key),
        ];
        for path in secrets.into_iter().flatten() {
            warn_if_others_can_read(path);
        }
        Ok(())
    }

    pub fn password(&self) -> Result<Option<String>, FileError> {
        self.password.as_deref().map(read_password).transpose()
    }

    pub fn certificates(&self) -> Result<TlsCertificates, FileError> {
        let pem = |what, path: &PathBuf, holds| read_pem(what, path, holds);
        let client_tls = match &self.certificate {
            None => None,
            Some((cert, key)) => Some(ClientTlsConfig {
                client_cert: pem("certificate file", cert, CERTIFICATE)?,
                client_key: pem("key file", key, KEY)?,
            }),
        };
        let root_cert = match &self.ca {
            None => None,
            Some(ca) => Some(pem("CA file", ca, CERTIFICATE)?),
        };
        Ok(TlsCertificates {
            client_tls,
            root_cert,
        })
    }
}

/// Reads a password file: one line of at most [`MAX_PASSWORD`] bytes.
///
/// # Errors
/// When the file cannot be read, is empty or too long, has more than one line, or is not UTF-8.
pub fn read_password(path: &Path) -> Result<String, FileError> {
    const WHAT: &str = "password file";
    let fail = |why: &str| FileError {
        what: WHAT,
        path: path.to_owned(),
        why: why.to_owned(),
    };
    // Two more bytes for the end of the line.
    let bytes = read(WHAT, path, MAX_PASSWORD + 2)?;
    let text = String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text {
        "" => Err(fail("it is empty")),
        _ if text.contains('\n') => Err(fail("it has more than one line")),
        _ if text.len() > MAX_PASSWORD => Err(fail(&format!("it is longer than {MAX_PASSWORD} bytes"))),
        _ => Ok(text.to_owned()),
    }
}

/// Logs a warning when all users of the machine can read a file with a secret. One warning per
/// process, which may create many clients.
pub fn warn_if_others_can_read(path: &Path) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let mode = path.metadata().map_or(0, |meta| meta.permissions().mode());
    if mode & 0o004 != 0 && !WARNED.swap(true, Relaxed) {
        tracing::warn!(path = %path.display(), "all users of this machine can read this secret; run chmod o-r on the file");
    }
}

fn read_pem(what: &'static str, path: &Path, holds: &str) -> Result<Vec<u8>, FileError> {
    let bytes = read(what, path, MAX_PEM)?;
    let found = bytes
        .windows(holds.len())
        .any(|window| window == holds.as_bytes());
    match found {
        true => Ok(bytes),
        false => Err(FileError {
            what,
            path: path.to_owned(),
            why: format!("it has no {holds:?}: a PEM file is required"),
        }),
    }
}

fn read(what: &'static str, path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let read = || {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(io::Error::other(format!("it is longer than {limit} bytes")));
        }
        Ok(bytes)
    };
    read().map_err(|error| FileError {
        what,
        path: path.to_owned(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &[u8], expect: Result<&str, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, content).unwrap();
        let found = read_password(&path).map_err(|error| error.to_string());
        let begin = format!("password file {}: ", path.display());
        let expect = expect.map(str::to_owned).map_err(|why| format!("{begin}{why}"));
        assert_eq!(found, expect);
    }

    #[test]
    fn a_password_is_the_only_line_of_its_file() {
        check(b"se cret", Ok("se cret"));
        check(b"se cret\n", Ok("se cret"));
        check(b"se cret\r\n", Ok("se cret"));
        check(b"", Err("it is empty"));
        check(b"\n", Err("it is empty"));
        check(b"a\nb\n", Err("it has more than one line"));
        check(b"\xff", Err("it is not UTF-8"));
        let longest = "x".repeat(MAX_PASSWORD);
        check(longest.as_bytes(), Ok(&longest));
        check(format!("{longest}\r\n").as_bytes(), Ok(&longest));
        check(
            format!("{longest}x").as_bytes(),
            Err("it is longer than 4096 bytes"),
        );
        check(&[b'x'; 9000], Err("it is longer than 4098 bytes"));
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let error = read_password(dir.path()).unwrap_err();
        assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
        let error = read_password(&dir.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "hello").unwrap();
        let files = Credentials {
            ca: Some(path),
            ..Credentials::default()
        };
        let error = files.check().unwrap_err().to_string();
        assert!(error.contains("it has no \"-----BEGIN CERTIFICATE"), "{error}");
    }
}
