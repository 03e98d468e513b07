//! Memory for copies of arrays, used again.
//!
//! A caller's array is copied and encoded elsewhere. In memory that the system gives afresh, that copy takes several times as
//! long: each page is cleared first, and a virtual machine may have to ask its host for it. In pages of the usual size it takes
//! up to twice as long as in large ones: the processor has forgotten by the next copy where each page lies.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use bytemuck::Pod;
use memmap2::{Advice, MmapMut};
use pyo3::buffer::{Element, PyBuffer};
use pyo3::prelude::*;
use tensorplex::records::Shared;

use crate::lock::lock;

/// Most bytes that are kept, of each type: 16 MiB.
const KEPT: usize = 16 << 20;
/// Shorter copies are left to the allocator, which has such memory at hand: 64 KiB.
const SHORT: usize = 64 << 10;
/// A large page: 2 MiB.
const LARGE: usize = 2 << 20;

/// The latest copies, newest first; one that nobody else holds any more is free.
pub(crate) struct Spares<T>(Mutex<VecDeque<Arc<Memory<T>>>>);

impl<T: Element + Pod + Send + Sync> Spares<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// The elements of an array in C order. Whoever drops them gives their memory back.
    pub fn copy(&self, py: Python<'_>, array: &PyBuffer<T>) -> PyResult<Shared<T>> {
        let bytes = array.len_bytes();
        if !(SHORT..=KEPT).contains(&bytes) {
            return array.to_vec(py).map(Shared::from);
        }
        let Some(mut memory) = self.free(bytes).or_else(|| Memory::new(bytes).ok()) else {
            return array.to_vec(py).map(Shared::from);
        };
        memory.bytes = bytes;
        array.copy_to_slice(py, memory.as_mut())?;
        let memory = Arc::new(memory);
        self.keep(memory.clone());
        Ok(Shared::from(memory))
    }

    /// Free memory for so many bytes, and not for many more.
    fn free(&self, bytes: usize) -> Option<Memory<T>> {
        let mut kept = lock(&self.0);
        let fits = |memory: &Arc<Memory<T>>| {
            Arc::strong_count(memory) == 1 && (bytes..=2 * bytes).contains(&memory.room)
        };
        let at = kept.iter().position(fits)?;
        kept.remove(at).and_then(Arc::into_inner)
    }

    fn keep(&self, memory: Arc<Memory<T>>) {
        let mut kept = lock(&self.0);
        kept.push_front(memory);
        let ends = kept.iter().scan(0, |end, memory| {
            *end += memory.room;
            Some(*end)
        });
        let fit = ends.take_while(|&end| end <= KEPT).count();
        kept.truncate(fit);
    }
}

/// Numbers in memory that the system gave for them alone.
struct Memory<T> {
    map: MmapMut,
    /// Where they begin, how many bytes they have, and how many there is room for.
    start: usize,
    bytes: usize,
    room: usize,
    of: PhantomData<T>,
}

impl<T> Memory<T> {
    /// Zeros, in large pages if that is worth it and the system has some.
    fn new(bytes: usize) -> io::Result<Self> {
        let (mut start, mut room) = (0, bytes);
        let map = if bytes < LARGE {
            MmapMut::map_anon(bytes)?
        } else {
            let whole = bytes.next_multiple_of(LARGE);
            // A large page that would be almost empty is memory that nobody counts.
            let large = if whole - bytes <= bytes / 4 {
                whole
            } else {
                whole - LARGE
            };
            room = bytes.max(large);
            // What lies before the first large page is never touched, and costs nothing.
            let map = MmapMut::map_anon(room + LARGE)?;
            start = map.as_ptr().align_offset(LARGE);
            // A system without them gives usual ones.
            let _ = map.advise_range(Advice::HugePage, start, large);
            map
        };
        Ok(Self {
            map,
            start,
            bytes,
            room,
            of: PhantomData,
        })
    }
}

impl<T: Pod> AsRef<[T]> for Memory<T> {
    fn as_ref(&self) -> &[T] {
        bytemuck::cast_slice(&self.map[self.start..][..self.bytes])
    }
}

impl<T: Pod> AsMut<[T]> for Memory<T> {
    fn as_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.map[self.start..][..self.bytes])
    }
}
