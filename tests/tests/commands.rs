//! Conventions of all commands: help with examples, completions, exit codes.

use std::io::Read;
use std::process::{Command, Output, Stdio};

use tensorplex_tests::event_file::EventFile;
use tensorplex_tests::{BoundedOutput, in_time, program};

const COMMANDS: &[&str] = &[
    "run",
    "send",
    "drain",
    "tail",
    "top",
    "export",
    "inspect",
    "doctor",
    "completions",
];

fn tensorplex(args: &[&str]) -> Output {
    Command::new(program("tensorplex")).args(args).output_in_time()
}

#[test]
fn every_command_has_help_with_an_example() {
    let listed = String::from_utf8(tensorplex(&["--help"]).stdout).unwrap();
    let listed: Vec<&str> = listed
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty())
        .take_while(|word| *word != "help")
        .collect();
    assert_eq!(listed, COMMANDS);
    assert!(
        String::from_utf8(tensorplex(&["--help"]).stdout)
            .unwrap()
            .contains("Examples:")
    );
    for command in COMMANDS {
        let output = tensorplex(&[command, "--help"]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}");
        let (_, examples) = help
            .split_once("Example")
            .unwrap_or_else(|| panic!("{command}: {help}"));
        assert!(
            examples.contains(&format!("tensorplex {command}")),
            "{command}: {examples}"
        );
        assert!(!help.contains('\x1b'), "{command}: colours in a pipe");
    }
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = tensorplex(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = String::from_utf8(output.stdout).unwrap();
        let lacks = |word: &&&str| !script.contains(**word);
        assert_eq!(
            COMMANDS.iter().chain(&["silent-after", "repair"]).find(lacks),
            None,
            "{shell}"
        );
    }
    // The script works in bash.
    let script = format!(
        "set -eu; PATH=/usr/bin:/bin; source <('{0}' completions bash); COMP_WORDS=(tensorplex doc); COMP_CWORD=1; \
         set +eu; _tensorplex tensorplex doc tensorplex; echo \"${{COMPREPLY[*]}}\"",
        program("tensorplex").display()
    );
    let output = Command::new("bash").args(["-c", &script]).output_in_time();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "doctor",
        "{output:?}"
    );
}

#[test]
fn invalid_options_have_an_exit_code_of_their_own() {
    for args in [
        &["export"][..],
        &["export", ".", "--format", "xml"],
        &["export", ".", "--run", "[a"],
        &["inspect"],
        &["doctor", ".", "--mend"],
        &["tail", "--lines", "many"],
        &["top", "--redis", "http://x"],
        &["completions", "tcsh"],
        &["nonsense"],
    ] {
        assert_eq!(tensorplex(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_closed_output_pipe_is_not_reported() {
    let dir = tempfile::tempdir().unwrap();
    EventFile::new()
        .scalars("loss", 0..100_000)
        .save(&dir.path().join("a.tfevents"));
    let file = dir.path().join("a.tfevents");
    for args in [
        ["export", dir.path().to_str().unwrap()],
        ["inspect", file.to_str().unwrap()],
    ] {
        let mut command = Command::new(program("tensorplex"));
        let mut child = command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        in_time("the first bytes of the output", move || {
            stdout.read_exact(&mut [0; 10]).unwrap();
        });
        let output = child.output_in_time();
        assert_eq!(
            (output.status.code(), output.stderr),
            (Some(128 + 13), vec![]),
            "{args:?}"
        );
    }
}
