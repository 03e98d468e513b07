//! A disk that is really full, or really cannot be written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Lines, Process};

/// A file system in memory of a few megabytes, without a mount on this machine: it is mounted in a namespace of its own,
/// which needs no rights, and reached through the process that holds it.
pub struct SmallDisk {
    root: PathBuf,
    /// Holds the namespace.
    _holder: Process,
    namespace: u32,
}

/// Where it is mounted there.
const MOUNTED: &str = "/mnt";

impl SmallDisk {
    /// A file system with room for so many bytes; one that is read-only has none.
    ///
    /// # Panics
    /// When the system does not let users have namespaces.
    pub fn new(bytes: usize, read_only: bool) -> Self {
        let mode = if read_only { "ro" } else { "rw" };
        let script = format!(
            "mount -t tmpfs -o size={bytes},{mode} tmpfs {MOUNTED} && echo mounted && exec sleep infinity"
        );
        let mut holder = Process::start(
            Command::new("unshare")
                .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
                .stdout(Stdio::piped()),
        );
        let stdout = Lines::of(holder.child().stdout.take().expect("a pipe"));
        let line = stdout.next("unshare and mount, which need user namespaces");
        assert_eq!(line, "mounted");
        let namespace = holder.child().id();
        Self {
            root: PathBuf::from(format!("/proc/{namespace}/root{MOUNTED}")),
            _holder: holder,
            namespace,
        }
    }

    /// Its root, as seen from here.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The process that holds its namespace.
    pub fn namespace(&self) -> u32 {
        self.namespace
    }

    /// A program that runs where this process is, without a process in between.
    pub fn enter(process: u32, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        command.arg(process.to_string()).arg(program);
        command
    }

    /// A path of ours as it is there.
    pub fn seen_inside(path: &Path) -> PathBuf {
        let below = path.iter().skip_while(|part| *part != "root").skip(1);
        Path::new("/").join(below.collect::<PathBuf>())
    }

    /// Takes all the room that is left, but for so many bytes.
    ///
    /// # Panics
    /// When the disk is full already.
    pub fn fill(&self, but_for: usize) {
        let path = self.root.join("filler");
        let mut filler = std::fs::File::create(&path).expect("a filler");
        let mut size = 0;
        while let Ok(written) = filler.write(&[0; 4096]) {
            size += written;
        }
        let left = size.saturating_sub(but_for) as u64;
        filler.set_len(left).expect("a shorter filler");
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn make_room(&self) {
        std::fs::remove_file(self.root.join("filler")).expect("the filler");
    }
}
