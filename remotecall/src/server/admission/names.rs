//! What the names of a frame stand for.

use crate::{CallError, ClientId, Remote};
use remotecall_wire::ASK;

/// What the names of a frame stand for, each looked up when it is first used.
pub(super) struct Names<'a> {
    pub names: &'a [&'a str],
    methods: Vec<Option<Meaning>>,
    clients: Vec<Option<Caller>>,
    pub execution: Execution,
}

/// What a name stands for as that of a method.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// A question for results that did not arrive.
    Question,
    Method(Method),
    Unknown,
}

/// What a name stands for as that of a client.
pub(super) struct Caller {
    pub id: Result<ClientId, CallError>,
    /// Whether it is in the statistics.
    pub is_counted: bool,
}

/// When a frame is run.
#[derive(Clone, Copy)]
pub(super) struct Execution {
    /// The sender's clock when the frame was taken.
    pub clock_ms: u64,
    /// Whether it comes from the journal.
    pub again: bool,
}

/// A method of the object.
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
            (ASK, _) => Meaning::Question,
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
