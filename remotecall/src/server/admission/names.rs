//! Names of a frame: methods and clients, each resolved on first use.

use crate::{CallError, ClientId, Remote};
use remotecall_wire::ASK;

/// The names of one frame, and what they resolved to.
pub(super) struct Names<'a> {
    pub names: &'a [&'a str],
    methods: Vec<Option<Meaning>>,
    clients: Vec<Option<Caller>>,
    pub execution: Execution,
}

/// A name resolved as a method.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// The query for missing results.
    Query,
    Method(Method),
    Unknown,
}

/// A name resolved as a client.
pub(super) struct Caller {
    pub id: Result<ClientId, CallError>,
    /// True once the client is counted in the statistics.
    pub is_counted: bool,
}

/// Circumstances under which a frame runs.
#[derive(Clone, Copy)]
pub(super) struct Execution {
    /// The sender's clock when the frame was accepted, in milliseconds since 1970.
    pub clock_ms: u64,
    /// True for a frame from the journal.
    pub is_replay: bool,
}

/// A method of the served object.
#[derive(Clone, Copy)]
pub(super) struct Method {
    pub number: usize,
    pub reads: bool,
}

impl<'a> Names<'a> {
    pub fn new(names: &'a [&'a str], execution: Execution) -> Self {
        Self {
            names,
            methods: vec![None; names.len()],
            clients: names.iter().map(|_| None).collect(),
            execution,
        }
    }

    pub fn method(&mut self, name: usize, remote: &dyn Remote) -> Meaning {
        *self.methods[name].get_or_insert_with(|| match (self.names[name], remote.method(self.names[name])) {
            (ASK, _) => Meaning::Query,
            (_, Some(number)) => Meaning::Method(Method {
                number,
                reads: remote.is_read(number),
            }),
            (_, None) => Meaning::Unknown,
        })
    }

    pub fn caller(&mut self, name: usize) -> &mut Caller {
        let text = self.names[name];
        self.clients[name].get_or_insert_with(|| Caller {
            id: ClientId::new(text).map_err(|why| CallError::BadClientId(why.to_string())),
            is_counted: false,
        })
    }
}
