//! Calls with futures while server and broker are killed repeatedly.
//!
//! Each call adds one to a journaled counter and returns the new count. So a call that ran twice,
//! or not at all, shifts every later answer. A client that closes without an error has all its
//! calls acknowledged.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use remotecall::{CallError, RemoteError, RemoteFuture};
use tensorplex_tests::{Broker, DEADLINE, Lines, Process, RedisServer, Rng, own_program};

/// Number of clients, and their calls.
#[derive(Clone, Copy)]
struct Callers {
    count: u64,
    calls_of_each: u64,
    in_flight: u64,
}

const MANY: Callers = Callers {
    count: 4,
    calls_of_each: 25_000,
    in_flight: 1_000,
};
/// A caller that waits for each result does the sender's and receiver's work inline.
const ONE_AT_A_TIME: Callers = Callers {
    count: 1,
    calls_of_each: 1_000,
    in_flight: 1,
};

impl Callers {
    fn calls(self) -> u64 {
        self.count * self.calls_of_each
    }
}

/// Kills per run, spread over the answers.
const KILLS: u64 = 10;

/// Processes to kill with SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kill {
    /// The server, with its embedded broker if it has one.
    Server,
    /// The server, and once more before it has recovered.
    ServerTwice,
    /// Redis, whose content is lost.
    Redis,
    /// Redis while no server runs.
    Both,
}

/// Schedule of the kills: the number of answers before each, in order.
fn schedule(calls: u64, rng: &mut Rng, kinds: &[Kill]) -> Vec<(u64, Kill)> {
    let part = calls / (KILLS + 1);
    let kill = |n: u64, rng: &mut Rng| (n * part + rng.below(part), rng.pick(kinds));
    (0..KILLS).map(|n| kill(n, rng)).collect()
}

/// Server of the counter, and its broker.
struct System {
    dir: tempfile::TempDir,
    broker: Broker,
    address: String,
    server: Process,
}

impl System {
    fn start(broker: Broker) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = match &broker {
            Broker::Redis(redis) => redis.address(),
            Broker::Embedded => "127.0.0.1:0".to_owned(),
        };
        let (server, address) = serve(&broker, dir.path(), &listen);
        Self {
            dir,
            broker,
            address,
            server,
        }
    }

    fn restart(&mut self) {
        (self.server, _) = serve(&self.broker, self.dir.path(), &self.address);
    }

    fn redis(&mut self) -> &mut RedisServer {
        match &mut self.broker {
            Broker::Redis(redis) => redis,
            Broker::Embedded => panic!("there is no Redis to be killed"),
        }
    }

    fn kill(&mut self, what: Kill) {
        match what {
            Kill::Server => self.server.kill(),
            Kill::ServerTwice => {
                self.server.kill();
                self.restart();
                self.server.kill();
            }
            Kill::Redis => return self.redis().kill_and_restart(),
            Kill::Both => {
                self.server.kill();
                self.redis().kill_and_restart();
            }
        }
        self.restart();
    }
}

fn serve(broker: &Broker, dir: &std::path::Path, address: &str) -> (Process, String) {
    let mode = match broker {
        Broker::Redis(_) => "serve",
        Broker::Embedded => "own",
    };
    let mut command = Command::new(own_program("test-counter"));
    command.arg(mode).arg(dir).arg(address).stdout(Stdio::piped());
    let mut server = Process::start(&mut command);
    let lines = Lines::of(server.child().stdout.take().unwrap());
    let line = lines.next("the address of the counter");
    let address = line.strip_prefix("at ").expect("the server's address");
    (server, address.to_owned())
}

/// Starts a client process; its output goes to the channel, with its number.
fn call(callers: Callers, address: &str, n: usize, to: Sender<(usize, String)>) -> Process {
    let mut command = Command::new(own_program("test-counter"));
    command.arg("call").arg(address).arg(format!("client/{n}"));
    command
        .arg(callers.calls_of_each.to_string())
        .arg(callers.in_flight.to_string());
    command.stdout(Stdio::piped());
    let mut client = Process::start(&mut command);
    let lines = BufReader::new(client.child().stdout.take().unwrap()).lines();
    // The thread ends with the process, which the test kills.
    std::thread::spawn(move || {
        for line in lines {
            // Without a receiver the test has failed already.
            let _ = to.send((n, line.unwrap()));
        }
    });
    client
}

/// Collects the answers of each client in the order of its calls, and kills processes meanwhile.
fn collect(
    callers: Callers,
    answers: &Receiver<(usize, String)>,
    system: &mut System,
    kills: Vec<(u64, Kill)>,
) -> Vec<Vec<String>> {
    let mut answers_by_client = vec![Vec::new(); callers.count as usize];
    let mut kills = kills.into_iter().peekable();
    for count in 0..callers.calls() {
        while let Some((_, what)) = kills.next_if(|&(at, _)| at <= count) {
            system.kill(what);
        }
        let (client, answer) = answers
            .recv_timeout(2 * DEADLINE)
            .unwrap_or_else(|_| panic!("{count} futures ended, and then none for a long time"));
        answers_by_client[client].push(answer);
    }
    answers_by_client
}

/// Checks that every value was answered once, or its result had expired.
fn check(calls: u64, answers_by_client: &[Vec<String>]) {
    let mut counts = Vec::new();
    let mut expired = 0;
    for (client, answers) in answers_by_client.iter().enumerate() {
        let mut last = 0;
        for answer in answers {
            match answer.parse() {
                Ok(value) => {
                    assert!(last < value, "client {client} was answered {value} after {last}");
                    last = value;
                    counts.push(value);
                }
                Err(_) => {
                    assert_eq!(answer, "Call(ResultExpired)", "client {client}");
                    expired += 1;
                }
            }
        }
    }
    counts.sort_unstable();
    let twice = counts.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "a count was answered twice");
    assert!(counts.last() <= Some(&calls), "a call ran twice");
    eprintln!("{} values, {expired} results expired", counts.len());
}

fn every_future_ends_and_every_call_counts_once(broker: Broker, callers: Callers, kinds: &[Kill]) {
    let mut rng = Rng::new(Rng::seed());
    let mut system = System::start(broker);
    let (to, answers) = channel();
    let clients: Vec<Process> = (0..callers.count as usize)
        .map(|n| call(callers, &system.address, n, to.clone()))
        .collect();
    let answers_by_client = collect(
        callers,
        &answers,
        &mut system,
        schedule(callers.calls(), &mut rng, kinds),
    );
    for mut client in clients {
        assert!(
            client.wait().success(),
            "a client could not deliver all its calls"
        );
    }
    check(callers.calls(), &answers_by_client);

    // One more call after one more kill returns the count in the journal.
    system.kill(Kill::Server);
    let client = remotecall::Client::connect(&system.address, "remotecall", "check").unwrap();
    assert_eq!(
        client.call::<_, u64>("add", &(0,)).get_timeout(DEADLINE),
        Ok(Some(callers.calls()))
    );
    assert!(system.server.terminate().success());
}

/// Read-only calls are not journaled, the calls between them are: each read sees exactly the calls
/// before it.
fn reads_among_calls_see_what_was_called_before_them(broker: Broker, kinds: &[Kill]) {
    const CALLS: u64 = 2_000;
    let mut rng = Rng::new(Rng::seed());
    let mut system = System::start(broker);
    let mut kills = schedule(CALLS, &mut rng, kinds).into_iter().peekable();
    let client = remotecall::Client::connect(&system.address, "remotecall", "one").unwrap();
    let (mut reads, mut read) = (VecDeque::new(), 0);
    for count in 1..=CALLS {
        client.send("add", &(1,));
        // A read that is awaited alone has its own frame, and the next call is sent before its
        // acknowledgement arrives.
        let (new, outstanding) = rng.pick(&[(0, 20), (1, 20), (3, 20), (1, 0), (2, 0)]);
        for _ in 0..new {
            reads.push_back((count, client.call("count", &[(); 0])));
            read += settle(&mut reads, outstanding);
        }
        while let Some((_, what)) = kills.next_if(|&(at, _)| at <= count) {
            system.kill(what);
        }
    }
    read += settle(&mut reads, 0);
    client.flush(DEADLINE).unwrap();
    assert!(read > CALLS / 2, "only {read} reads were answered");
    system.kill(Kill::Server);
    let count = client.call::<_, u64>("count", &[(); 0]).get_timeout(DEADLINE);
    assert_eq!(count, Ok(Some(CALLS)));
    assert!(system.server.terminate().success());
}

/// Waits for reads until `outstanding` are left; returns the number of answers.
fn settle(reads: &mut VecDeque<(u64, RemoteFuture<u64>)>, outstanding: usize) -> u64 {
    let mut answered = 0;
    while reads.len() > outstanding {
        let Some((expect, future)) = reads.pop_front() else {
            break;
        };
        match future.get_timeout(DEADLINE) {
            Ok(Some(got)) => assert_eq!(got, expect, "a call was lost or ran twice"),
            Err(RemoteError::Call(CallError::ResultExpired)) => continue,
            other => panic!("read behind call {expect}: {other:?}"),
        }
        answered += 1;
    }
    answered
}

#[test]
fn reads_through_redis() {
    reads_among_calls_see_what_was_called_before_them(Broker::redis(), OF_REDIS);
}

#[test]
fn reads_through_the_embedded_broker() {
    reads_among_calls_see_what_was_called_before_them(Broker::Embedded, OF_EMBEDDED);
}

const OF_REDIS: &[Kill] = &[Kill::Server, Kill::ServerTwice, Kill::Redis, Kill::Both];
const OF_EMBEDDED: &[Kill] = &[Kill::Server, Kill::ServerTwice];

#[test]
fn through_redis() {
    every_future_ends_and_every_call_counts_once(Broker::redis(), MANY, OF_REDIS);
}

#[test]
fn through_the_embedded_broker() {
    every_future_ends_and_every_call_counts_once(Broker::Embedded, MANY, OF_EMBEDDED);
}

#[test]
fn one_at_a_time_through_redis() {
    every_future_ends_and_every_call_counts_once(Broker::redis(), ONE_AT_A_TIME, OF_REDIS);
}

#[test]
fn one_at_a_time_through_the_embedded_broker() {
    every_future_ends_and_every_call_counts_once(Broker::Embedded, ONE_AT_A_TIME, OF_EMBEDDED);
}
