//! Worker of the tests that logs messages of random sizes, and ends when they are acknowledged.
//!
//! test-log-worker ADDRESS NUMBER COUNT

use loggerplex::Logger;
use tensorplex_tests::{DEADLINE, log_messages};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, number, count] = args.as_slice() else {
        panic!("three arguments wanted, got {args:?}");
    };
    let log = Logger::connect(address, &format!("agent/{number}")).expect("an address");
    let messages = log_messages(number.parse().expect("a number"), count.parse().expect("a count"));
    for message in messages {
        log.info(message);
    }
    log.flush(2 * DEADLINE).expect("everything acknowledged");
}
