//! Thousands of client ids under a small limit on open files.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use remotecall::{Client, ClientOptions, WhenFull};
use tensorplex::tfevents::RecordReader;
use tensorplex::tfevents::messages::{Datum, Event, EventPayload};
use tensorplex_tests::{Broker, DEADLINE, TestServer};

const IDS: usize = 5_000;
const ROUNDS: i64 = 3;

/// Steps and values of a file, by the record reader.
fn scalars(path: &Path) -> Vec<(i64, f32)> {
    let mut reader = RecordReader::new(File::open(path).unwrap());
    let mut points = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let event = Event::decode(record.as_slice()).unwrap();
        if let Some(EventPayload::Summary(summary)) = event.what {
            for value in summary.value {
                if let Some(Datum::SimpleValue(value)) = value.value {
                    points.push((event.step, value));
                }
            }
        }
    }
    points
}

/// Checks that every id has one event file with every point of its client.
fn five_thousand_ids(broker: &Broker) {
    let mut server = TestServer::start_with(broker, &[], Some(256));
    let options = ClientOptions {
        when_full: WhenFull::Block(DEADLINE),
        ..Default::default()
    };
    let client = Client::connect_with(server.address(), "tensorplex", "agent/0", options).unwrap();
    for step in 0..ROUNDS {
        for n in 0..IDS {
            let client = client.with_client_id(&format!("agent/{n}")).unwrap();
            client.send("add_scalar", &("value", n as f64, Some(step)));
        }
        client.flush(4 * DEADLINE).unwrap();
        if step == 0 {
            server.kill_and_restart();
        }
    }
    client.close(Duration::ZERO).unwrap();
    server.stop();
    for n in 0..IDS {
        let run = server.logdir().join(format!("agent/{n}"));
        let files: Vec<_> = std::fs::read_dir(&run)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let points = scalars(&files[0]);
        assert_eq!(
            points,
            (0..ROUNDS).map(|step| (step, n as f32)).collect::<Vec<_>>(),
            "{run:?}"
        );
    }
}

#[test]
fn five_thousand_ids_with_256_files_through_redis() {
    five_thousand_ids(&Broker::redis());
}

#[test]
fn five_thousand_ids_with_256_files_through_the_embedded_broker() {
    five_thousand_ids(&Broker::Embedded);
}
