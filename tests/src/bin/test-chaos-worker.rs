//! Worker of the chaos harness: records scalars and log lines, and keeps a progress file. At the
//! end of its standard input it waits until everything is acknowledged, and ends.
//!
//! ```text
//! test-chaos-worker ADDRESS CLIENT_ID LIFE PROGRESS_FILE [SPOOL]
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use loggerplex::{Logger, LoggerplexClient};
use remotecall::{Client, ClientOptions};
use tensorplex::{FlushError, TensorplexClient, Writer};
use tensorplex_tests::chaos::{ProgressFile, value};
use tensorplex_tests::{DEADLINE, Rng};

/// Limit on the numbers per burst, and the pause after a burst. 21 workers then write about 2,300
/// numbers a second, which TensorBoard's Python reader can follow on a busy machine.
const BURST: u64 = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// Average number of bursts between two flushes, and the timeout of a flush.
const FLUSH_EVERY: u64 = 8;
const FLUSH_TIMEOUT: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (address, id, life, progress, spool) = match args.as_slice() {
        [address, id, life, progress] => (address, id, life, progress, None),
        [address, id, life, progress, spool] => (address, id, life, progress, Some(spool.into())),
        _ => return Err("usage: test-chaos-worker ADDRESS CLIENT_ID LIFE PROGRESS_FILE [SPOOL]".into()),
    };
    let life: u64 = life.parse()?;
    let mut progress = ProgressFile::create(Path::new(progress))?;
    let connect = |queue| {
        let spool = spool.clone();
        let options = ClientOptions {
            spool,
            ..ClientOptions::default()
        };
        Client::connect_with(address, queue, id, options)
    };
    let recorder = Writer::from_client(TensorplexClient::new(connect(tensorplex::QUEUE)?).one_way());
    let logger = Logger::new(LoggerplexClient::new(connect(loggerplex::QUEUE)?).one_way());
    let mut rng = Rng::new(life);
    let stop = stop_with_input();
    let mut next = 0;
    while !stop.load(Relaxed) {
        let end = next + 1 + rng.below(BURST);
        progress.write("submitted", end)?;
        for number in next..end {
            let value = value(life, number);
            recorder.scalar(&life.to_string(), f64::from(value), number as i64);
            logger.info(format!("{life} {number} {value}"));
        }
        next = end;
        progress.write("accepted", next)?;
        if rng.below(FLUSH_EVERY) == 0 {
            if confirmed(recorder.flush(FLUSH_TIMEOUT))? {
                progress.write("records", next)?;
            }
            if confirmed(logger.flush(FLUSH_TIMEOUT).map_err(Into::into))? {
                progress.write("lines", next)?;
            }
        }
        std::thread::sleep(PAUSE);
    }
    recorder.close(DEADLINE)?;
    progress.write("records", next)?;
    logger.client().client().close(DEADLINE)?;
    Ok(progress.write("lines", next)?)
}

/// Returns true when everything is acknowledged. The send window outlasts every outage of the
/// harness, so a dropped call is an error.
fn confirmed(flush: Result<(), FlushError>) -> Result<bool, FlushError> {
    match flush {
        Ok(()) => Ok(true),
        Err(error) if error.dropped > 0 => Err(error),
        Err(_) => Ok(false),
    }
}

fn stop_with_input() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        flag.store(true, Relaxed);
    });
    stop
}
