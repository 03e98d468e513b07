//! Fuzz target: standard input of `tensorplex send`.

use clap::Parser;
use tensorplex_bin::send::Send;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    send: Send,
}

/// Sends the lines to a closed port: they are parsed and encoded, and none is acknowledged.
pub fn send(bytes: &[u8]) {
    let args = ["send", "--redis", "127.0.0.1:1", "--timeout", "0s"];
    let Program { send } = Program::try_parse_from(args).expect("options that are right");
    let outcome = send.run(bytes, &mut |_, _| {}).expect("an outcome");
    assert_eq!(outcome.sent, 0);
}
