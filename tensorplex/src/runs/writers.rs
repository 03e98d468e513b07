//! Processes that write a tag, so that two of them under one client id are noticed.
//!
//! ```text
//! known writer of the tag   writer now          finding
//! older process             newer, lower step   restart without `resume`, or two processes at once
//! newer process             older, still alive  two processes at once
//! ```
//!
//! "Older" is by first call. A process is still alive if it made the call after the newer one had made its first: frames
//! from the spool of a dead process are older than that. Only the log depends on all this, never a file.

use std::collections::{HashMap, VecDeque};

use remotecall::ProducerId;

/// Limit on the processes that are remembered. A forgotten one counts as new.
const MAX_WRITERS: usize = 4096;

/// Number of a process, by its first call; 0 is an unknown process.
pub(super) type WriterNumber = u64;

/// Processes that have made calls, oldest first.
#[derive(Default)]
pub(super) struct Writers {
    by_id: HashMap<ProducerId, Writer>,
    order: VecDeque<ProducerId>,
    count: WriterNumber,
    /// Process of the last call: the next one is often its own.
    last: Option<(ProducerId, WriterNumber)>,
}

struct Writer {
    number: WriterNumber,
    /// Time of its first call by its clock.
    first_ns: i64,
    /// It was warned, which happens once.
    is_warned: bool,
}

/// Last writer of a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LastWriter {
    number: WriterNumber,
    /// Highest step that it wrote.
    step: i64,
}

/// A process that writes a tag that another process wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// A newer process logs from an earlier step than the `last` of an older one.
    EarlierStep {
        /// Highest step of the older process.
        last: i64,
    },
    /// Both processes are alive.
    Alive,
}

impl LastWriter {
    /// Takes the writer of a record, and returns the one before if that is another process.
    pub fn replace(&mut self, number: WriterNumber, step: i64) -> Option<Self> {
        if number == self.number {
            self.step = self.step.max(step);
            return None;
        }
        let before = std::mem::replace(self, Self { number, step });
        (before.number != 0 && number != 0).then_some(before)
    }
}

impl Writers {
    /// Number of a process, which is new with its first call.
    pub fn number(&mut self, id: Option<ProducerId>, time_ns: i64) -> WriterNumber {
        let Some(id) = id else { return 0 };
        if let Some((last, number)) = self.last
            && last == id
        {
            return number;
        }
        let number = self.find_or_add(id, time_ns);
        self.last = Some((id, number));
        number
    }

    fn find_or_add(&mut self, id: ProducerId, time_ns: i64) -> WriterNumber {
        if let Some(writer) = self.by_id.get(&id) {
            return writer.number;
        }
        if self.order.len() >= MAX_WRITERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.count += 1;
        let writer = Writer {
            number: self.count,
            first_ns: time_ns,
            is_warned: false,
        };
        self.by_id.insert(id, writer);
        self.order.push_back(id);
        self.count
    }

    /// Judges a record of process `id` at `step`, for a tag that was last written by another process. Each process is
    /// warned once.
    pub fn judge(
        &mut self,
        id: Option<ProducerId>,
        (step, time_ns): (i64, i64),
        before: LastWriter,
    ) -> Option<Overlap> {
        let overlap = self.overlap(id?, (step, time_ns), before)?;
        let writer = self.by_id.get_mut(&id?)?;
        (!std::mem::replace(&mut writer.is_warned, true)).then_some(overlap)
    }

    fn overlap(&self, id: ProducerId, (step, time_ns): (i64, i64), before: LastWriter) -> Option<Overlap> {
        if self.by_id.get(&id)?.number > before.number {
            return (step < before.step).then_some(Overlap::EarlierStep { last: before.step });
        }
        let newer = self.order.iter().filter_map(|id| self.by_id.get(id));
        let newer = newer.rev().find(|writer| writer.number == before.number)?;
        (time_ns > newer.first_ns).then_some(Overlap::Alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<ProducerId> = Some(ProducerId([1; 16]));
    const B: Option<ProducerId> = Some(ProducerId([2; 16]));

    /// Findings of records of one tag: process, step, time.
    fn findings(records: &[(Option<ProducerId>, i64, i64)]) -> Vec<Option<Overlap>> {
        let (mut writers, mut tag) = (Writers::default(), LastWriter::default());
        let judge = |&(id, step, time): &(Option<ProducerId>, i64, i64)| {
            let number = writers.number(id, time);
            let before = tag.replace(number, step)?;
            writers.judge(id, (step, time), before)
        };
        records.iter().map(judge).collect()
    }

    #[test]
    fn a_restart_at_an_earlier_step_is_noticed_once() {
        let earlier = Some(Overlap::EarlierStep { last: 9 });
        let records = [(A, 1, 1), (A, 9, 2), (B, 5, 3), (B, 6, 4)];
        assert_eq!(findings(&records), [None, None, earlier, None]);
    }

    #[test]
    fn a_restart_that_goes_on_is_none_of_our_business() {
        assert_eq!(findings(&[(A, 9, 1), (B, 9, 2), (B, 10, 3)]), [None; 3]);
    }

    #[test]
    fn each_of_two_live_processes_is_told_once() {
        let records = [(A, 1, 1), (B, 1, 2), (A, 2, 3), (B, 2, 4), (A, 3, 5), (B, 1, 6)];
        let alive = Some(Overlap::Alive);
        let earlier = Some(Overlap::EarlierStep { last: 3 });
        assert_eq!(findings(&records), [None, None, alive, None, None, earlier]);
    }

    #[test]
    fn the_spool_of_a_dead_process_is_not_a_live_one() {
        assert_eq!(
            findings(&[(A, 1, 1), (B, 3, 10), (A, 2, 2), (B, 4, 11)]),
            [None; 4]
        );
    }

    #[test]
    fn old_processes_are_forgotten() {
        let mut writers = Writers::default();
        for index in 0..2 * MAX_WRITERS as u128 {
            writers.number(Some(ProducerId(index.to_le_bytes())), 0);
        }
        assert_eq!(
            (writers.by_id.len(), writers.order.len()),
            (MAX_WRITERS, MAX_WRITERS)
        );
    }
}
