//! A file system that is full or read-only.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Lines, Process};

/// In-memory file system of a few megabytes. A process mounts it in a namespace of its own, which
/// needs no rights; others reach it through that process.
pub struct SmallDisk {
    root: PathBuf,
    /// Process that keeps the namespace alive.
    _holder: Process,
    namespace: u32,
}

/// Mount point in the namespace.
const MOUNTED: &str = "/mnt";

impl SmallDisk {
    /// Mounts a file system of `bytes` bytes.
    ///
    /// # Panics
    /// When the system forbids user namespaces.
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

    /// Root of the file system, as a path outside the namespace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Id of the process that keeps the namespace alive.
    pub fn namespace(&self) -> u32 {
        self.namespace
    }

    /// Command that runs `program` in the namespace of `process`, as a direct child.
    pub fn enter(process: u32, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        command.arg(process.to_string()).arg(program);
        command
    }

    /// Translates a path outside the namespace to the path inside.
    pub fn seen_inside(path: &Path) -> PathBuf {
        let below = path.iter().skip_while(|part| *part != "root").skip(1);
        Path::new("/").join(below.collect::<PathBuf>())
    }

    /// Fills the disk but for `but_for` bytes.
    ///
    /// # Panics
    /// When no file can be created.
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

    /// Frees the space again.
    ///
    /// # Panics
    /// When the disk was not filled.
    pub fn make_room(&self) {
        std::fs::remove_file(self.root.join("filler")).expect("the filler");
    }
}
