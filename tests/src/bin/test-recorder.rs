//! Worker of the tests that records with the default options: one scalar with tag `loss` for each
//! step from 0 to `COUNT - 1`.
//!
//! It prints `called MILLISECONDS` after the calls, and `flushed` after a flush for each line on
//! standard input. It ends with its input, without a flush. The client's log goes to standard
//! error.
//!
//! ```text
//! test-recorder ADDRESS CLIENT_ID COUNT
//! ```

use std::time::Instant;

use tensorplex::Writer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, client_id, count] = args.as_slice() else {
        panic!("three arguments wanted, got {args:?}");
    };
    let count: i64 = count.parse().expect("a count");
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).init();
    let start = Instant::now();
    let log = Writer::connect(address, client_id).expect("an address and an id");
    for step in 0..count {
        log.scalar("loss", step as f64 * 0.5, step);
    }
    println!("called {}", start.elapsed().as_millis());
    for _ in std::io::stdin().lines() {
        log.flush(tensorplex_tests::DEADLINE)
            .expect("everything acknowledged");
        println!("flushed");
    }
}
