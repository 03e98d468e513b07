//! Hints for a connection whose first exchange failed: the probable cause, and what to write
//! instead.

use std::io;

use redis::RedisError;

use crate::address::Address;
use crate::environment::Variable;

/// Adds a hint to an error that does not say what to do.
pub(crate) fn explained(error: RedisError, address: &Address) -> RedisError {
    let text = error.to_string();
    match hint(&error, &text, address) {
        Some(hint) => io::Error::other(format!("{text}: {hint}")).into(),
        None => error,
    }
}

fn hint(error: &RedisError, text: &str, address: &Address) -> Option<String> {
    let is_dropped = error.is_connection_dropped();
    if !address.has_tls() {
        let is_not_redis = is_dropped || error.kind() == redis::ErrorKind::Parse;
        return is_not_redis.then(|| "is that a port with TLS? Then write rediss://".to_owned());
    }
    match text {
        _ if text.contains("UnknownIssuer") => Some(format!(
            "the CA that signed the broker's certificate is unknown; name it with ?ca=FILE{}",
            or_variables(address, &[Variable::TlsCa])
        )),
        _ if text.contains("CertificateRequired") => Some(format!(
            "the broker requires a client certificate; name it with ?cert=FILE&key=FILE{}",
            or_variables(address, &[Variable::TlsCert, Variable::TlsKey])
        )),
        _ if text.contains("InvalidContentType") || text.contains("handshake eof") => Some(NO_TLS.to_owned()),
        _ => (error.is_timeout() || is_dropped).then(|| NO_TLS.to_owned()),
    }
}

const NO_TLS: &str = "does that port speak TLS? If not, write redis://";

/// ` or A and B`, by the names that the application's variables have; empty when it has none.
fn or_variables(address: &Address, variables: &[Variable]) -> String {
    let names = variables.iter().filter_map(|it| address.environment.name(*it));
    let names: Vec<_> = names.collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" or {}", names.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    #[track_caller]
    fn check(said: &str, environment: Environment, expect: &str) {
        let address = Address::parse_with("rediss://host", &environment).unwrap();
        let error = RedisError::from(io::Error::other(said));
        let explained = explained(error, &address).to_string();
        assert!(explained.ends_with(expect), "{explained}");
    }

    #[test]
    fn hints_name_the_variables_of_the_application() {
        let app = Environment::with_prefix("APP");
        check("UnknownIssuer", app, "name it with ?ca=FILE or APP_TLS_CA");
        check("UnknownIssuer", Environment::none(), "name it with ?ca=FILE");
        check(
            "CertificateRequired",
            app,
            "?cert=FILE&key=FILE or APP_TLS_CERT and APP_TLS_KEY",
        );
        check("handshake eof", app, NO_TLS);
        check("no route to host", app, "no route to host");
    }
}
