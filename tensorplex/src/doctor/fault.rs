//! Faults of a run.

use std::fmt;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The last record is unfinished.
    TornTail,
    /// An unfinished record, and others behind it.
    TornInside,
    /// Zeros where records should be.
    Zeros,
    /// Bytes that are no records.
    Garbage,
    /// A record that does not match its checksum.
    Flipped,
    /// A record of more than 64 MiB.
    TooLong,
    /// A record, or a value, that is no event.
    NoEvent,
    /// A wall time that is not a finite number.
    BadTime,
    /// No `brain.Event:2` at the beginning.
    NoVersion,
    /// A tag whose values change their kind.
    KindClash,
    /// A tag whose first value does not say what it is.
    LostMetadata,
    /// A tag of which no value says what it is.
    NoMetadata,
    /// A scalar that is not one 32-bit float.
    OddScalar,
    /// A picture or a sound without a shape.
    NoShape,
    /// A tensor without a data class, of a plugin that readers do not know.
    NoClass,
    /// A value in an old form that names a data class.
    OldFormWithClass,
    /// A number in the old form with a name or a description for people.
    LostWords,
    /// Several files that grew at the same time.
    TwoWriters,
    /// A later file that has an earlier name.
    FileOrder,
    /// A later file goes on from an earlier step, and the first has no START.
    RestartNotSeen,
    /// Steps that were there are logged again.
    StepsGoBack,
    /// All values of a tag have the same step.
    SameStep,
}

/// A fault that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Description of the fault.
    pub fault: Fault,
    /// The run.
    pub run: String,
    /// The file, or a tag, where it was seen first.
    pub first: String,
    /// Number of occurrences.
    pub count: u64,
}

impl Fault {
    /// A name for scripts, what it means, and what mending does.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::TornTail => (
                "torn-tail",
                "the last record is unfinished: its writer is at work or was killed, and what another one appends is lost",
                "cut off",
            ),
            Self::TornInside => (
                "torn-inside",
                "an unfinished record with others behind it: both readers stop there for good",
                "left out, and what is behind it is kept",
            ),
            Self::Zeros => (
                "zeros",
                "zeros where records should be: both readers stop there",
                "left out, and what is behind them is kept",
            ),
            Self::Garbage => (
                "garbage",
                "bytes that are no records: both readers stop there",
                "left out, and what is behind them is kept",
            ),
            Self::Flipped => (
                "bad-checksum",
                "a record that does not match its checksum: the Python loader stops there",
                "left out",
            ),
            Self::TooLong => (
                "too-long",
                "a record of more than 64 MiB, which is not looked at",
                "left out",
            ),
            Self::NoEvent => ("no-event", "a record or a value that is no event", "left out"),
            Self::BadTime => (
                "bad-time",
                "a wall time that is no finite number: the data server gives the file up, or the event",
                "the time of the event before",
            ),
            Self::NoVersion => (
                "no-version",
                "no brain.Event:2 at the beginning: the Python loader drops points whenever a step goes back",
                "begins with it",
            ),
            Self::KindClash => (
                "kind-clash",
                "a tag whose values change their kind: the data server drops them, the Python loader breaks",
                "the odd ones go into a tag of their own, TAG_KIND",
            ),
            Self::LostMetadata => (
                "lost-metadata",
                "a tag whose first value does not say what it is: the data server loses the whole tag",
                "said in the first value",
            ),
            Self::NoMetadata => (
                "no-metadata",
                "a tag of which no value says what it is: the data server does not show it",
                "stays as it is",
            ),
            Self::OddScalar => (
                "odd-scalar",
                "a scalar that is not one 32-bit float: the data server drops it",
                "becomes one; export keeps all its digits",
            ),
            Self::NoShape => (
                "no-shape",
                "a picture or a sound without a shape: the data server drops it",
                "gets one",
            ),
            Self::NoClass => (
                "no-class",
                "a tensor without a data class of a plugin that readers do not know: the data server drops it",
                "becomes a tensor of that plugin",
            ),
            Self::OldFormWithClass => (
                "old-form-with-class",
                "a value in an old form that names a data class: the data server drops it",
                "loses the class, which readers make up",
            ),
            Self::LostWords => (
                "lost-words",
                "a number in the old form with a name or a description: the data server loses them",
                "becomes a tensor, which keeps them",
            ),
            Self::TwoWriters => (
                "two-writers",
                "files that grew at the same time: the Python loader follows the last one only",
                "files with the same tags become runs of their own, RUN-2 and so on",
            ),
            Self::FileOrder => (
                "file-order",
                "an older file with a later name: readers take it for the newer one",
                "in the order of their times",
            ),
            Self::RestartNotSeen => (
                "restart-not-seen",
                "a file goes on from an earlier step, and the first one has no START: the Python loader keeps the old points",
                "they are left out",
            ),
            Self::StepsGoBack => (
                "steps-go-back",
                "steps that were there are logged again: the data server drops the old points, the Python loader shows both",
                "the old ones are left out",
            ),
            Self::SameStep => (
                "same-step",
                "all values of a tag have one step: the data server shows the last one only",
                "they are numbered from that step on",
            ),
        }
    }

    /// Its name in the output for scripts.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Action that a repair takes.
    pub fn remedy(self) -> &'static str {
        self.words().2
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}
