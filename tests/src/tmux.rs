//! A program in a real terminal (tmux), and the content of its screen.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::BoundedOutput;

/// Terminal with a running program.
pub struct Tmux {
    dir: TempDir,
}

impl Tmux {
    /// Runs a shell command line in a terminal of this size.
    ///
    /// # Panics
    /// When tmux is not installed: `make setup` installs it.
    pub fn start(columns: u32, rows: u32, command: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let tmux = Self { dir };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        // The screen stays after the end of the program, also after Ctrl-C.
        let keep = format!("trap : INT; {command}; echo ended with $?; exec cat");
        tmux.run(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "sh",
            "-c",
            &keep,
        ]);
        tmux
    }

    /// Screen as text, with escape sequences if `colours` is true.
    ///
    /// # Panics
    /// When tmux fails.
    pub fn screen(&self, colours: bool) -> String {
        let mut args = vec!["capture-pane", "-p"];
        if colours {
            args.push("-e");
        }
        String::from_utf8(self.run(&args).stdout).expect("UTF-8")
    }

    /// Presses keys, by their names in tmux.
    pub fn press(&self, keys: &str) {
        self.run(&["send-keys", keys]);
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, columns: u32, rows: u32) {
        self.run(&[
            "resize-window",
            "-x",
            &columns.to_string(),
            "-y",
            &rows.to_string(),
        ]);
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(self.dir.path().join("socket"))
            .args(args)
            .env_remove("TMUX");
        // A machine without a locale has one for text all the same.
        let output = command.env("LC_ALL", "C.UTF-8").output_in_time();
        assert!(output.status.success(), "{command:?}: {output:?}");
        output
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let _ = command
            .arg("-S")
            .arg(self.dir.path().join("socket"))
            .arg("kill-server")
            .output();
    }
}
