//! What is probably wrong when the first words of a connection fail.

use std::io;

use redis::RedisError;

/// Adds what to do, where the error does not say it.
pub(crate) fn explained(error: RedisError, has_tls: bool) -> RedisError {
    let text = error.to_string();
    match hint(&error, &text, has_tls) {
        Some(hint) => io::Error::other(format!("{text}: {hint}")).into(),
        None => error,
    }
}

fn hint(error: &RedisError, text: &str, has_tls: bool) -> Option<&'static str> {
    if !has_tls {
        let is_talk_of_another_kind =
            error.is_connection_dropped() || error.kind() == redis::ErrorKind::Parse;
        return is_talk_of_another_kind.then_some("is that a port with TLS? Then write rediss://");
    }
    let hints = [
        (
            "UnknownIssuer",
            "the CA that signs the broker's certificate is not known here; name it with ?ca=FILE or TENSORPLEX_TLS_CA",
        ),
        (
            "CertificateRequired",
            "the broker wants a certificate of ours; name it with ?cert=FILE&key=FILE or TENSORPLEX_TLS_CERT and _KEY",
        ),
        ("InvalidContentType", NO_TLS),
        ("handshake eof", NO_TLS),
    ];
    let found = hints.into_iter().find(|(word, _)| text.contains(word));
    let silent = (error.is_timeout() || error.is_connection_dropped()).then_some(NO_TLS);
    found.map(|(_, hint)| hint).or(silent)
}

const NO_TLS: &str = "does that port speak TLS? If not, write redis://";
