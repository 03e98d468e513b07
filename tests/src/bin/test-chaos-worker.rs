//! A worker of the chaos harness: records scalars and log lines, and writes down what was promised to it. It ends with
//! its standard input, when everything is acknowledged.
//!
//! test-chaos-worker ADDRESS CLIENT_ID LIFE LEDGER

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use loggerplex::Logger;
use remotecall::FlushError;
use tensorplex::Recorder;
use tensorplex_tests::chaos::{LedgerFile, value};
use tensorplex_tests::{DEADLINE, Dice};

/// Most numbers between two pauses, and the pause.
const BURST: u64 = 10;
const PAUSE: Duration = Duration::from_millis(20);
/// A flush comes after about so many bursts, and does not wait long: work goes on without a server.
const FLUSH_EVERY: u64 = 8;
const PATIENCE: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, id, life, ledger] = args.as_slice() else {
        return Err("usage: test-chaos-worker ADDRESS CLIENT_ID LIFE LEDGER".into());
    };
    let life: u64 = life.parse()?;
    let mut ledger = LedgerFile::create(Path::new(ledger))?;
    let (recorder, logger) = (Recorder::connect(address, id)?, Logger::connect(address, id)?);
    let mut dice = Dice::new(life);
    let stop = stop_with_input();
    let mut next = 0;
    while !stop.load(Relaxed) {
        let end = next + 1 + dice.below(BURST);
        ledger.say("submitted", end)?;
        for number in next..end {
            let value = value(life, number);
            recorder.scalar(&life.to_string(), f64::from(value), number as i64);
            logger.info(format!("{life} {number} {value}"));
        }
        next = end;
        if dice.below(FLUSH_EVERY) == 0 {
            if confirmed(recorder.flush(PATIENCE))? {
                ledger.say("records", next)?;
            }
            if confirmed(logger.flush(PATIENCE))? {
                ledger.say("lines", next)?;
            }
        }
        std::thread::sleep(PAUSE);
    }
    recorder.close(DEADLINE)?;
    ledger.say("records", next)?;
    logger.client().client().close(DEADLINE)?;
    Ok(ledger.say("lines", next)?)
}

/// The window is large enough for every outage of the harness: a call that was dropped is a fault.
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
