use std::path::Path;

use proptest::prelude::*;

use super::record::{End, Frames};
use super::*;
use remotecall_wire::{Draft, FrameBuilder, NewCall, ReplyMode};

const PRODUCER: ProducerId = ProducerId([7; 16]);

fn owner(client_id: &str) -> Owner {
    Owner {
        queue: "q".to_owned(),
        client_id: client_id.to_owned(),
        address: "host:1".to_owned(),
    }
}

fn open(root: &Path, client_id: &str) -> Opened {
    Spool::open(root, ProducerId::random().unwrap(), owner(client_id)).unwrap()
}

/// Plays the send window: writes frames of the given numbers of calls.
struct Writer {
    spool: Spool,
    producer: ProducerId,
    open: FrameBuilder,
    next: u64,
    /// Sealed frames.
    sent: Vec<Vec<u8>>,
    calls: usize,
}

impl Writer {
    fn new(opened: Opened) -> Self {
        Self {
            next: opened.rest.next(),
            producer: opened.producer,
            spool: opened.spool,
            open: FrameBuilder::default(),
            sent: Vec::new(),
            calls: 0,
        }
    }

    fn call(&mut self, argument: &[u8]) {
        let (first, before) = (self.open.count() == 0, self.open.len());
        self.calls += 1;
        let call = NewCall {
            method: if self.calls.is_multiple_of(2) {
                "even"
            } else {
                "odd"
            },
            client: "agent/1",
            reply: ReplyMode::Nothing,
            time_ns: 1_000_000 + self.calls as i64,
            deadline_ms: None,
            has_named: false,
        };
        self.open.append(&call, argument);
        let items = self.open.since(before);
        match first {
            true => self.spool.begin(self.next, call.time_ns, false, items),
            false => self.spool.more(items),
        }
    }

    fn close_frame(&mut self) -> Option<Location> {
        let location = self.spool.frame();
        let draft = self.open.close();
        self.sent.push(draft.seal(self.producer, self.next));
        self.next += 1;
        location
    }
}

/// Frames of 1, 2 and 3 calls; the last is not closed.
fn three_frames(root: &Path) -> Writer {
    let mut writer = Writer::new(open(root, "agent/1"));
    for calls in 1..=3u8 {
        (0..calls).for_each(|call| writer.call(&[0x91, call]));
        if calls < 3 {
            writer.close_frame();
        }
    }
    writer
}

fn sealed(dir: &Path, producer: ProducerId, rest: &Recovered) -> Vec<Vec<u8>> {
    let frame = |frame: &StoredFrame| load(dir, frame.location).unwrap().seal(producer, frame.seq);
    rest.frames.iter().map(frame).collect()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == "calls"))
        .collect();
    segments.sort();
    segments
}

#[test]
fn the_next_process_has_the_same_frames_and_goes_on_with_their_numbers() {
    let root = tempfile::tempdir().unwrap();
    let mut first = three_frames(root.path());
    first.close_frame();
    let (producer, sent) = (first.producer, first.sent.clone());
    drop(first);
    let second = open(root.path(), "agent/1");
    assert_eq!((second.producer, second.rest.next()), (producer, 4));
    assert_eq!(sealed(second.spool.dir(), producer, &second.rest), sent);
    let mut second = Writer::new(second);
    second.call(&[0x90]);
    second.close_frame();
    drop(second.spool);
    let third = open(root.path(), "agent/1");
    let all = [sent, second.sent].concat();
    assert_eq!(sealed(third.spool.dir(), producer, &third.rest), all);
}

#[test]
fn an_open_frame_is_delivered_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = three_frames(root.path());
    writer.close_frame();
    let sent = writer.sent.clone();
    drop(writer.spool);
    let next = open(root.path(), "agent/1");
    assert_eq!(sealed(next.spool.dir(), next.producer, &next.rest), sent);
}

#[test]
fn each_owner_has_its_own_and_a_living_one_keeps_it() {
    let root = tempfile::tempdir().unwrap();
    let mut first = Writer::new(open(root.path(), "agent/1"));
    first.call(&[0x90]);
    let other = open(root.path(), "agent/2");
    let second = open(root.path(), "agent/1");
    let producers = [first.producer, other.producer, second.producer];
    assert!(producers[0] != producers[1] && producers[0] != producers[2]);
    drop(first.spool);
    assert_eq!(open(root.path(), "agent/1").producer, producers[0]);
}

#[test]
fn wherever_a_kill_cuts_the_calls_before_it_are_there() {
    let root = tempfile::tempdir().unwrap();
    let writer = three_frames(root.path());
    let (dir, producer) = (writer.spool.dir().to_owned(), writer.producer);
    let path = segments(&dir).remove(0);
    drop(writer);
    let whole = fs::read(&path).unwrap();
    // Ends of the calls: a kill leaves each frame up to one of them.
    let mut ends = vec![HEADER];
    let mut at = HEADER;
    while at < whole.len() {
        at += 9 + u32::from_le_bytes(whole[at + 1..at + 5].try_into().unwrap()) as usize;
        ends.push(at);
    }
    assert_eq!(ends.len(), 7, "six calls");
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let opened = open(root.path(), "agent/1");
        assert_eq!(opened.producer, producer, "cut at {cut}");
        let calls = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1);
        let expected: &[usize] = [
            &[][..],
            &[1],
            &[1, 1],
            &[1, 2],
            &[1, 2, 1],
            &[1, 2, 2],
            &[1, 2, 3],
        ][calls];
        let counts: Vec<usize> = opened.rest.frames.iter().map(|frame| frame.count).collect();
        assert_eq!(counts, expected, "cut at {cut}");
        let good = ends.iter().rfind(|&&end| end <= cut).copied().unwrap_or(0);
        assert_eq!(
            (opened.rest.torn, opened.rest.damaged),
            ((cut - good) as u64, 0),
            "cut at {cut}"
        );
        // Whoever goes on does so behind what is there.
        let mut next = Writer::new(opened);
        next.call(&[0x90]);
        drop(next.spool);
        let again = open(root.path(), "agent/1");
        assert_eq!(again.rest.frames.len(), expected.len() + 1, "cut at {cut}");
        for segment in segments(&dir) {
            fs::remove_file(segment).unwrap();
        }
    }
}

#[test]
fn what_is_acknowledged_goes_segment_by_segment() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(open(root.path(), "agent/1"));
    for _ in 0..3 {
        writer.call(&vec![0; SEGMENT as usize]);
        writer.close_frame();
    }
    let dir = writer.spool.dir().to_owned();
    assert_eq!(segments(&dir).len(), 3);
    assert_eq!(writer.spool.acknowledge(0), Vec::<PathBuf>::new());
    for path in writer.spool.acknowledge(2) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(segments(&dir).len(), 1, "the last is written to");
    assert!(writer.spool.size < 2 * SEGMENT);
    drop(writer.spool);
    let rest = open(root.path(), "agent/1").rest;
    assert_eq!((rest.acked, rest.frames.len()), (2, 1));
}

#[test]
fn nothing_is_left_when_all_is_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let writer = three_frames(root.path());
    writer.spool.close(true).unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_spool_that_misses_calls_is_not_gone_on_with_until_all_is_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = three_frames(root.path());
    let producer = writer.producer;
    writer.spool.size = MAX_SPOOL;
    writer.call(&[0x90]);
    assert_eq!(writer.spool.missed(), 1);
    assert!(
        writer
            .spool
            .take_news()
            .is_some_and(|news| news.contains("used up"))
    );
    assert_eq!(writer.close_frame(), None, "not all of it is there");
    writer.spool.size = 0;
    writer.call(&[0x90]);
    writer.close_frame();
    assert_eq!((writer.spool.missed(), writer.spool.take_news()), (2, None));
    drop(writer.spool);
    let other = open(root.path(), "agent/1");
    assert_ne!(
        other.producer, producer,
        "its numbers were used by frames that are not in it"
    );

    let Some(Found::Free(directory)) = SpoolDirectory::all(root.path()).unwrap().into_iter().next() else {
        panic!("the first spool is free");
    };
    let mut opened = Spool::take_over(directory).unwrap();
    assert_eq!(opened.rest.frames.len(), 3, "what it has can be delivered");
    opened.spool.begin(9, 1, true, &[0x90]);
    assert!(
        opened
            .spool
            .take_news()
            .is_some_and(|news| news.contains("again"))
    );
    drop(opened.spool);
    drop(other.spool);
    let opened = open(root.path(), "agent/1");
    assert_eq!(
        (opened.producer, opened.rest.acked, opened.rest.next()),
        (producer, 8, 10)
    );
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let root = tempfile::tempdir().unwrap();
    let writer = three_frames(root.path());
    let (dir, producer) = (writer.spool.dir().to_owned(), writer.producer);
    let path = segments(&dir).remove(0);
    let spool = writer.spool;
    let whole = fs::read(&path).unwrap();
    let intact = sealed(&dir, producer, &Recovered::read(&spool.directory).unwrap());
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).unwrap();
        let Ok(rest) = Recovered::read(&spool.directory) else {
            continue;
        };
        assert!(rest.torn + rest.damaged > 0, "bit {bit}");
        let frames = sealed(&dir, producer, &rest);
        // The last one may have lost calls.
        let known = frames.len().saturating_sub(1);
        assert_eq!(frames[..known], intact[..known], "bit {bit}");
    }
}

#[test]
fn another_version_is_refused_with_a_reason() {
    let root = tempfile::tempdir().unwrap();
    let writer = three_frames(root.path());
    let dir = writer.spool.dir().to_owned();
    drop(writer);
    let path = dir.join("owner");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4] = 9;
    fs::write(&path, bytes).unwrap();
    let found = SpoolDirectory::all(root.path()).unwrap();
    let [Found::Refused(_, error)] = found.as_slice() else {
        panic!("it is taken");
    };
    let text = error.to_string();
    assert!(text.contains("version 9") && text.contains("version 1"), "{text}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut frames = Frames::new(bytes.as_slice(), 0, bytes.len() as u64);
        while let Some((range, draft)) = frames.next_frame().unwrap() {
            prop_assert!(range.end <= bytes.len() as u64 && draft.len() <= bytes.len());
        }
        let _ = Owner::parse(Path::new("owner"), &bytes);
    }

    /// Records that are right up to a byte somewhere.
    #[test]
    fn a_wrong_byte_is_no_harm(
        payloads in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 1..20),
        wrong in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        for (begins, payload) in &payloads {
            let kind = if *begins { Kind::Begin } else { Kind::More };
            bytes.extend_from_slice(&record::head(kind, &[], payload));
            bytes.extend_from_slice(payload);
        }
        let at = wrong.index(bytes.len());
        bytes[at] = value;
        let mut frames = Frames::new(bytes.as_slice(), 0, bytes.len() as u64);
        let mut last = 0;
        while let Some((range, _)) = frames.next_frame().unwrap() {
            prop_assert!(range.start >= last && range.end <= bytes.len() as u64);
            last = range.end;
        }
        if frames.end() == End::Whole {
            prop_assert!(last == bytes.len() as u64);
        }
    }
}

#[test]
fn a_length_is_checked_before_memory_is_taken() {
    let check = |length: u32, end: fn(u64) -> End| {
        let mut bytes = vec![1];
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[0; 20]);
        let mut frames = Frames::new(bytes.as_slice(), 0, bytes.len() as u64);
        assert!(frames.next_frame().unwrap().is_none());
        assert_eq!(frames.end(), end(bytes.len() as u64), "{length}");
    };
    check(MAX_PAYLOAD as u32, End::Torn);
    check(MAX_PAYLOAD as u32 + 1, End::Damaged);
    check(u32::MAX, End::Damaged);
}

#[test]
fn an_empty_frame_stands_for_one_that_is_lost() {
    let bytes = Draft::new(Vec::new(), 0, 0).seal(PRODUCER, 3);
    let frame = remotecall_wire::Frame::parse(&bytes).unwrap();
    assert_eq!((frame.seq, frame.count), (3, 0));
    let body = frame.body().unwrap();
    let calls = remotecall_wire::Calls::parse(&body, 0, 0).unwrap();
    assert!(calls.iter().next().is_none());
}
