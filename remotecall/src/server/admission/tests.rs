use std::sync::Mutex;

use proptest::prelude::*;

use super::dispatch::{MAX_READ_REPLIES, MAX_READ_TIME};
use super::*;
use crate::server::object::JournalOnly;
use crate::{Args, CallContext, CallError, Remote};
use remotecall_wire::{ASK, ReplyError, ReplyValue};
use remotecall_wire::{FrameBuilder, NewCall, ReplyMode};

/// Remembers what was called, and misbehaves on request.
#[derive(Default)]
struct Recorder(Vec<(String, i64)>, usize);

impl Remote for Recorder {
    fn method(&self, name: &str) -> Option<usize> {
        ["log", "panic", "count"].iter().position(|known| *known == name)
    }

    fn is_read(&self, method: usize) -> bool {
        method == 2
    }

    fn set_client_id(&mut self, _id: &ClientId) {
        self.1 += 1;
    }

    fn call(
        &mut self,
        cx: &CallContext<'_>,
        method: usize,
        args: &Args<'_>,
        result: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        assert_ne!(method, 1, "as requested");
        if method != 2 {
            self.0.push((cx.client_id.to_string(), args.required(0, "n")?));
        }
        rmp_serde::encode::write(result, &self.0.len()).map_err(|error| CallError::raised(&error))
    }
}

const PRODUCER: ProducerId = ProducerId([1; 16]);

fn admission() -> Admission {
    Admission::new(
        Box::new(JournalOnly(Recorder::default())),
        Arc::new(Stats::default()),
        true,
        true,
    )
}

fn frame(seq: u64, calls: &[(&str, &str, ReplyMode)]) -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    for (n, (client, method, reply)) in calls.iter().enumerate() {
        let args = rmp_serde::to_vec(&(n,)).unwrap();
        builder.append(
            &NewCall {
                method,
                client,
                reply: *reply,
                time_ns: 0,
                deadline_ms: None,
                has_named: false,
            },
            &args,
        );
    }
    builder.close().seal(PRODUCER, seq)
}

fn one(seq: u64) -> Vec<u8> {
    frame(seq, &[("a", "log", ReplyMode::Nothing)])
}

#[track_caller]
fn check(admission: &mut Admission, acked: u64, seq: u64, expect: Verdict) {
    assert_eq!(
        admission.admit(acked, 0, &one(seq)).0,
        expect,
        "frame {seq}, acked {acked}"
    );
}

#[test]
fn frames_count_in_order_and_once() {
    let mut admission = admission();
    check(&mut admission, 0, 2, Verdict::Gap);
    check(&mut admission, 0, 1, Verdict::Accepted);
    check(&mut admission, 0, 1, Verdict::Duplicate);
    check(&mut admission, 0, 3, Verdict::Gap);
    check(&mut admission, 0, 2, Verdict::Accepted);
    check(&mut admission, 1, 3, Verdict::Accepted);
    check(&mut admission, 0, 1, Verdict::Duplicate);
}

#[test]
fn a_producer_acked_elsewhere_goes_on_here() {
    let mut admission = admission();
    check(&mut admission, 7, 9, Verdict::Gap);
    check(&mut admission, 7, 7, Verdict::Duplicate);
    check(&mut admission, 7, 8, Verdict::Accepted);
    check(&mut admission, 7, 9, Verdict::Accepted);
    check(&mut admission, u64::MAX, 10, Verdict::Duplicate);
}

#[test]
fn garbage_moves_nothing() {
    let mut admission = admission();
    let mut damaged = one(1);
    damaged[50] ^= 1;
    for bytes in [&b""[..], b"garbage", &damaged, &[0; 1000]] {
        assert_eq!(admission.admit(0, 0, bytes).0, Verdict::Garbage);
    }
    check(&mut admission, 0, 1, Verdict::Accepted);
    let refused = admission.stats.snapshot().refused;
    assert_eq!(refused["not a frame"], 3);
    assert_eq!(refused["frame with a wrong checksum"], 1);
}

#[test]
fn every_call_that_wants_an_answer_gets_one() {
    let mut admission = admission();
    let result = ReplyMode::Result;
    let calls = [
        ("a", "log", result),
        ("a", "panic", result),
        ("a", "nothing", result),
        ("../a", "log", result),
        ("a", "log", ReplyMode::Nothing),
        ("a", "log", ReplyMode::ErrorOnly),
        ("a", "nothing", ReplyMode::ErrorOnly),
    ];
    admission.apply(&frame(1, &calls), 0);
    let entry = admission.outbox.entries()[0].1.clone();
    let answers: Vec<_> = remotecall_wire::Replies::new(&entry)
        .map(|reply| (reply.index, reply.outcome().map_err(|error| error.to_string())))
        .collect();
    assert_eq!(answers.len(), 5);
    assert_eq!(answers[0], (0, Ok(vec![1])));
    let says = |n: usize, text: &str| {
        let error = answers[n].1.as_ref().unwrap_err();
        assert!(error.contains(text), "{error}");
    };
    says(1, "as requested");
    says(2, "unknown method \"nothing\"");
    says(3, "\"../a\"");
    assert_eq!(answers[4].0, 6);
    assert_eq!(admission.stats.snapshot().calls, 7);
}

#[test]
fn a_server_without_return_values_says_so_and_runs_nothing() {
    let mut admission = Admission::new(
        Box::new(JournalOnly(Recorder::default())),
        Arc::new(Stats::default()),
        true,
        false,
    );
    admission.apply(
        &frame(
            1,
            &[("a", "log", ReplyMode::Result), ("a", "log", ReplyMode::Nothing)],
        ),
        0,
    );
    let entry = &admission.outbox.entries()[0].1;
    let answer = remotecall_wire::Replies::new(entry)
        .next()
        .unwrap()
        .outcome()
        .unwrap_err();
    assert!(answer.to_string().contains("does not return values"), "{answer}");
    assert_eq!(admission.stats.snapshot().refused["return value wanted"], 1);
}

#[test]
fn a_lost_result_is_found_again_and_an_unknown_one_is_said_to_be_gone() {
    let mut admission = admission();
    admission.apply(&frame(1, &[("a", "log", ReplyMode::Result)]), 0);
    admission.outbox.clear();
    let mut builder = FrameBuilder::default();
    let args = rmp_serde::to_vec(&([(1u64, 0u32), (5, 5)],)).unwrap();
    builder.append(
        &NewCall {
            method: ASK,
            client: "remotecall",
            reply: ReplyMode::Nothing,
            time_ns: 0,
            deadline_ms: None,
            has_named: false,
        },
        &args,
    );
    admission.apply(&builder.close().seal(PRODUCER, 2), 0);
    let entry = &admission.outbox.entries()[0].1;
    let answers: Vec<_> = remotecall_wire::Replies::new(entry)
        .map(|reply| reply.outcome())
        .collect();
    assert_eq!(answers[0], Ok(vec![1]));
    assert!(
        answers[1]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("no longer kept")
    );
}

#[test]
fn a_frame_with_a_broken_body_counts_and_does_nothing() {
    let mut bytes = one(1);
    let end = bytes.len() - 4;
    bytes[end - 1] = 0xff;
    bytes[45] = 0x7f;
    let crc = crc32c::crc32c(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    let mut admission = admission();
    assert_eq!(admission.admit(0, 0, &bytes).0, Verdict::Accepted);
    admission.apply(&bytes, 0);
    assert_eq!(admission.stats.snapshot().refused["unreadable frame body"], 1);
    check(&mut admission, 0, 2, Verdict::Accepted);
}

#[test]
fn a_call_whose_deadline_has_passed_is_not_run() {
    let mut builder = FrameBuilder::default();
    for (made_ms, deadline_ms) in [(100, Some(5)), (100, Some(6)), (101, Some(5)), (0, None)] {
        let args = rmp_serde::to_vec(&(made_ms,)).unwrap();
        builder.append(
            &NewCall {
                method: "log",
                client: "a",
                reply: ReplyMode::Result,
                time_ns: made_ms * 1_000_000,
                deadline_ms,
                has_named: false,
            },
            &args,
        );
    }
    let bytes = builder.close().seal(PRODUCER, 1);
    let mut admission = admission();
    admission.apply(&bytes, 106);
    let entry = admission.outbox.entries()[0].1.clone();
    let answers: Vec<_> = remotecall_wire::Replies::new(&entry)
        .map(|reply| reply.outcome().map_err(|error| error.to_string()))
        .collect();
    assert_eq!(answers[1..], [Ok(vec![1]), Ok(vec![2]), Ok(vec![3])]);
    assert_eq!(
        answers[0],
        Err(
            "the call was not run: its turn came 6 ms after it was made, and its deadline was 5 ms"
                .to_owned()
        )
    );
    assert_eq!(admission.stats.snapshot().refused["deadline exceeded"], 1);
}

#[test]
fn what_producers_dropped_is_counted_once() {
    let mut admission = admission();
    let other = ProducerId([2; 16]);
    for (producer, count, sum) in [
        (PRODUCER, 0, 0),
        (PRODUCER, 3, 3),
        (PRODUCER, 3, 3),
        (other, 2, 5),
        (PRODUCER, 4, 6),
        // An entry from before came again.
        (PRODUCER, 3, 6),
    ] {
        admission.record_dropped(producer, count);
        assert_eq!(admission.stats.snapshot().dropped, sum);
    }
}

/// Results of a admission's last round, by index.
fn results(admission: &mut Admission) -> Vec<(u32, Result<Vec<u8>, ReplyError>)> {
    let entries = admission.outbox.entries().iter();
    let replies = entries.flat_map(|(_, entry)| remotecall_wire::Replies::new(entry));
    let results = replies.map(|reply| (reply.index, reply.outcome())).collect();
    admission.end_round();
    results
}

#[test]
fn only_frames_that_do_nothing_but_read_stay_out_of_the_journal() {
    let mut admission = admission();
    let mut check = |calls: &[(&str, &str, ReplyMode)], expect| {
        assert_eq!(admission.is_read_only(&frame(1, calls)), expect, "{calls:?}");
    };
    let (read, write) = (
        ("a", "count", ReplyMode::Result),
        ("a", "log", ReplyMode::Nothing),
    );
    check(&[read, read], true);
    check(&[read, write], false);
    check(&[write], false);
    check(&[read, ("a", "nothing", ReplyMode::Result)], false);
    check(&[("a", ASK, ReplyMode::Nothing)], false);
    check(&[], false);
    check(&vec![read; MAX_READS_FRAME], false);
    assert!(!admission.is_read_only(b"garbage"));
}

#[test]
fn what_reads_runs_in_its_turn_and_neither_again_nor_for_keeps() {
    let calls = [
        ("a", "log", ReplyMode::Result),
        ("b", "count", ReplyMode::Result),
        ("a", "log", ReplyMode::Nothing),
        ("b", "count", ReplyMode::Result),
    ];
    let bytes = frame(1, &calls);
    let mut admission = admission();
    admission.apply(&bytes, 0);
    let expect = [(0, Ok(vec![1])), (1, Ok(vec![1])), (3, Ok(vec![2]))];
    assert_eq!(results(&mut admission), expect);
    let key = |index| (PRODUCER, 1, index);
    assert!(admission.reply_cache.get(&key(0)).is_some() && admission.reply_cache.get(&key(1)).is_none());
    assert_eq!(admission.stats.snapshot().clients, 1, "b has only looked");

    admission.replay(&bytes, 0);
    assert_eq!(results(&mut admission), [(0, Ok(vec![3]))]);
}

#[test]
fn a_round_of_reads_costs_bounded_memory_and_time() {
    let mut admission = admission();
    let calls = frame(
        2,
        &[("a", "count", ReplyMode::Result), ("a", "log", ReplyMode::Result)],
    );
    let expired = || Err(ReplyError::Call(CallError::ResultExpired));
    let large = ReplyValue::result(vec![0; MAX_READ_REPLIES]);
    admission.outbox.push(PRODUCER, 1, 0, &large);
    admission.apply(&calls, 0);
    assert_eq!(results(&mut admission)[1..], [(0, expired()), (1, Ok(vec![1]))]);
    admission.read_time = MAX_READ_TIME;
    admission.apply(&calls, 0);
    assert_eq!(results(&mut admission), [(0, expired()), (1, Ok(vec![2]))]);
    admission.apply(&calls, 0);
    assert_eq!(results(&mut admission)[0], (0, Ok(vec![2])), "the next round");
}

/// The numbers of frames that were not journaled are missing at the replay.
#[test]
fn a_frame_behind_reads_is_found_again_by_a_replay() {
    let mut admission = admission();
    for seq in 1..=3 {
        check(&mut admission, 0, seq, Verdict::Accepted);
    }
    let before = admission.number_before(PRODUCER);
    assert_eq!(before, 2);
    let mut replay = self::admission();
    check(&mut replay, before, 3, Verdict::Accepted);
    check(&mut replay, before, 3, Verdict::Duplicate);
}

/// Remembers everything that happens to it; panics at every seventh number.
struct Witness(Arc<Mutex<Vec<String>>>);

impl Remote for Witness {
    fn method(&self, name: &str) -> Option<usize> {
        ["log", "look"].iter().position(|known| *known == name)
    }

    fn is_read(&self, method: usize) -> bool {
        method == 1
    }

    fn set_client_id(&mut self, id: &ClientId) {
        self.0.lock().unwrap().push(format!("set {id}"));
    }

    fn call(
        &mut self,
        cx: &CallContext<'_>,
        _method: usize,
        args: &Args<'_>,
        result: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        let n: i64 = args.required(0, "n")?;
        self.0
            .lock()
            .unwrap()
            .push(format!("{} at {}: {n}", cx.client_id, cx.time_ns));
        if n % 7 == 0 {
            std::panic::resume_unwind(Box::new("as requested"));
        }
        if n == 5 {
            result.resize(remotecall_wire::MAX_RESULT + 1, 0);
        }
        Ok(())
    }
}

proptest! {
    /// Calls of which only errors are told never stand in a block.
    #[test]
    fn calls_in_a_block_do_what_each_would_do_alone(
        calls in prop::collection::vec(
            (prop::sample::select(vec!["a", "a", "a", "b", "../c"]), prop::sample::select(vec!["log", "log", "log", "look", "nothing"]), -20..20i64),
            1..80,
        ),
        again in any::<bool>(),
        has_client_id in any::<bool>(),
    ) {
        let run = |reply| {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let host = Box::new(JournalOnly(Witness(seen.clone())));
            let mut admission = Admission::new(host, Arc::new(Stats::default()), has_client_id, true);
            admission.max_read_time = Duration::MAX;
            let mut builder = FrameBuilder::default();
            for (number, &(client, method, n)) in (0..).zip(&calls) {
                // Some of another kind, so that blocks end.
                let args = match n {
                    11.. => rmp_serde::to_vec(&("text",)).unwrap(),
                    n => rmp_serde::to_vec(&(n,)).unwrap(),
                };
                let time_ns = number;
                builder.append(&NewCall { method, client, reply, time_ns, deadline_ms: None, has_named: false }, &args);
            }
            let frame = builder.close().seal(PRODUCER, 1);
            match again {
                true => admission.replay(&frame, 0),
                false => admission.apply(&frame, 0),
            }
            let seen = std::mem::take(&mut *seen.lock().unwrap());
            (seen, admission.stats.snapshot())
        };
        prop_assert_eq!(run(ReplyMode::Nothing), run(ReplyMode::ErrorOnly));
    }
}
