//! What `tensorplex send` reads on standard input.

use clap::Parser;
use tensorplex_bin::send::Send;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    send: Send,
}

/// Sends the lines to nobody: they are read and encoded, and none is acknowledged.
pub fn send(bytes: &[u8]) {
    let args = ["send", "--redis", "127.0.0.1:1", "--timeout", "0s"];
    let Program { send } = Program::try_parse_from(args).expect("options that are right");
    let outcome = send.run(bytes, &mut |_, _| {}).expect("an outcome");
    assert_eq!(outcome.sent, 0);
}
