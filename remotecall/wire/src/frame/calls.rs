//! Calls of a frame, decoded as a whole before the first of them runs.

use super::call::Call;
use super::error::FrameError;
use super::format::MAX_BODY;
use super::item_reader::{Item, ItemReader};

/// Calls of a frame.
#[derive(Debug)]
pub struct Calls<'a> {
    /// Methods and client ids, by number.
    pub names: Vec<&'a str>,
    items: Vec<Item<'a>>,
}

impl<'a> Calls<'a> {
    /// Decodes the items of a body. `time_ns` is the frame's time and `count` its number of calls.
    ///
    /// # Errors
    /// When an item is malformed or breaks a limit, or the number of calls is another one.
    pub fn parse(body: &'a [u8], time_ns: i64, count: usize) -> Result<Self, FrameError> {
        let mut reader = ItemReader::new(body, time_ns, MAX_BODY);
        // The header's count is not trusted: an item takes at least three bytes.
        let mut items = Vec::with_capacity(count.min(body.len() / 3));
        let mut found = 0;
        while let Some(item) = reader.next()? {
            found += item.len();
            items.push(item);
        }
        match found == count {
            true => Ok(Self {
                names: reader.names,
                items,
            }),
            false => Err(FrameError::Body("another number of calls than the header says")),
        }
    }

    /// Single calls and blocks, in order.
    pub fn items(&self) -> &[Item<'a>] {
        &self.items
    }

    /// All calls, in order.
    pub fn iter(&self) -> impl Iterator<Item = Call<'_>> {
        self.items
            .iter()
            .flat_map(|item| (0..item.len()).map(move |at| item.call(at)))
    }
}
