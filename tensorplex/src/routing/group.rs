//! One group of clients, as it is registered or written on a command line.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use remotecall::{ClientId, ClientIdError};

use crate::layout::{EVENT_FILE, LOGS};

/// Names a bin of a combined group. Must be a function of its argument alone, or a replay would not give the same files.
pub type BinName = Box<dyn Fn(&str) -> String + Send>;
/// The same, of a function that may fail; it says why. A failure must be a function of the argument too.
pub type TryBinName = Box<dyn Fn(&str) -> Result<String, String> + Send>;

/// Clients that share charts. As text: `learner` or, with eight clients per chart, `agent:8`.
pub struct Group {
    pub(super) name: String,
    pub(super) kind: GroupKind,
}

pub(super) enum GroupKind {
    Normal,
    Indexed(NonZeroU32),
    Combined(TryBinName),
}

/// A group cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// Its name cannot be the first part of a client id.
    #[error("group name: {0}")]
    Name(#[from] ClientIdError),
    /// Its name has several parts.
    #[error("group name {0:?} contains '/': a group is the first part of a client id")]
    Slash(String),
    /// Its name belongs to something else.
    #[error("group name {0:?} is reserved")]
    Reserved(String),
    /// The part after the colon is not a bin size.
    #[error("group {0:?}: what follows ':' must be the number of clients per chart, at least 1")]
    BinSize(String),
    /// There is one already.
    #[error("group {0:?} is registered twice")]
    Twice(String),
}

impl Group {
    /// All clients share one run; the client's name is the first word of its tags.
    ///
    /// # Errors
    /// When the name cannot be the first part of a client id.
    pub fn normal(name: &str) -> Result<Self, GroupError> {
        Self::new(name, GroupKind::Normal)
    }

    /// The clients are numbered; `bin_size` neighbours share a chart.
    ///
    /// # Errors
    /// When the name cannot be the first part of a client id.
    pub fn indexed(name: &str, bin_size: NonZeroU32) -> Result<Self, GroupError> {
        Self::new(name, GroupKind::Indexed(bin_size))
    }

    /// Clients for which `bin_name` returns the same share a chart. A bin that starts with `:` or `.` is a section.
    ///
    /// # Errors
    /// When the name cannot be the first part of a client id.
    pub fn combined(name: &str, bin_name: BinName) -> Result<Self, GroupError> {
        Self::try_combined(name, Box::new(move |name| Ok(bin_name(name))))
    }

    /// Like [`combined`](Self::combined), of a function that may fail: the records of clients without a bin are refused.
    ///
    /// # Errors
    /// When the name cannot be the first part of a client id.
    pub fn try_combined(name: &str, bin_name: TryBinName) -> Result<Self, GroupError> {
        Self::new(name, GroupKind::Combined(bin_name))
    }

    fn new(name: &str, kind: GroupKind) -> Result<Self, GroupError> {
        let name = ClientId::new(name)?.as_str().to_owned();
        if name.contains('/') {
            return Err(GroupError::Slash(name));
        }
        if name == LOGS || name.contains(EVENT_FILE) {
            return Err(GroupError::Reserved(name));
        }
        Ok(Self { name, kind })
    }
}

impl Group {
    /// Groups of a settings text: what a journal keeps of the groups under which its records were accepted. `None` if
    /// the text has a combined group, whose function is not in it.
    pub fn parse_settings(text: &str) -> Option<Vec<Self>> {
        let groups = text.split(", ").filter(|group| !group.is_empty());
        groups.map(Self::parse_setting).collect()
    }

    fn parse_setting(text: &str) -> Option<Self> {
        let (name, kind) = text.rsplit_once(' ')?;
        let indexed = || kind.strip_prefix("Indexed(")?.strip_suffix(')');
        match (kind, indexed()) {
            ("Normal", _) => Self::normal(name).ok(),
            (_, Some(bin_size)) => Self::indexed(name, bin_size.parse().ok()?).ok(),
            _ => None,
        }
    }
}

/// Shows a group as on the command line: `learner` or `agent:8`.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            GroupKind::Indexed(bin_size) => write!(f, "{}:{bin_size}", self.name),
            GroupKind::Normal | GroupKind::Combined(_) => f.write_str(&self.name),
        }
    }
}

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None => Self::normal(text),
            Some((name, bin_size)) => match bin_size.parse() {
                Ok(bin_size) => Self::indexed(name, bin_size),
                Err(_) => Err(GroupError::BinSize(text.to_owned())),
            },
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Group")
            .field(&self.name)
            .field(&self.kind)
            .finish()
    }
}

impl fmt::Debug for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("Normal"),
            Self::Indexed(bin_size) => write!(f, "Indexed({bin_size})"),
            Self::Combined(_) => f.write_str("Combined"),
        }
    }
}
