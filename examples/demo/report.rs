//! Report: what the demo wrote.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// Files and bytes of one kind.
#[derive(Default)]
struct Total {
    files: u64,
    bytes: u64,
}

/// Prints what lies below the log directory, and how to view it.
pub fn print(logdir: &Path, elapsed: Duration) -> Result<(), Box<dyn Error>> {
    let (mut events, mut logs) = (Total::default(), Total::default());
    count(logdir, &mut events, &mut logs)?;
    let dir = logdir.display();
    println!();
    println!("written in {:.1} s:", elapsed.as_secs_f64());
    println!(
        "  {dir}/bandit, {dir}/regression   {} event files, {} KiB",
        events.files,
        events.bytes.div_ceil(1024)
    );
    println!(
        "  {dir}/logs                     {} log files, {} KiB",
        logs.files,
        logs.bytes.div_ceil(1024)
    );
    println!();
    println!("view it:  tensorboard --logdir {dir}");
    Ok(())
}

fn count(folder: &Path, events: &mut Total, logs: &mut Total) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            count(&entry.path(), events, logs)?;
            continue;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let total = if name.contains("tfevents") {
            &mut *events
        } else if name.ends_with(".log") {
            &mut *logs
        } else {
            continue;
        };
        total.files += 1;
        total.bytes += entry.metadata()?.len();
    }
    Ok(())
}
