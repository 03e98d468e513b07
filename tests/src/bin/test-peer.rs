//! Rust peer of the Python package's tests.
//!
//! ```text
//! test-peer serve ADDRESS QUEUE   serves an object until SIGTERM
//! test-peer call ADDRESS QUEUE    calls an object written in Python, and prints the results
//! ```

use std::collections::BTreeMap;
use std::error::Error;

use remotecall::{CallError, RemoteCall, RemoteError, remote};

struct Peer;

/// Result of [`Peer::plain`].
type Plain = (i64, f64, String, Vec<Option<bool>>, BTreeMap<String, Vec<i64>>);

#[remote]
impl Peer {
    /// Takes and returns every plain type.
    pub fn plain(
        &self,
        count: i64,
        ratio: f64,
        name: &str,
        raw: &[u8],
        list: Vec<Option<bool>>,
        map: BTreeMap<String, Vec<i64>>,
    ) -> BTreeMap<String, Plain> {
        let name = format!("{name}{}", raw.len());
        BTreeMap::from([("got".to_owned(), (count, ratio, name, list, map))])
    }

    pub fn add(&self, a: i64, #[default(5)] b: i64) -> i64 {
        a + b
    }

    pub fn fail(&self, text: &str) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }

    pub fn panic(&self) {
        panic!("on purpose");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [what, address, queue] = words.as_slice() else {
        return Err("usage: test-peer serve|call ADDRESS QUEUE".into());
    };
    match what.as_str() {
        "serve" => Ok(RemoteCall::new(Peer).queue(queue).run(address)?),
        _ => call(address, queue),
    }
}

fn call(address: &str, queue: &str) -> Result<(), Box<dyn Error>> {
    let peer = PeerClient::connect(address, queue, "rust/1")?;
    let map = BTreeMap::from([("k".to_owned(), vec![1, -2])]);
    let got = peer.plain(1 << 40, 0.5, "é", b"\0\xff", vec![Some(true), None], map);
    println!("{:?}", got.get()?);
    println!("{}", peer.add(2, 3).get()?);
    match peer.fail("ValueError").get() {
        Err(RemoteError::Call(CallError::Raised {
            kind,
            message,
            traceback: Some(traceback),
        })) => println!("{kind} | {message} | {}", traceback.contains("in fail")),
        other => println!("{other:?}"),
    }
    Ok(())
}
