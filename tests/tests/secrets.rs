//! No program prints a password, at any log level.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tensorplex_tests::{BoundedOutput, Lines, Process, RedisServer, program};

/// Password with every character that is escaped in a URL or in quotes.
const SECRET: &str = "s3cr3t \"pä@ss:w/rd?+%#'\\";
/// Part of the password that is never escaped.
const CORE: &str = "s3cr3t";

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// All output, with its source.
#[derive(Default)]
struct Printed(Vec<(String, String)>);

impl Printed {
    fn add(&mut self, who: &str, bytes: &[u8]) {
        self.0
            .push((who.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
    }

    fn add_output(&mut self, who: &str, output: &Output) {
        self.add(who, &output.stdout);
        self.add(who, &output.stderr);
    }

    #[track_caller]
    fn holds_no_secret(&self) {
        let encoded = percent_encoded(CORE);
        for (who, text) in &self.0 {
            let lower = text.to_lowercase();
            for form in [CORE, &encoded.to_lowercase()] {
                assert!(!lower.contains(form), "{who} says {form}: {text}");
            }
        }
        let all: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        assert!(all > 10_000, "{all} bytes are too few to prove anything");
    }
}

fn run(name: &str, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(program(name));
    command.args(args).env("RUST_LOG", "trace");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The program may have ended without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.output_in_time()
}

/// Server whose output is read while it runs.
struct Server {
    process: Process,
    stdout: Lines,
    log: PathBuf,
}

fn serve(log: &Path, args: &[&str]) -> Server {
    let mut command = Command::new(program("tensorplex-server"));
    command.args(args).env("RUST_LOG", "trace");
    command
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(log).unwrap());
    let mut process = Process::start(&mut command);
    let stdout = Lines::of(process.child().stdout.take().unwrap());
    Server {
        process,
        stdout,
        log: log.to_owned(),
    }
}

impl Server {
    /// Waits until the server is ready; returns the address that it listens on.
    fn ready(&mut self, printed: &mut Printed) -> String {
        let mut address = String::new();
        loop {
            let line = self.stdout.next("the server to be ready");
            printed.add("server", line.as_bytes());
            if let Some(rest) = line.trim_start().strip_prefix("listening on ") {
                address = rest.split_whitespace().next().unwrap().to_owned();
            }
            if line.contains("to view it:") {
                return address;
            }
        }
    }

    fn end(mut self, printed: &mut Printed) {
        printed.add("list of processes", &command_line(self.process.child()));
        assert!(self.process.terminate().success());
        let rest = self.stdout.rest("the end of the server's output").join("\n");
        printed.add("server", rest.as_bytes());
        printed.add("server", &std::fs::read(&self.log).unwrap());
    }
}

fn command_line(process: &Child) -> Vec<u8> {
    std::fs::read(format!("/proc/{}/cmdline", process.id())).unwrap()
}

const LINE: &str = "{\"method\":\"add_scalar\",\"args\":[\"loss\",0.5,10]}\n";

#[test]
fn no_program_prints_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (right, wrong) = (path("right"), path("wrong"));
    std::fs::write(&right, SECRET).unwrap();
    std::fs::write(&wrong, format!("{CORE} but wrong\n")).unwrap();
    let mut printed = Printed::default();

    // With an embedded broker.
    let logdir = path("runs");
    let own = [
        "--logdir",
        &logdir,
        "--listen",
        "127.0.0.1:0",
        "--password-file",
        &right,
    ];
    let mut server = serve(&dir.path().join("log"), &own);
    let address = server.ready(&mut printed);
    printed.add("list of processes", &command_line(server.process.child()));
    let in_address = format!("redis://:{}@{address}", percent_encoded(SECRET));
    for (args, works) in [
        (vec!["send", "--redis", &in_address], true),
        (
            vec!["send", "--redis", &address, "--redis-password-file", &right],
            true,
        ),
        (
            vec!["send", "--redis", &address, "--redis-password-file", &wrong],
            false,
        ),
        (vec!["send", "--redis", &address], false),
        (vec!["top", "--redis", &in_address, "--logdir", &logdir], true),
        (
            vec!["run", "--redis", &in_address, "--client-id", "a", "--", "true"],
            true,
        ),
    ] {
        let args: Vec<&str> = match args[0] {
            "send" => [&args[..], &["--timeout", if works { "60s" } else { "1s" }]].concat(),
            _ => args,
        };
        let output = run("tensorplex", &args, LINE);
        assert_eq!(output.status.success(), works, "{args:?}: {output:?}");
        printed.add_output(args[0], &output);
    }
    server.end(&mut printed);

    // With a Redis that refuses the password, and with one without a password.
    let redis = RedisServer::start();
    let through = format!("{}?user=me&password_file={right}", redis.address());
    let with_pass = format!("{}?pass={}", redis.address(), percent_encoded(SECRET));
    for address in [&through, &with_pass] {
        let mut server = serve(
            &dir.path().join("log2"),
            &["--logdir", &logdir, "--redis", address],
        );
        server.ready(&mut printed);
        tensorplex_tests::wait_for("its first refusal", || {
            let log = std::fs::read_to_string(&server.log).unwrap();
            log.contains("broker is away").then_some(())
        });
        server.process.kill();
        printed.add("server", &std::fs::read(&server.log).unwrap());
    }

    // Invalid addresses and options.
    let encoded = percent_encoded(SECRET);
    for address in [
        format!("redis://:{SECRET}@host:port"),
        format!("redis://me:{encoded}@host?ca=/none"),
        format!("rediss://me:{encoded}@host?ca=/none"),
        format!("rediss://me:{encoded}@host#insecure"),
        format!("redis://me:{encoded}@host?password_file={right}"),
        format!("ftp://me:{SECRET}@host"),
    ] {
        for program in ["tensorplex", "tensorplex-server"] {
            let args: &[&str] = match program {
                "tensorplex" => &["send", "--redis", &address],
                _ => &["--logdir", &logdir, "--redis", &address],
            };
            let output = run(program, args, LINE);
            assert!(!output.status.success(), "{output:?}");
            printed.add_output(program, &output);
        }
    }
    // Help texts show the values of environment variables unless they are hidden.
    for args in [["send", "--help"], ["top", "--help"]] {
        let mut command = Command::new(program("tensorplex"));
        printed.add_output(
            "help",
            &command
                .args(args)
                .env("TENSORPLEX_URL", &in_address)
                .output_in_time(),
        );
    }
    let mut command = Command::new(program("tensorplex-server"));
    command
        .arg("--help")
        .env("TENSORPLEX_REDIS", &in_address)
        .env("TENSORPLEX_PASSWORD", SECRET);
    printed.add_output("help", &command.output_in_time());
    printed.holds_no_secret();
}

#[test]
fn an_unusable_password_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let file = path.to_str().unwrap();
    let logdir = dir.path().join("runs");
    let check = |why: &str| {
        let own = ["--logdir", logdir.to_str().unwrap(), "--password-file", file];
        let target = ["send", "--redis", "127.0.0.1:1", "--redis-password-file", file];
        let wants = format!("password file {file}: {why}");
        for output in [run("tensorplex-server", &own, ""), run("tensorplex", &target, "")] {
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && said.contains(&wants), "{said}");
        }
    };
    check("No such file");
    std::fs::write(&path, "").unwrap();
    check("it is empty");
    std::fs::write(&path, "x".repeat(5000)).unwrap();
    check("it is longer than 4098 bytes");
}

#[test]
fn a_password_file_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    std::fs::write(&path, "pw").unwrap();
    let said = |mode: u32| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let file = path.to_str().unwrap();
        let args = ["top", "--redis", "127.0.0.1:1", "--redis-password-file", file];
        String::from_utf8(run("tensorplex", &args, "").stderr).unwrap()
    };
    assert!(said(0o644).contains("all users of this machine can read this secret"));
    assert!(!said(0o640).contains("all users of this machine"));
}
