use remotecall::rmp_serde;
use remotecall::{Args, CallError, Remote};
use serde::Serialize;

use std::fs;

use super::log_files::MAX_PENDING;
use super::*;
use crate::format::{TextFormat, Zone};

/// 2018-03-09 12:34:56 UTC
const TIME: i64 = 1_520_598_896_000_000_000;

fn utc() -> TextFormat {
    TextFormat::default().zone(Zone::Utc)
}

pub(super) struct Disk(tempfile::TempDir);

impl Disk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn open(&self) -> Loggerplex {
        let path = self.0.path();
        Loggerplex::open(&path.join("logs"), &path.join("private/logs"))
            .unwrap()
            .lines(utc())
    }

    pub fn logs(&self) -> std::path::PathBuf {
        self.0.path().join("logs")
    }

    pub fn path(&self, client_id: &str) -> std::path::PathBuf {
        self.0.path().join(format!("logs/{client_id}.log"))
    }

    pub fn read(&self, client_id: &str) -> String {
        String::from_utf8(fs::read(self.path(client_id)).unwrap()).unwrap()
    }
}

fn call(logs: &mut Loggerplex, client_id: &str, method: &str, args: impl Serialize) -> Result<(), CallError> {
    call_at(logs, TIME, client_id, method, args)
}

pub(super) fn call_at(
    logs: &mut Loggerplex,
    time_ns: i64,
    client_id: &str,
    method: &str,
    args: impl Serialize,
) -> Result<(), CallError> {
    let client_id = ClientId::new(client_id).unwrap();
    let cx = CallContext::new(&client_id, time_ns);
    let index = logs.method(method).expect(method);
    let args = rmp_serde::to_vec(&args).unwrap();
    logs.call(&cx, index, &Args::parse(&args, false).unwrap(), &mut Vec::new())
}

/// Asserts the line that one call writes.
#[track_caller]
fn check(method: &str, args: impl Serialize, expect: &str) {
    let disk = Disk::new();
    let mut logs = disk.open().level(Level::DEBUG);
    call(&mut logs, "agent/17", method, args).unwrap();
    logs.commit().unwrap();
    assert_eq!(disk.read("agent/17"), expect);
}

#[track_caller]
fn refused(client_id: &str, method: &str, args: impl Serialize, expect: &str) {
    let disk = Disk::new();
    let mut logs = disk.open();
    let error = call(&mut logs, client_id, method, args).unwrap_err();
    assert_eq!(error.to_string(), expect);
    logs.commit().unwrap();
    assert_eq!(fs::read_dir(disk.0.path().join("logs")).unwrap().count(), 0);
}

#[test]
fn each_method_has_its_level() {
    check("debug", ("x",), "12:34:56 DEBUG> x\n");
    check("info", ("x",), "12:34:56 INFO> x\n");
    check("warning", ("x",), "12:34:56 WARNING> x\n");
    check("error", ("x",), "12:34:56 ERROR> x\n");
    check("critical", ("x",), "12:34:56 CRITICAL> x\n");
    check("log", (23, "x"), "12:34:56 INFO3> x\n");
    check("log", (37, "x"), "12:34:56 Level 37> x\n");
}

#[test]
fn log_at_takes_an_explicit_time() {
    check("log_at", (23, "x", TIME - 1_000_000_000), "12:34:55 INFO3> x\n");
}

#[test]
fn sections_have_bars_and_exceptions_a_traceback() {
    check("section", ("Yo",), "12:34:56 INFO> ========== Yo ==========\n");
    check("section", ("Yo", 40, "!", 4), "12:34:56 ERROR> !! Yo !!\n");
    let bar = format!("12:34:56 INFO> {}\n", "=".repeat(20));
    check("section", [(); 0], &bar);
    check(
        "exception",
        ("failed", "Traceback:\nValueError"),
        "12:34:56 ERROR> failed\n    | ERROR> Traceback:\n    | ERROR> ValueError\n",
    );
}

#[test]
fn lines_below_the_threshold_create_no_file() {
    let disk = Disk::new();
    let mut logs = disk.open();
    call(&mut logs, "a", "debug", ("x",)).unwrap();
    call(&mut logs, "a", "log", (19, "x")).unwrap();
    logs.commit().unwrap();
    assert!(!disk.path("a").exists());
    call(&mut logs, "a", "info", ("x",)).unwrap();
    let mut logs = logs.level(Level::ERROR);
    call(&mut logs, "a", "warning", ("y",)).unwrap();
    call(&mut logs, "a", "error", ("z",)).unwrap();
    logs.commit().unwrap();
    assert_eq!(disk.read("a"), "12:34:56 INFO> x\n12:34:56 ERROR> z\n");
}

#[test]
fn format_options_change_the_part_before_the_message() {
    let disk = Disk::new();
    let mut logs = disk.open().lines(utc().time("ydhm".parse().ok()));
    call(&mut logs, "a", "info", ("1",)).unwrap();
    let mut logs = logs.lines(utc().show_level(false));
    call(&mut logs, "a", "info", ("2",)).unwrap();
    let mut logs = logs.lines(utc().time(None).show_level(false));
    call(&mut logs, "a", "info", ("3",)).unwrap();
    logs.commit().unwrap();
    assert_eq!(disk.read("a"), "03-09-18 12:34 INFO> 1\n12:34:56 2\n3\n");
}

#[test]
fn each_client_has_its_own_file() {
    let disk = Disk::new();
    let mut logs = disk.open();
    let clients: Vec<String> = (0..300).map(|n| format!("group{}/sub/agent{n}", n % 7)).collect();
    for round in 0..3 {
        for client in &clients {
            call(&mut logs, client, "info", (format!("{client} {round}"),)).unwrap();
        }
        logs.commit().unwrap();
    }
    for client in &clients {
        let lines: String = (0..3)
            .map(|round| format!("12:34:56 INFO> {client} {round}\n"))
            .collect();
        assert_eq!(disk.read(client), lines);
    }
}

#[test]
fn a_client_and_a_folder_of_clients_may_share_a_name() {
    let disk = Disk::new();
    let mut logs = disk.open();
    for id in ["agent", "agent/1", "a.log", "b.logs/1"] {
        call(&mut logs, id, "info", (id,)).unwrap();
    }
    logs.commit().unwrap();
    for id in ["agent", "agent/1", "a.log", "b.logs/1"] {
        assert_eq!(disk.read(id), format!("12:34:56 INFO> {id}\n"));
    }
}

#[test]
fn a_folder_with_the_name_of_a_log_file_is_refused() {
    for id in [
        "agent.log/1",
        "x/agent.log/y/1",
        "agent.jsonl/1",
        "agent.log.20180309-1/x",
    ] {
        let why = format!(
            "LogError: client id {id} is refused: only its last part may have the name of a log file, such as x.log or x.jsonl"
        );
        refused(id, "info", ("x",), &why);
    }
}

#[test]
fn overlong_messages_and_bars_are_refused() {
    let long = "x".repeat(MAX_MESSAGE + 1);
    let why = "LogError: message of 16777217 bytes is too long: at most 16777216 are allowed";
    refused("a", "info", (&long,), why);
    refused("a", "section", (&long,), why);
    refused("a", "exception", ("x", &long[1..]), why);
    let why = "LogError: section bar of 1000000000 times 2 bytes is too long: at most 256 bytes on each side are allowed";
    refused("a", "section", ("x", 20, "ab", 1_000_000_000), why);
    check("info", (&long[1..],), &format!("12:34:56 INFO> {}\n", &long[1..]));
}

#[test]
fn arguments_of_the_wrong_type_are_refused() {
    for args in [(256, "x"), (-1, "x")] {
        let error = call(&mut Disk::new().open(), "a", "log", args).unwrap_err();
        assert!(error.to_string().starts_with("argument level: "), "{error}");
    }
    let error = call(&mut Disk::new().open(), "a", "info", (1,)).unwrap_err();
    assert!(error.to_string().starts_with("argument message: "), "{error}");
}

#[test]
fn one_message_is_one_entry_whatever_its_text() {
    let disk = Disk::new();
    let mut logs = disk.open();
    let pieces = [
        "\n", "\r", "\r\n", "\x1b[2K", "\u{2028}", "\u{85}", "\x0b", "\x0c", "\0", "x",
    ];
    for a in pieces {
        for b in pieces {
            call(&mut logs, "a", "info", (format!("{a}{b}12:34:56 INFO> forged"),)).unwrap();
        }
    }
    logs.commit().unwrap();
    let text = disk.read("a");
    assert!(text.ends_with('\n'));
    let (more, first): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("    | "));
    assert_eq!(first.len(), pieces.len() * pieces.len());
    assert!(!more.is_empty());
    let breaks = |c: char| (c.is_control() && c != '\n') || c == '\u{2028}';
    assert!(!text.contains(breaks), "{text:?}");
}

/// Logs rounds of two clients, with control characters and refused calls among them.
fn replay(logs: &mut Loggerplex, rounds: std::ops::Range<u32>) {
    for round in rounds {
        call(logs, "agent/1", "info", (format!("round {round}\nof 4"),)).unwrap();
        call(logs, "b", "section", ("\x1b", 30)).unwrap();
        logs.commit().unwrap();
        call(logs, "b.log/x", "info", ("refused",)).unwrap_err();
        call(logs, "agent/1", "debug", ("ignored",)).unwrap();
        call(logs, "b", "exception", ("e", "1\n2")).unwrap();
    }
    logs.commit().unwrap();
}

#[test]
fn a_replay_completes_a_file_truncated_at_any_byte() {
    let disk = Disk::new();
    replay(&mut disk.open(), 0..4);
    let whole = (disk.read("agent/1"), disk.read("b"));
    assert_eq!(whole.0.lines().count(), 8);
    for cut in 0..=whole.0.len() {
        fs::write(disk.path("agent/1"), &whole.0[..cut]).unwrap();
        replay(&mut disk.open(), 0..4);
        assert_eq!((disk.read("agent/1"), disk.read("b")), whole, "cut at {cut}");
    }
}

#[test]
fn a_replay_from_a_checkpoint_completes_a_file_truncated_after_it() {
    let disk = Disk::new();
    let mut logs = disk.open();
    replay(&mut logs, 0..2);
    let (at, state) = (disk.read("agent/1").len(), logs.checkpoint().unwrap());
    replay(&mut logs, 2..4);
    let whole = (disk.read("agent/1"), disk.read("b"));
    for cut in at..=whole.0.len() {
        fs::write(disk.path("agent/1"), &whole.0[..cut]).unwrap();
        let mut logs = disk.open();
        logs.restore(&state).unwrap();
        replay(&mut logs, 2..4);
        assert_eq!((disk.read("agent/1"), disk.read("b")), whole, "cut at {cut}");
    }
}

#[test]
fn existing_file_content_stays() {
    let disk = Disk::new();
    disk.open();
    fs::write(disk.path("b"), "of another day\n").unwrap();
    replay(&mut disk.open(), 0..4);
    let whole = disk.read("b");
    replay(&mut disk.open(), 0..4);
    assert!(whole.starts_with("of another day\n12:34:56 WARNING> "), "{whole}");
    assert_eq!(disk.read("b"), whole);
}

#[test]
fn an_invalid_checkpoint_is_refused() {
    for bytes in [
        &b""[..],
        b"\xc1",
        &[0; 8],
        &[9, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xff; 20],
    ] {
        assert!(Disk::new().open().restore(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn entries_above_the_memory_limit_are_written_before_the_commit() {
    let disk = Disk::new();
    let mut logs = disk.open();
    let long = "x".repeat(MAX_MESSAGE);
    for _ in 0..5 {
        call(&mut logs, "a", "info", (&long,)).unwrap();
        assert!(logs.files.pending_bytes() <= MAX_PENDING);
    }
    let early = fs::metadata(disk.path("a")).unwrap().len();
    assert!(early > MAX_PENDING as u64, "{early} bytes");
    logs.commit().unwrap();
    let all = fs::metadata(disk.path("a")).unwrap().len();
    assert_eq!(all, 5 * (MAX_MESSAGE as u64 + "12:34:56 INFO> \n".len() as u64));
}

#[test]
fn json_lines_go_to_a_separate_file() {
    let disk = Disk::new();
    let mut logs = disk.open();
    call(&mut logs, "a", "info", ("text",)).unwrap();
    let mut logs = logs.lines(LineFormat::Json);
    call(&mut logs, "a", "log", (23, "two\nlines")).unwrap();
    logs.commit().unwrap();
    assert_eq!(disk.read("a"), "12:34:56 INFO> text\n");
    let json = fs::read_to_string(disk.0.path().join("logs/a.jsonl")).unwrap();
    let time = "2018-03-09T12:34:56.000000000Z";
    let expect = format!(r#"{{"time":"{time}","level":"INFO3","levelno":23,"message":"two\nlines"}}"#);
    assert_eq!(json, expect + "\n");
}

#[test]
fn overwriting_replaces_foreign_content_but_not_the_servers_own_lines() {
    let disk = Disk::new();
    disk.open();
    fs::write(disk.path("b"), "of another day\n").unwrap();
    replay(&mut disk.open().overwrite(true), 0..4);
    let whole = disk.read("b");
    assert!(whole.starts_with("12:34:56 WARNING> "), "{whole}");
    replay(&mut disk.open().overwrite(true), 0..4);
    assert_eq!(disk.read("b"), whole);
    // The server's own lines stay, also when the file was truncated.
    let mut logs = disk.open().overwrite(true);
    replay(&mut logs, 0..4);
    let state = logs.checkpoint().unwrap();
    fs::write(disk.path("b"), &whole[..20]).unwrap();
    let mut logs = disk.open().overwrite(true);
    logs.restore(&state).unwrap();
    call(&mut logs, "b", "info", ("more",)).unwrap();
    logs.commit().unwrap();
    assert!(disk.read("b").starts_with(&whole[..20]));
}

#[test]
fn the_settings_text_is_stable() {
    let disk = Disk::new();
    let berlin = TextFormat::default()
        .zone("Europe/Berlin".parse().unwrap())
        .time("%H".parse().ok())
        .preamble("{levelno} ".parse().unwrap());
    let rotation = Rotation::keep(3).max_age(std::time::Duration::from_secs(60));
    let logs = disk.open().lines(berlin).rotation(rotation);
    assert_eq!(
        logs.settings(),
        "Text(TextFormat { time: Some(TimeFormat([Numeric(Hour, Zero)])), zone: Named(Europe/Berlin), \
         preamble: Some(Preamble([Literal(\"\"), LevelNumber, Literal(\" \")])), show_level: true }), \
         from Level(20), Some(Rotation { max_bytes: None, max_age: Some(60s), keep: 3 })"
    );
}
