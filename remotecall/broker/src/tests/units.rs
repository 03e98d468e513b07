//! Units: streams, the store with its clock, framing and the input buffer.

use std::sync::Arc;

use bytes::Bytes;

use super::encode;
use crate::framing::{Extent, Framing, Limits};
use crate::input::Input;
use crate::store::Store;
use crate::stream::{Bound, NewId, Stream, Trim};
use crate::stream_id::StreamId;
use crate::value::{Hash, Typed, Value};

fn fields() -> Arc<[Bytes]> {
    Arc::from([Bytes::from_static(b"f"), Bytes::from_static(b"v")])
}

#[test]
fn ids_grow_while_the_clock_stands_still_or_steps_back() {
    let mut stream = Stream::default();
    let ids: Vec<String> = [100, 100, 40, 0, 101, 100]
        .map(|clock| stream.append(NewId::Clock, clock, fields()).unwrap().to_string())
        .into();
    assert_eq!(ids, ["100-0", "100-1", "100-2", "100-3", "101-0", "101-1"]);
}

#[test]
fn an_emptied_stream_keeps_its_last_id() {
    let mut stream = Stream::default();
    stream.append(NewId::Clock, 100, fields()).unwrap();
    stream.trim(Trim {
        bound: Bound::MaxLen(0),
        limit: None,
    });
    assert_eq!((stream.len(), stream.cost()), (0, 0));
    let id = stream.append(NewId::Clock, 50, fields()).unwrap();
    assert_eq!(id, StreamId { ms: 100, seq: 1 });
}

#[test]
fn trimming_stops_at_its_limit() {
    let mut stream = Stream::default();
    (1..=5).for_each(|clock| drop(stream.append(NewId::Clock, clock, fields())));
    let bound = Bound::MinId(StreamId { ms: 5, seq: 0 });
    assert_eq!(
        stream.trim(Trim {
            bound,
            limit: Some(3)
        }),
        3
    );
    assert_eq!(
        stream.trim(Trim {
            bound,
            limit: Some(3)
        }),
        1
    );
}

#[test]
fn keys_expire_at_their_deadline_and_free_their_memory() {
    let mut store = Store::new(1 << 20);
    store.insert(b"a", Value::Text(Bytes::from_static(b"text")), Some(10));
    store.insert(b"h", Hash::empty(), None);
    store
        .edit(b"h", |hash: &mut Hash| {
            hash.set(Bytes::from_static(b"f"), Bytes::from_static(b"v"))
        })
        .unwrap();
    assert!(store.expire_in(b"h", 5) && store.expire_in(b"h", 20));
    store.advance(9);
    assert_eq!((store.len(), store.lifetime(b"a")), (2, Some(Some(1))));
    store.advance(10);
    assert_eq!((store.len(), store.lifetime(b"a")), (1, None));
    // An earlier time changes nothing.
    store.advance(3);
    assert_eq!(store.lifetime(b"h"), Some(Some(10)));
    store.advance(20);
    assert_eq!((store.len(), store.used()), (0, 0));
}

#[test]
fn a_new_value_has_no_deadline() {
    let mut store = Store::new(1 << 20);
    store.insert(b"a", Value::Text(Bytes::new()), Some(10));
    store.insert(b"a", Value::Text(Bytes::new()), None);
    store.advance(11);
    assert_eq!(store.lifetime(b"a"), Some(None));
}

#[test]
fn size_in_memory_returns_to_zero() {
    let mut store = Store::new(1 << 20);
    store.insert(b"h", Hash::empty(), None);
    for value in ["long value", "v", "longer value"] {
        store
            .edit(b"h", |hash: &mut Hash| hash.set("field".into(), value.into()))
            .unwrap();
    }
    store.insert(b"s", Stream::empty(), None);
    store
        .edit(b"s", |stream: &mut Stream| {
            (1..=3).for_each(|clock| drop(stream.append(NewId::Clock, clock, fields())));
            assert!(stream.delete(StreamId { ms: 2, seq: 0 }));
        })
        .unwrap();
    assert!(store.remove(b"s"));
    store.edit(b"h", |hash: &mut Hash| hash.remove(b"field")).unwrap();
    assert_eq!((store.len(), store.used()), (0, 0));
}

#[test]
fn a_command_is_framed_the_same_in_any_pieces() {
    let command = encode(&[b"XADD", b"s", b"*", b"", b"a\r\nb"]);
    for cut in 0..command.len() {
        let mut framing = Framing::default();
        let (first, whole) = (&command[..cut], &command[..]);
        assert_eq!(
            framing.scan(first, Limits::AUTHENTICATED),
            Ok(None),
            "cut at {cut}"
        );
        let extent = framing.scan(whole, Limits::AUTHENTICATED);
        assert_eq!(extent, Ok(Some(Extent::Command(command.len()))), "cut at {cut}");
    }
}

#[test]
fn a_claimed_length_allocates_nothing() {
    let mut input = Input::default();
    input
        .fill(&mut &b"*2\r\n$3\r\nGET\r\n$33554432\r\nx"[..])
        .unwrap();
    assert!(input.next(Limits::AUTHENTICATED).unwrap().is_none());
    input.fill(&mut &b"yz"[..]).unwrap();
    assert!(input.size() <= 512 << 10, "{}", input.size());
}

#[test]
fn the_buffer_of_a_large_command_is_freed() {
    let mut input = Input::default();
    let command = encode(&[b"ECHO", &vec![b'x'; 4 << 20]]);
    let mut source = &command[..];
    let words = loop {
        input.fill(&mut source).unwrap();
        if let Some(args) = input.next(Limits::AUTHENTICATED).unwrap() {
            break args.len();
        }
    };
    assert_eq!((words, source.len()), (2, 0));
    assert!(input.size() < 9 << 20, "{}", input.size());
    input.fill(&mut &b"*"[..]).unwrap();
    assert!(input.size() <= 512 << 10, "{}", input.size());
}
