use super::*;
use remotecall_wire::ProducerId;

struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn open(&self) -> Result<(Vec<u8>, Vec<String>, Journal), JournalError> {
        let (mut recovery, checkpoint) = Recovery::open(self.dir())?;
        let mut seen = Vec::new();
        recovery.replay(|it| {
            assert_eq!(it.clock_ms, CLOCK);
            seen.push(format!("{}:{}", it.acked, String::from_utf8_lossy(it.frame)));
        })?;
        Ok((checkpoint.object, seen, recovery.finish()?))
    }

    fn segment(&self, number: u64) -> PathBuf {
        segment_path(self.dir(), number)
    }
}

/// A sender's clock in milliseconds.
const CLOCK: u64 = 1 << 41;

fn accepted(acked: u64, frame: &[u8]) -> Accepted {
    Accepted {
        acked,
        clock_ms: CLOCK,
        is_read_only: false,
        frame: frame.to_vec(),
    }
}

fn append(journal: &mut Journal, frames: &[&str]) {
    let frames: Vec<_> = frames.iter().map(|frame| accepted(7, frame.as_bytes())).collect();
    assert_eq!(journal.append(&frames).unwrap(), frames.len());
}

#[test]
fn frames_that_only_read_leave_nothing_in_the_journal() {
    let disk = Disk::new();
    let (_, _, mut journal) = disk.open().unwrap();
    let read = || Accepted {
        is_read_only: true,
        ..accepted(7, b"read")
    };
    assert_eq!(journal.append(&[read(), read()]).unwrap(), 2);
    assert!(journal.is_clean());
    assert_eq!(
        journal.append(&[read(), accepted(7, b"write"), read()]).unwrap(),
        3
    );
    drop(journal);
    assert_eq!(disk.open().unwrap().1, ["7:write"]);
}

#[test]
fn a_batch_of_any_size_can_be_read_again() {
    let disk = Disk::new();
    let (_, _, mut journal) = disk.open().unwrap();
    let frames: Vec<_> = (1..=6)
        .map(|n| accepted(n, &vec![b'x'; remotecall_wire::MAX_FRAME]))
        .collect();
    let (mut left, mut records) = (&frames[..], 0);
    while !left.is_empty() {
        left = &left[journal.append(left).unwrap()..];
        records += 1;
    }
    assert_eq!(records, 3);
    drop(journal);
    let seen = disk.open().unwrap().1;
    let expect: Vec<_> = frames
        .iter()
        .map(|it| (it.acked.to_string(), it.frame.len()))
        .collect();
    let seen: Vec<_> = seen.iter().filter_map(|text| text.split_once(':')).collect();
    let seen: Vec<_> = seen
        .iter()
        .map(|(acked, frame)| ((*acked).to_owned(), frame.len()))
        .collect();
    assert_eq!(seen, expect);
}

#[test]
fn what_was_appended_is_replayed_in_order() {
    let disk = Disk::new();
    let (_, seen, mut journal) = disk.open().unwrap();
    assert!(seen.is_empty() && journal.is_clean());
    append(&mut journal, &["one", "two"]);
    append(&mut journal, &["three"]);
    drop(journal);
    let (_, seen, mut journal) = disk.open().unwrap();
    assert_eq!(seen, ["7:one", "7:two", "7:three"]);
    assert!(!journal.is_clean());
    append(&mut journal, &["four"]);
    drop(journal);
    assert_eq!(disk.open().unwrap().1, ["7:one", "7:two", "7:three", "7:four"]);
}

#[test]
fn a_checkpoint_replaces_what_led_to_it() {
    let disk = Disk::new();
    let (_, _, mut journal) = disk.open().unwrap();
    append(&mut journal, &["one"]);
    let mut producers = Producers::default();
    producers.accept(ProducerId([1; 16]), 5, CLOCK);
    journal.checkpoint(b"state".to_vec(), &producers).unwrap();
    append(&mut journal, &["two"]);
    drop(journal);
    assert!(!disk.segment(1).exists());
    let (recovery, checkpoint) = Recovery::open(disk.dir()).unwrap();
    assert_eq!(checkpoint.producers, producers);
    drop(recovery);
    let (object, seen, _) = disk.open().unwrap();
    assert_eq!(
        (object.as_slice(), seen),
        (&b"state"[..], vec!["7:two".to_owned()])
    );
}

#[test]
fn a_cut_at_any_byte_loses_only_the_batch_that_is_cut() {
    let disk = Disk::new();
    let (_, _, mut journal) = disk.open().unwrap();
    append(&mut journal, &["one"]);
    let first = journal.end as usize;
    append(&mut journal, &["two", "three"]);
    drop(journal);
    let whole = std::fs::read(disk.segment(1)).unwrap();
    for cut in 0..=whole.len() {
        std::fs::write(disk.segment(1), &whole[..cut]).unwrap();
        let (_, seen, mut journal) = disk.open().unwrap();
        let expect: &[&str] = match cut {
            _ if cut == whole.len() => &["7:one", "7:two", "7:three"],
            _ if cut >= first => &["7:one"],
            _ => &[],
        };
        assert_eq!(seen, expect, "cut at {cut}");
        append(&mut journal, &["next"]);
        drop(journal);
        let seen = disk.open().unwrap().1;
        assert_eq!(seen.last().map(String::as_str), Some("7:next"), "cut at {cut}");
        assert_eq!(seen.len(), expect.len() + 1, "cut at {cut}");
    }
}

#[test]
fn any_hole_in_the_last_batch_is_a_crash_and_any_before_it_is_damage() {
    let disk = Disk::new();
    let (_, _, mut journal) = disk.open().unwrap();
    append(&mut journal, &["one", "and a half"]);
    let first = journal.end as usize;
    append(&mut journal, &["two", "three"]);
    drop(journal);
    let whole = std::fs::read(disk.segment(1)).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(disk.segment(1), &damaged).unwrap();
        match disk.open() {
            Ok((_, seen, _)) => {
                assert!(at >= first, "damage at {at} was not noticed");
                assert_eq!(seen, ["7:one", "7:and a half"]);
            }
            Err(error) => {
                assert!(at < first, "byte {at}: {error}");
                assert_eq!(
                    std::fs::read(disk.segment(1)).unwrap(),
                    damaged,
                    "byte {at}: it was touched"
                );
            }
        }
    }
}

#[test]
fn damage_is_named_with_its_file() {
    let disk = Disk::new();
    let (_, _, mut journal) = disk.open().unwrap();
    append(&mut journal, &["one"]);
    journal
        .checkpoint(b"state".to_vec(), &Producers::default())
        .unwrap();
    drop(journal);
    let path = disk.dir().join("checkpoint");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let error = disk
            .open()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains("checkpoint"), "byte {at}: {error:?}");
    }
    std::fs::write(&path, &whole).unwrap();
    std::fs::remove_file(disk.segment(2)).unwrap();
    std::fs::write(disk.segment(3), SEGMENT_MAGIC).unwrap();
    let error = disk
        .open()
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        error.contains("00000002.rcj") && error.contains("missing"),
        "{error:?}"
    );
}

#[test]
fn a_directory_has_one_server() {
    let disk = Disk::new();
    let first = disk.open().unwrap();
    assert!(matches!(disk.open(), Err(JournalError::InUse { .. })));
    drop(first);
    assert!(disk.open().is_ok());
}

#[test]
fn settings_change_only_when_there_is_nothing_to_repeat() {
    let disk = Disk::new();
    let agree = |settings: &str| Recovery::open(disk.dir()).unwrap().0.agree_on(settings);
    agree("one").unwrap();
    agree("two").unwrap();
    let (_, _, mut journal) = disk.open().unwrap();
    append(&mut journal, &["call"]);
    drop(journal);
    agree("two").unwrap();
    let refused = agree("three").unwrap_err().to_string();
    assert!(
        refused.contains("[two]") && refused.contains("[three]"),
        "{refused}"
    );
    agree("two").unwrap();
    let (_, _, mut journal) = disk.open().unwrap();
    journal
        .checkpoint(b"state".to_vec(), &Producers::default())
        .unwrap();
    drop(journal);
    agree("three").unwrap();
}
