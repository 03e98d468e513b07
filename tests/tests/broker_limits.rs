//! A broker that refuses a frame for good costs that frame, and nothing behind it.

use remotecall::{Client, NotQueued, RemoteCall, RemoteError, remote};
use tensorplex::Writer;
use tensorplex::records::{Array, Image};
use tensorplex_tests::{Broker, DEADLINE, RedisServer, TestServer, summary};

struct Sizes(Vec<usize>);

#[remote]
impl Sizes {
    pub fn put(&mut self, bytes: &[u8]) {
        self.0.push(bytes.len());
    }

    pub fn sizes(&self) -> Vec<usize> {
        self.0.clone()
    }
}

/// `length` bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let scrambled = |at: u64| at.wrapping_mul(at | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..length as u64).map(|at| (scrambled(at) >> 56) as u8).collect()
}

#[test]
fn a_large_picture_arrives_in_pieces_that_the_broker_takes() {
    let broker = Broker::Redis(RedisServer::start_with(&["--proto-max-bulk-len", "1mb"]));
    let mut server = TestServer::start(&broker);
    let writer = Writer::connect(server.address(), "agent/1").unwrap();
    // Before and behind a picture of 3 MB.
    writer.scalar("loss", 0.5, 1);
    let pixels = Array::new(&[1000, 1000, 3], noise(1000 * 1000 * 3)).unwrap();
    writer.add(Image::new("noise", pixels, "HWC").unwrap(), 1);
    writer.scalar("loss", 0.5, 2);
    writer.flush(DEADLINE).unwrap();
    server.stop();
    let run = &summary(server.logdir()).rust["agent/1"];
    assert_eq!((run["loss"].count, run["noise"].count), (2, 1));
}

#[test]
fn a_frame_longer_than_the_broker_takes_is_given_up_and_counted() {
    let redis = RedisServer::start_with(&["--proto-max-bulk-len", "1mb"]);
    let server = RemoteCall::new(Sizes(Vec::new()))
        .queue("q")
        .has_return_value(true)
        .start(&redis.address())
        .unwrap();
    let client = Client::connect(&redis.address(), "q", "c").unwrap();
    let sizes = SizesClient::new(client.clone());
    let (before, long, after) = (sizes.put(&[1]), sizes.put(&noise(3 << 20)), sizes.put(&[1, 2]));
    assert_eq!(after.get_timeout(DEADLINE), Ok(Some(())));
    assert_eq!(before.get_timeout(DEADLINE), Ok(Some(())));
    match long.get_timeout(DEADLINE) {
        Err(RemoteError::NotQueued(NotQueued::Refused { why })) => {
            assert!(
                why.contains("invalid bulk length") && why.contains("proto-max-bulk-len"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
    let lost = client.flush(DEADLINE).unwrap_err();
    assert_eq!((lost.outstanding, lost.dropped, lost.refused), (0, 1, 0));
    assert_eq!(client.flush(DEADLINE), Ok(()), "a loss is reported once");
    assert_eq!(client.stats().dropped.refused, 1);
    assert_eq!(sizes.sizes().get(), Ok(vec![1, 2]));
    drop(server);
}
