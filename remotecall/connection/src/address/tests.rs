use super::*;

#[test]
fn passwords_are_not_shown() {
    for (text, shown) in [
        ("redis://me:secret@host:6379/2", "redis://host:6379/2"),
        ("me:secret@host:6379", "host:6379"),
        ("redis://:sec@ret@host", "redis://host"),
        ("unix:///run/redis.sock?pass=secret", "unix:///run/redis.sock"),
        ("rediss://me:secret@host", "rediss://host"),
        ("valkeys://me:secret@host/", "valkeys://host/"),
    ] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), shown);
        assert_eq!(format!("{address:?}"), format!("{shown:?}"));
    }
}

#[test]
fn other_texts_are_refused_without_their_secrets() {
    for text in [
        "",
        "http://host",
        "redis://",
        "host:port",
        "http://me:secret@host",
        "redis://:sec?ret=secret@host",
        "redis://:secret?@host",
        "redis://:secret#@host",
        "redis://:secret@host?db=1",
        "redis://:secret@host?protocol=resp3",
        "redis://:secret@host?password_file=/f",
        "redis://:secret@host?ca=/f",
        "rediss://:secret@host#insecure",
        "rediss://:secret@host?cert=/f",
        "rediss://:secret@host?key=/f",
        "rediss://:secret@host?ca=%f",
        "rediss://:secret@host?ca",
        "unix:///s?pass=secret&password_file=/f",
    ] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}

#[track_caller]
fn fails(text: &str, expect: &str) {
    let error = text.parse::<Address>().unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn an_error_says_what_to_write() {
    fails("rediss://host#insecure", "?ca=FILE");
    fails(
        "redis://host?cafile=/f",
        "\"cafile\" is not known: there are ca, ",
    );
    fails("host:1?ca=/f", "ca is of use only with TLS: write rediss://");
    fails("rediss://host?key=/f", "cert and key come together");
    fails(
        "redis://:a@host?password_file=/f",
        "a password and a password_file",
    );
    fails(
        "rediss://host?ca=/no/such%20file",
        "\"rediss://host\": CA file /no/such file: ",
    );
}

fn path(dir: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn the_environment_names_what_the_address_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (path(&dir, "a+b", "one\n"), path(&dir, "c", "two"));
    let ca = path(&dir, "ca", CERTIFICATE);
    let environment = |name: &str| match name {
        "TENSORPLEX_PASSWORD_FILE" => Some(there.clone()),
        "TENSORPLEX_TLS_CA" => Some(ca.clone()),
        _ => None,
    };
    let files = |text: &str| Address::read(text, &environment).unwrap().files;
    let plain = files("host:1");
    assert_eq!(plain.password.as_deref(), Some(there.as_ref()));
    assert_eq!(plain.ca, None, "of no use without TLS");
    let named = files(&format!("rediss://me@host?password_file={here}"));
    assert_eq!(named.password.as_deref(), Some(here.as_ref()));
    assert_eq!(named.ca.as_deref(), Some(ca.as_ref()));
    assert_eq!(files("redis://:pw@host").password, None);
    assert_eq!(files("unix:///s?pass=pw").password, None);
}
