//! Which run a client writes into, and under which names.
//!
//! ```text
//! group         client       run         tag T becomes      because
//! none          a/b/c        a/b/c       T                  every client is a run of its own
//! normal        learner/lr   learner     lr/T               one curve per chart
//! indexed (8)   agent/9      agent/9     agent/T/8-15       eight curves per chart
//! combined f    eval/A       eval/A      eval/T/alpha       f("A") = "alpha"
//! combined f    eval/red     eval/red    eval.color/T       f("red") = ":color", a section of its own
//! any           agent/9/hp   agent/9/hp  as of agent/9      what follows the name is a run below the client's
//! ```
//!
//! TensorBoard draws one chart per tag and in it one curve per run, and groups charts into sections by what stands before
//! the first `/` of the tag. With groups, `:` and `#` in a tag are read as `.`, and a tag that then starts with `.` or `/`
//! continues the word before it: `.time/step` of `learner/lr` becomes `lr.time/step`, in a section of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;

use remotecall::ClientId;

mod group;

pub use group::{BinName, Group, GroupError, TryBinName};

use group::GroupKind;

use crate::layout::{EVENT_FILE, LOGS};

/// A client has no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// The id would be a path where something else is kept.
    #[error("client id {id:?} cannot be used: {word:?} is reserved")]
    Reserved {
        /// The client id.
        id: String,
        /// The part that belongs to something else.
        word: &'static str,
    },
    /// The id is not a group and a name.
    #[error("client id {id:?} must be a group and a name, such as \"agent/17\"; the groups are {known}")]
    Form {
        /// The client id.
        id: String,
        /// The registered groups.
        known: String,
    },
    /// The group is not registered.
    #[error("unknown group {group:?}; the groups are {known}")]
    Unknown {
        /// The first part of the client id.
        group: String,
        /// The registered groups.
        known: String,
    },
    /// The group is indexed and the name is not an index.
    #[error("client id {0:?}: the group is indexed, so the name must be a number below 2^64")]
    Index(String),
    /// The function of a combined group failed.
    #[error("client id {id:?} has no bin in its combined group: {why}")]
    NoBin {
        /// The client id.
        id: String,
        /// Error of the function.
        why: String,
    },
}

/// Run and tag of a record. Reused, so that routing does not allocate.
#[derive(Debug, Default)]
pub(crate) struct Destination {
    pub run: String,
    pub tag: String,
}

/// The registered groups.
#[derive(Debug, Default)]
pub(crate) struct Groups(BTreeMap<String, GroupKind>);

impl Groups {
    pub fn register(&mut self, group: Group) -> Result<(), GroupError> {
        if self.0.contains_key(&group.name) {
            return Err(GroupError::Twice(group.name));
        }
        self.0.insert(group.name, group.kind);
        Ok(())
    }

    /// All groups, as text: what the place of a record depends on. Of a combined group it has the name alone.
    pub fn settings(&self) -> String {
        let groups = self.0.iter().map(|(name, kind)| format!("{name} {kind:?}"));
        let groups: Vec<String> = groups.collect();
        groups.join(", ")
    }

    /// Finds the run of client `id` and what `tag` is called there.
    pub fn route(&self, id: &ClientId, tag: &str, destination: &mut Destination) -> Result<(), RoutingError> {
        destination.tag.clear();
        if self.0.is_empty() {
            // The last record was often of the same client.
            if destination.run != id.as_str() {
                check_free(id)?;
                id.as_str().clone_into(&mut destination.run);
            }
            destination.tag.push_str(tag);
            return Ok(());
        }
        destination.run.clear();
        let (group, name, below) = self.split(id)?;
        match self.find(group)? {
            GroupKind::Normal => {
                destination.run.push_str(group);
                destination.tag.push_str(name);
                push_tag(&mut destination.tag, tag);
            }
            GroupKind::Indexed(bin_size) => {
                let index: u64 = name.parse().map_err(|_| RoutingError::Index(id.to_string()))?;
                let _ = write!(destination.run, "{group}/{index}");
                destination.tag.push_str(group);
                push_tag(&mut destination.tag, tag);
                push_bin(&mut destination.tag, *bin_size, index);
            }
            GroupKind::Combined(bin_name) => {
                let bin = bin_name(name).map_err(|why| RoutingError::NoBin {
                    id: id.to_string(),
                    why,
                })?;
                let bin = bin.replace([':', '#'], ".");
                let _ = write!(destination.run, "{group}/{name}");
                destination.tag.push_str(group);
                if bin.starts_with('.') {
                    destination.tag.push_str(&bin);
                    push_tag(&mut destination.tag, tag);
                } else {
                    push_tag(&mut destination.tag, tag);
                    let _ = write!(destination.tag, "/{bin}");
                }
            }
        }
        if let Some(below) = below {
            let _ = write!(destination.run, "/{below}");
        }
        check_no_file(id, &destination.run)
    }

    /// True if client `id` shares its run with others.
    pub fn shares_run(&self, id: &ClientId) -> Result<bool, RoutingError> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let (group, ..) = self.split(id)?;
        Ok(matches!(self.find(group)?, GroupKind::Normal))
    }

    /// The group, the name, and the run below the client's, if the id has one.
    fn split<'a>(&self, id: &'a ClientId) -> Result<(&'a str, &'a str, Option<&'a str>), RoutingError> {
        let (group, rest) = id.as_str().split_once('/').ok_or_else(|| RoutingError::Form {
            id: id.to_string(),
            known: self.known(),
        })?;
        Ok(match rest.split_once('/') {
            Some((name, below)) => (group, name, Some(below)),
            None => (group, rest, None),
        })
    }

    fn find(&self, group: &str) -> Result<&GroupKind, RoutingError> {
        self.0.get(group).ok_or_else(|| RoutingError::Unknown {
            group: group.to_owned(),
            known: self.known(),
        })
    }

    fn known(&self) -> String {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        names.join(", ")
    }
}

/// Without groups the id is a path below the log directory, where other things are kept too.
fn check_free(id: &ClientId) -> Result<(), RoutingError> {
    if id.as_str().split('/').next() == Some(LOGS) {
        let id = id.to_string();
        return Err(RoutingError::Reserved { id, word: LOGS });
    }
    check_no_file(id, id.as_str())
}

/// A directory that is called like an event file would be read as one.
fn check_no_file(id: &ClientId, run: &str) -> Result<(), RoutingError> {
    if !run.contains(EVENT_FILE) {
        return Ok(());
    }
    let (id, word) = (id.to_string(), EVENT_FILE);
    Err(RoutingError::Reserved { id, word })
}

fn push_tag(out: &mut String, tag: &str) {
    if !tag.starts_with(['.', '/', ':', '#']) {
        out.push('/');
    }
    for (n, piece) in tag.split([':', '#']).enumerate() {
        if n > 0 {
            out.push('.');
        }
        out.push_str(piece);
    }
}

fn push_bin(out: &mut String, bin_size: NonZeroU32, index: u64) {
    let size = u64::from(bin_size.get());
    let first = index / size * size;
    let last = first.saturating_add(size - 1);
    let _ = match first == last {
        true => write!(out, "/{first}"),
        false => write!(out, "/{first}-{last}"),
    };
}
