use proptest::prelude::*;
use serde::Serialize;

use super::*;
use crate::ProducerId;
use crate::frame::{Calls, Draft, Frame, FrameBuilder, NewCall};

const START_NS: i64 = 1_790_000_000_000_000_000;

/// Argument of any kind.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Big(u64),
    Single(f32),
    Float(f64),
    Text(String),
    List(Vec<i64>),
}

#[derive(Clone, Debug)]
struct TestCall {
    method: usize,
    client: usize,
    step_ns: i64,
    reply: ReplyMode,
    deadline_ms: Option<u64>,
    has_named: bool,
    args: Vec<Value>,
}

const METHODS: [&str; 2] = ["add_scalar", "log"];
const CLIENTS: [&str; 3] = ["agent/0", "agent/1", "learner"];

fn body_of(calls: &[TestCall]) -> Vec<u8> {
    let (mut builder, mut time_ns) = (FrameBuilder::default(), START_NS);
    for call in calls {
        let mut args = rmp_serde::to_vec(&call.args).unwrap();
        if call.has_named {
            args.extend(rmp_serde::to_vec(&std::collections::BTreeMap::from([("x", 1)])).unwrap());
        }
        builder.append(
            &NewCall {
                method: METHODS[call.method],
                client: CLIENTS[call.client],
                reply: call.reply,
                time_ns,
                deadline_ms: call.deadline_ms,
                has_named: call.has_named,
            },
            &args,
        );
        time_ns = time_ns.wrapping_add(call.step_ns);
    }
    builder.close().body().to_vec()
}

/// Calls of a body as text, with all that a server decodes.
fn seen(body: &[u8], count: usize) -> Vec<String> {
    let calls = Calls::parse(body, START_NS, count).unwrap();
    let one = |call: Call<'_>| {
        let args = call.args.get().unwrap();
        let values: Vec<_> = args.positional_values().collect();
        let (method, client) = (calls.names[call.method], calls.names[call.client]);
        let head = (method, client, call.reply, call.time_ns, call.deadline_ms);
        format!("{head:?} {values:?} {:?}", args.named_values())
    };
    calls.iter().map(one).collect()
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f32>().prop_map(f64::from),
        Just(0.25)
    ]
}

fn any_int() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -2..3i64, Just(i64::MIN), Just(i64::MAX)]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any_int().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Big),
        any::<f32>().prop_map(Value::Single),
        any_float().prop_map(Value::Float),
        "(|a|loss|.{1,40}|é{20,300})".prop_map(Value::Text),
        Just(Value::List(vec![1, 2])),
    ]
}

/// Arguments, most of them of the same kinds, so that there are blocks.
fn any_args() -> impl Strategy<Value = Vec<Value>> {
    let scalar = ("[ab]{1,2}", any_float(), any_int());
    prop_oneof![
        6 => scalar.prop_map(|(tag, value, step)| vec![Value::Text(tag), Value::Float(value), Value::Int(step)]),
        1 => prop::collection::vec(any_value(), 0..6),
    ]
}

fn any_call() -> impl Strategy<Value = TestCall> {
    let reply = prop_oneof![8 => Just(ReplyMode::Nothing), 1 => Just(ReplyMode::Result), 1 => Just(ReplyMode::ErrorOnly)];
    let deadline = prop_oneof![8 => Just(None), 1 => any::<u64>().prop_map(Some)];
    let step = prop_oneof![
        any::<i64>(),
        0..100_000i64,
        (0..1000i64).prop_map(|n| n << 8),
        Just(0)
    ];
    let named = prop_oneof![9 => Just(false), 1 => Just(true)];
    (0..2usize, 0..3usize, step, reply, deadline, named, any_args()).prop_map(
        |(method, client, step_ns, reply, deadline_ms, has_named, args)| TestCall {
            method,
            client,
            step_ns,
            reply,
            deadline_ms,
            has_named,
            args,
        },
    )
}

proptest! {
    #[test]
    fn blocks_hold_the_calls_that_were_made(calls in prop::collection::vec(any_call(), 0..60)) {
        let body = body_of(&calls);
        let packed = pack(&body, START_NS).unwrap();
        prop_assert_eq!(seen(&packed, calls.len()), seen(&body, calls.len()));
        let frame = Draft::new(body.clone(), calls.len(), START_NS).seal(ProducerId([1; 16]), 1);
        let sealed = Frame::parse(&frame).unwrap();
        prop_assert_eq!(seen(&sealed.body().unwrap(), calls.len()), seen(&body, calls.len()));
    }

    #[test]
    fn any_damaged_block_is_decoded_without_a_panic(
        calls in prop::collection::vec(any_call(), 1..30), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut packed = pack(&body_of(&calls), START_NS).unwrap();
        let at = at.index(packed.len());
        packed[at] = byte;
        if let Ok(calls) = Calls::parse(&packed, START_NS, calls.len()) {
            for call in calls.iter() {
                let _ = call.args.get().map(|args| args.required::<f64>(1, "value"));
            }
        }
        packed.truncate(at);
        let _ = Calls::parse(&packed, START_NS, calls.len());
    }
}

fn scalars(count: usize) -> Vec<TestCall> {
    let scalar = |n: usize| TestCall {
        method: 0,
        client: 0,
        step_ns: 1024,
        reply: ReplyMode::Nothing,
        deadline_ms: None,
        has_named: false,
        args: vec![
            Value::Text(format!("tag/{}", n % 20)),
            Value::Float(f64::from(n as f32 * 0.1)),
            Value::Int(n as i64 / 20),
        ],
    };
    (0..count).map(scalar).collect()
}

#[test]
fn scalars_become_one_block() {
    let body = body_of(&scalars(1000));
    let packed = pack(&body, START_NS).unwrap();
    // 8 bytes for the float, 1 each for client, time, tag and step.
    assert!(packed.len() < 1000 * 12 + 300, "{}", packed.len());
}

#[test]
fn a_block_ends_before_it_is_too_long() {
    let calls = scalars(MAX_ROWS + 3);
    let body = body_of(&calls);
    let packed = pack(&body, START_NS).unwrap();
    assert_eq!(seen(&packed, calls.len()), seen(&body, calls.len()));
}

/// Body with one block, whose columns have no values.
fn block(rows: usize, kinds: &[u8]) -> Vec<u8> {
    let mut body = b"\0\x03log\0\x07agent/0\x02\0".to_vec();
    put_varint(&mut body, rows as u64);
    put_varint(&mut body, kinds.len() as u64);
    body.extend(kinds);
    body.extend(vec![1; rows]);
    body.push(0);
    body.extend(vec![0; rows]);
    body
}

#[test]
fn limits_of_a_block_hold() {
    let read = |rows, kinds: &[u8]| Calls::parse(&block(rows, kinds), 0, rows).map(drop);
    read(MAX_ROWS, &[0; 8]).unwrap();
    read(MAX_ROWS + 1, &[0; 8]).unwrap_err();
    read(1, &[0; MAX_ARGS]).unwrap();
    read(1, &[0; MAX_ARGS + 1]).unwrap_err();
    read(1, &[6]).unwrap_err();
    read(0, &[0]).unwrap_err();
    // A nil takes no bytes on the wire, but memory: the budget is enough for one such block, not
    // for two.
    let twice = [
        block(MAX_ROWS, &[0; 64]),
        block(MAX_ROWS, &[0; 64])[b"\0\x03log\0\x07agent/0".len()..].to_vec(),
    ];
    Calls::parse(&twice.concat(), 0, 2 * MAX_ROWS)
        .map(drop)
        .unwrap_err();
}

/// The fast path takes the first argument, a text, before it finds that the second has another
/// kind.
#[test]
fn a_call_that_the_fast_path_leaves_adds_no_text_to_the_block() {
    let call = |tag: &str, value: Value| TestCall {
        method: 0,
        client: 0,
        step_ns: 0,
        reply: ReplyMode::Nothing,
        deadline_ms: None,
        has_named: false,
        args: vec![Value::Text(tag.to_owned()), value],
    };
    let calls = [
        call("a", Value::Int(1)),
        call("b", Value::Int(2)),
        call("c", Value::Nil),
        call("b", Value::Nil),
    ];
    let body = body_of(&calls);
    let packed = pack(&body, START_NS).unwrap();
    assert_eq!(seen(&packed, calls.len()), seen(&body, calls.len()));
    assert_eq!(
        packed.iter().filter(|&&byte| byte == b'c').count(),
        2,
        "one is in the name of the client"
    );
}
