//! Watch for records that are added to the event files of a directory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::extract::record_from;
use super::files::{FindError, LeftOut, find_runs};
use crate::tfevents::{EventView, ReadError, RecordReader};

/// Bytes at the end of a file that are looked at first: enough for what was logged last.
const LAST: u64 = 256 << 10;

/// Follows the event files below a directory.
#[derive(Debug, Default)]
pub struct Watch {
    /// Offset of the next record, by file.
    files: HashMap<PathBuf, u64>,
}

impl Watch {
    /// Calls `see` with the run and each event that came since the last look; at first with those at the ends of the files.
    /// Damaged records are left out, and what cannot be read is tried again. Returns what cannot be read.
    ///
    /// # Errors
    /// When `root` itself cannot be read.
    pub fn look(
        &mut self,
        root: &Path,
        see: &mut dyn FnMut(&str, &EventView<'_>),
    ) -> Result<Vec<LeftOut>, FindError> {
        let found = find_runs(root)?;
        for run in found.runs {
            for path in run.files {
                // A file that vanishes is gone with the next look.
                let _ = self.file(&path, &mut |event| see(&run.name, event));
            }
        }
        Ok(found.left_out)
    }

    fn file(&mut self, path: &Path, see: &mut dyn FnMut(&EventView<'_>)) -> io::Result<()> {
        let length = path.metadata()?.len();
        let at = match self.files.get(path) {
            Some(&at) if at == length => return Ok(()),
            Some(&at) if at < length => at,
            Some(_) => 0,
            None => record_from(path, length.saturating_sub(LAST))?.unwrap_or(length),
        };
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        let mut reader = RecordReader::new(BufReader::new(file));
        loop {
            match reader.next_record() {
                Ok(Some(payload)) => {
                    if let Ok(event) = EventView::parse(&payload) {
                        see(&event);
                    }
                }
                Ok(None) | Err(ReadError::Truncated { .. }) => break,
                Err(ReadError::BadPayload { .. }) => {}
                Err(ReadError::Io(error)) => return Err(error),
                Err(ReadError::BadLength { .. } | ReadError::TooLong { .. }) => {
                    // Readers stop here; we go on with what comes from now on.
                    self.files.insert(path.to_owned(), length);
                    return Ok(());
                }
            }
        }
        self.files.insert(path.to_owned(), at + reader.position());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::RunWriter;
    use crate::tfevents::PayloadView;

    #[test]
    fn what_was_logged_last_comes_first_and_then_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::create(dir.path().join("a/b")).unwrap();
        let mut log = |steps: std::ops::Range<i64>| {
            for step in steps {
                writer.add_scalar("loss", 0.5, Some(step), None).unwrap();
            }
            writer.flush().unwrap();
        };
        let mut watch = Watch::default();
        let mut steps = || {
            let mut steps = Vec::new();
            let see = &mut |run: &str, event: &EventView<'_>| {
                assert_eq!(run, "a/b");
                if matches!(event.content, PayloadView::Summary(_)) {
                    steps.push(event.step);
                }
            };
            watch.look(dir.path(), see).unwrap();
            steps
        };
        log(0..20_000);
        let first = steps();
        assert!(first.len() > 1000 && first.len() < 20_000, "{}", first.len());
        assert_eq!(first.last(), Some(&19_999));
        assert!(steps().is_empty());
        log(20_000..20_003);
        assert_eq!(steps(), [20_000, 20_001, 20_002]);
    }
}
