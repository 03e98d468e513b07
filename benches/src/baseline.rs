//! Baseline of the machine: scalars through a stream into one event file, without any guarantee.
//!
//! One thread reads the clock, looks up the tag and appends 20 bytes per scalar, 64 KB per entry.
//! The other one takes the entries, encodes the events and writes the file. There is no journal, no
//! acknowledgement, no retry, and no recovery after a kill.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tensorplex::tfevents::{Encoder, Point};

use crate::measurements::{SCALARS, TAGS, connection, tag, value};
use crate::servers::Servers;

const RECORD: usize = 20;
const ENTRY: usize = 64_000;
/// Entries sent before the first answer is read.
const AHEAD: usize = 4;
const KEY: &str = "baseline";

/// Scalars per second from the first call to the last byte in the file.
pub fn baseline(setting: &Servers) -> f64 {
    let mut there = connection(setting);
    let path = setting.dir.path().join("baseline");
    let start = Instant::now();
    let server = std::thread::spawn(move || {
        let mut file = std::fs::File::create_new(path).expect("a file");
        let (mut encoder, mut out, mut last, mut count) =
            (Encoder::default(), Vec::new(), "0-0".to_owned(), 0);
        while count < SCALARS {
            for (id, entry) in entries(&mut there, &last) {
                last = id;
                for record in entry.chunks_exact(RECORD) {
                    append(&mut encoder, &mut out, record);
                    count += 1;
                }
            }
            file.write_all(&out).expect("room on the disk");
            out.clear();
            let mut trim = redis::cmd("XTRIM");
            trim.arg(KEY).arg("MINID").arg(&last);
            trim.exec(&mut there).expect("an answer");
        }
    });
    send(&mut connection(setting));
    server.join().expect("all scalars");
    SCALARS as f64 / start.elapsed().as_secs_f64()
}

fn send(here: &mut redis::Connection) {
    let numbers: HashMap<&str, u32> = TAGS.into_iter().zip(0..).collect();
    let (mut entry, mut sent) = (Vec::with_capacity(ENTRY), redis::pipe());
    for n in 0..SCALARS {
        let step = n / TAGS.len() as i64;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
        let tag = numbers.get(tag(n as usize)).expect("a number for each tag");
        entry.extend_from_slice(&(time.as_nanos() as u64).to_le_bytes());
        entry.extend_from_slice(&(step as u32).to_le_bytes());
        entry.extend_from_slice(&(value(step) as f32).to_le_bytes());
        entry.extend_from_slice(&tag.to_le_bytes());
        if entry.len() >= ENTRY || n + 1 == SCALARS {
            sent.cmd("XADD")
                .arg(KEY)
                .arg("*")
                .arg("f")
                .arg(&entry[..])
                .ignore();
            entry.clear();
            if sent.len() >= AHEAD || n + 1 == SCALARS {
                sent.query::<()>(here).expect("an answer");
                sent.clear();
            }
        }
    }
}

fn append(encoder: &mut Encoder, out: &mut Vec<u8>, record: &[u8]) {
    let (time, rest) = record.split_first_chunk().expect("8 bytes");
    let (step, rest) = rest.split_first_chunk().expect("4 bytes");
    let (value, tag) = rest.split_first_chunk().expect("4 bytes");
    let tag = u32::from_le_bytes(tag.try_into().expect("4 bytes"));
    let point = Point {
        tag: TAGS.get(tag as usize).copied().expect("a number of a tag"),
        step: u32::from_le_bytes(*step).into(),
        wall_time: Duration::from_nanos(u64::from_le_bytes(*time)).as_secs_f64(),
    };
    encoder
        .scalar(out, point, f32::from_le_bytes(*value))
        .expect("a short tag");
}

type Entries = Vec<(String, Vec<u8>)>;

fn entries(there: &mut redis::Connection, last: &str) -> Entries {
    type Answer = Vec<(String, Vec<(String, (String, Vec<u8>))>)>;
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT")
        .arg(32)
        .arg("BLOCK")
        .arg(0)
        .arg("STREAMS")
        .arg(KEY)
        .arg(last);
    let answer: Answer = read.query(there).expect("an answer");
    let entries = answer.into_iter().flat_map(|(_, entries)| entries);
    entries.map(|(id, (_, entry))| (id, entry)).collect()
}
