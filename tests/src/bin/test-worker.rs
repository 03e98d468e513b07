//! Worker of the tests that logs scalars with steps from 0 to `COUNT - 1` to a tag of its own, and
//! prints the number of acknowledged ones.
//!
//! ```text
//! test-worker ADDRESS CLIENT_ID TAG COUNT MICROSECONDS_BETWEEN
//! ```

use std::time::Duration;

use remotecall::{Client, ClientOptions, WhenFull};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, client_id, tag, count, pace] = args.as_slice() else {
        panic!("five arguments wanted, got {args:?}");
    };
    let (count, pace): (i64, u64) = (
        count.parse().expect("a count"),
        pace.parse().expect("microseconds"),
    );
    let options = ClientOptions {
        when_full: WhenFull::Block(tensorplex_tests::DEADLINE),
        ..Default::default()
    };
    let client =
        Client::connect_with(address, "tensorplex", client_id, options).expect("an address and an id");
    for step in 0..count {
        client.send("add_scalar", &(tag, step as f64 * 0.5, Some(step)));
        if pace > 0 {
            std::thread::sleep(Duration::from_micros(pace));
        }
    }
    client
        .close(2 * tensorplex_tests::DEADLINE)
        .expect("everything acknowledged");
}
