//! Frames encoded by `docs/reference/protocol.md` alone, without the project's own encoder.
//!
//! Such a frame can hold what a client refuses to send, and it proves that the document is
//! complete.

use redis::ConnectionLike;
use remotecall::rmp_serde;
use serde::Serialize;

use crate::wait_for;

const MAGIC: &[u8; 4] = b"RCF1";

/// Builder of an uncompressed frame.
pub struct RawFrame {
    /// Producer of the frame.
    pub producer: [u8; 16],
    /// Number of the frame.
    pub seq: u64,
    time_ns: i64,
    last_time_ns: i64,
    names: u64,
    count: u32,
    body: Vec<u8>,
}

impl RawFrame {
    /// Creates an empty frame; the times of its calls are relative to `time_ns`.
    pub fn new(producer: [u8; 16], seq: u64, time_ns: i64) -> Self {
        Self {
            producer,
            seq,
            time_ns,
            last_time_ns: time_ns,
            names: 0,
            count: 0,
            body: Vec::new(),
        }
    }

    /// Adds a call without a reply. `args` is a tuple.
    pub fn call(&mut self, client: &str, method: &str, args: &impl Serialize) {
        self.call_at(self.last_time_ns, 0, client, method, args);
    }

    /// Adds a call with a time; `reply` asks for 0 nothing, 1 the result, 2 an error only.
    ///
    /// # Panics
    /// When `args` cannot be serialized.
    pub fn call_at(&mut self, time_ns: i64, reply: u8, client: &str, method: &str, args: &impl Serialize) {
        let method = self.define(method);
        let client = self.define(client);
        let args = rmp_serde::to_vec(args).expect("arguments");
        self.body.push(1 | reply << 1);
        varint(&mut self.body, method);
        varint(&mut self.body, client);
        varint(&mut self.body, zigzag(time_ns - self.last_time_ns));
        varint(&mut self.body, args.len() as u64);
        self.body.extend(args);
        self.last_time_ns = time_ns;
        self.count += 1;
    }

    fn define(&mut self, name: &str) -> u64 {
        self.body.push(0);
        varint(&mut self.body, name.len() as u64);
        self.body.extend(name.as_bytes());
        self.names += 1;
        self.names - 1
    }

    /// Bytes of the frame, with a valid checksum.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_with(*MAGIC, 0, &self.body)
    }

    /// Bytes of the frame with another magic, other flags or another body, and a valid checksum.
    pub fn bytes_with(&self, magic: [u8; 4], flags: u8, body: &[u8]) -> Vec<u8> {
        let mut out = magic.to_vec();
        out.push(flags);
        out.extend(self.producer);
        out.extend(self.seq.to_le_bytes());
        out.extend(self.time_ns.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(body);
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Adds the frame to the stream of `queue`.
    ///
    /// # Panics
    /// When the broker refuses the frame.
    pub fn send(&self, broker: &mut impl ConnectionLike, queue: &str) {
        redis::cmd("XADD")
            .arg(format!("rc:{{{queue}.0}}:in"))
            .arg("*")
            .arg("f")
            .arg(self.bytes())
            .arg("a")
            .arg(self.seq - 1)
            .exec(broker)
            .expect("the broker takes it");
    }

    /// Waits until the server has acknowledged the frame.
    ///
    /// # Panics
    /// When the acknowledgement does not come in time.
    #[track_caller]
    pub fn wait_for_ack(&self, broker: &mut impl ConnectionLike, queue: &str) {
        let producer: String = self.producer.iter().map(|byte| format!("{byte:02x}")).collect();
        wait_for("an ack", || {
            let acked: Option<u64> = redis::cmd("HGET")
                .arg(format!("rc:{{{queue}.0}}:ack"))
                .arg(&producer)
                .query(broker)
                .ok()?;
            (acked? >= self.seq).then_some(())
        });
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}
