//! Memory on the GPU: buffers by exact size, taken again in the same order by every step of a loop.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::driver::Driver;
use crate::storage::MemoryStats;

/// Names a buffer of the driver. Never used twice.
pub type BufferId = u32;

/// Words between the starts of bindings: WebGPU allows no finer ones everywhere.
/// <https://www.w3.org/TR/webgpu/#dom-supported-limits-minstoragebufferoffsetalignment>
pub const ALIGNMENT: usize = 64;

thread_local! {
    /// Buffers that were dropped, on their way to the pool: a drop may happen while the pool is in use.
    static DROPPED: RefCell<Vec<(u32, BufferId, usize)>> = const { RefCell::new(Vec::new()) };
}

/// A buffer in use; when it is dropped the pool gets it back.
pub struct Buffer {
    pub id: BufferId,
    pub words: usize,
    /// Which device it is on: a lost device's buffers are gone.
    pub device: u32,
    /// The flush and the place in the list at which it was taken.
    pub(super) taken: Cell<(u64, usize)>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // While a thread ends nothing is left to go back to.
        let _ = DROPPED.try_with(|dropped| dropped.borrow_mut().push((self.device, self.id, self.words)));
    }
}

/// A piece of a buffer, as a storage owns it.
#[derive(Clone)]
pub struct Memory {
    pub buffer: Rc<Buffer>,
    /// In words; a multiple of [`ALIGNMENT`].
    pub offset: usize,
    pub len: usize,
}

impl Memory {
    pub fn whole(buffer: Rc<Buffer>, len: usize) -> Self {
        Memory { buffer, offset: 0, len }
    }

    pub fn region(&self) -> Region {
        Region { buffer: self.buffer.id, offset: self.offset as u32, words: self.len.max(1) as u32 }
    }

    /// `len` words from `start` on, both inside and `start` a multiple of [`ALIGNMENT`].
    pub fn part(&self, start: usize, len: usize) -> Memory {
        Memory { buffer: self.buffer.clone(), offset: self.offset + start, len }
    }
}

/// Words of a buffer, as a binding names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    pub buffer: BufferId,
    pub offset: u32,
    pub words: u32,
}

/// What the pool may hold when a size is asked for that it does not have, in bytes.
const POOL_LIMIT: usize = 512 << 20;

/// Freed buffers by exact size. The lowest id goes first, so that a loop whose steps are alike takes the
/// same buffers in the same places, and the bindings of its kernels stay the same.
#[derive(Default)]
pub struct Pool {
    free: HashMap<usize, BTreeSet<BufferId>>,
    next: BufferId,
    pub stats: MemoryStats,
    pub created: usize,
}

impl Pool {
    /// A buffer of `words` words, a new one of `driver` if no old one fits. `live` says which flush and place
    /// of the list this is.
    pub fn take(&mut self, driver: &mut dyn Driver, words: usize, device: u32, op: &str) -> Buffer {
        self.collect(device);
        let words = words.max(1);
        let bytes = words * 4;
        let id = match self.free.get_mut(&words).and_then(BTreeSet::pop_first) {
            Some(id) => {
                self.stats.pooled -= bytes;
                id
            }
            None => {
                if self.stats.pooled > POOL_LIMIT {
                    self.clear(driver);
                }
                self.next += 1;
                self.created += 1;
                driver.create(self.next, bytes, op);
                self.next
            }
        };
        self.stats.storages += 1;
        self.stats.live += bytes;
        self.stats.peak = self.stats.peak.max(self.stats.live);
        Buffer { id, words, device, taken: Cell::default() }
    }

    /// Whether [`Pool::take`] of so many words is going to destroy what is free.
    pub fn clears_for(&mut self, words: usize, device: u32) -> bool {
        self.collect(device);
        self.stats.pooled > POOL_LIMIT && self.free.get(&words.max(1)).is_none_or(BTreeSet::is_empty)
    }

    /// Takes in what was dropped since.
    pub fn collect(&mut self, device: u32) {
        DROPPED.with_borrow_mut(|dropped| {
            for (of, id, words) in dropped.drain(..) {
                if of == device {
                    self.stats.storages -= 1;
                    self.stats.live -= words * 4;
                    self.stats.pooled += words * 4;
                    self.free.entry(words).or_default().insert(id);
                }
            }
        });
    }

    /// Destroys what is free. Kernels that are not submitted yet may name it: the caller has flushed.
    pub fn clear(&mut self, driver: &mut dyn Driver) {
        for (_, ids) in self.free.drain() {
            ids.into_iter().for_each(|id| driver.destroy(id));
        }
        self.stats.pooled = 0;
    }
}
