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
fn errors_show_no_secrets() {
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
fn an_error_names_the_correct_form() {
    fails("rediss://host#insecure", "?ca=FILE");
    fails(
        "redis://host?cafile=/f",
        "unknown parameter \"cafile\": known are ca, ",
    );
    fails("host:1?ca=/f", "ca requires TLS: write rediss://");
    fails("rediss://host?key=/f", "cert and key must be given together");
    fails(
        "redis://:a@host?password_file=/f",
        "both a password and a password_file",
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

const PREFIX: Environment = Environment::with_prefix("APP");

/// Parses with the variables that are given, and with those only.
fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Address, AddressError> {
    Address::parse_from(text, PREFIX, &|name| {
        let found = variables.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn variables_complete_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let (named, other) = (path(&dir, "a+b", "one\n"), path(&dir, "c", "two"));
    let ca = path(&dir, "ca", CERTIFICATE);
    let variables = [("APP_PASSWORD_FILE", &*other), ("APP_TLS_CA", &ca)];
    let files = |text: &str| parse(text, &variables).unwrap().files;
    let plain = files("host:1");
    assert_eq!(plain.password.as_deref(), Some(other.as_ref()));
    assert_eq!(plain.ca, None, "needs TLS");
    let own = files(&format!("rediss://me@host?password_file={named}"));
    assert_eq!(own.password.as_deref(), Some(named.as_ref()));
    assert_eq!(own.ca.as_deref(), Some(ca.as_ref()));
    assert_eq!(files("redis://:pw@host").password, None);
    assert_eq!(files("unix:///s?pass=pw").password, None);
}

#[test]
fn an_address_without_a_password_takes_the_variable() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "file", "of the file");
    let password = |text: &str| {
        let address = parse(text, &[("APP_PASSWORD", "of the variable")]).unwrap();
        assert!(!format!("{address} {address:?}").contains("variable"));
        address.info.redis_settings().password().map(str::to_owned)
    };
    for text in ["host:1", "rediss://me@host", "unix:///s"] {
        assert_eq!(password(text).as_deref(), Some("of the variable"), "{text}");
    }
    assert_eq!(password("redis://:pw@host").as_deref(), Some("pw"));
    assert_eq!(password("unix:///s?pass=pw").as_deref(), Some("pw"));
    assert_eq!(password(&format!("host:1?password_file={file}")), None);
}

#[test]
fn two_password_variables_are_an_error_that_names_both() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, "file", "secret");
    let both = [("APP_PASSWORD", "secret"), ("APP_PASSWORD_FILE", &*file)];
    let error = parse("host:1", &both).unwrap_err().to_string();
    assert!(
        error.contains("APP_PASSWORD and APP_PASSWORD_FILE are both set"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    let empty = [("APP_PASSWORD", ""), ("APP_PASSWORD_FILE", &*file)];
    assert!(parse("host:1", &empty).is_ok(), "an empty variable is unset");
    assert!(parse("redis://:pw@host", &both).is_ok(), "neither is used");
}

#[test]
fn no_variable_is_read_without_a_prefix() {
    let read = |name: &str| panic!("{name} was read");
    Address::parse_from("rediss://host", Environment::none(), &read).unwrap();
}

#[test]
fn a_queue_parameter_is_the_prefix_of_every_queue() {
    let queue = |text: &str| text.parse::<Address>().unwrap().queue("q");
    assert_eq!(queue("host:1"), "q");
    assert_eq!(queue("host:1?queue=team-a"), "team-a.q");
    assert_eq!(queue("unix:///s?db=1&queue=team%2Da"), "team-a.q");
    fails("host:1?queue=a/b", "queue name \"a/b\" cannot be used");
    fails("host:1?queue=", "queue name \"\" cannot be used");
}
