//! Reference-counted memory of tensors, with a version that counts writes, and the pool it comes from.
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use crate::error::{Error, Kind, Result};
use crate::gpu;

/// Where a storage lies and its operations run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Cpu,
    Gpu,
}

impl Device {
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            Device::Gpu => "webgpu",
        }
    }
}

/// Elements of four bytes: float32, int32, or bool as 0 and 1.
pub struct Storage {
    /// On the CPU; empty where they are on the GPU.
    words: RefCell<Vec<u32>>,
    gpu: RefCell<Option<gpu::memory::Memory>>,
    len: usize,
    version: Cell<u32>,
    /// The smallest and largest integer, and the version for which they are right.
    range: Cell<Option<(u32, i32, i32)>>,
    grad_place: RefCell<Option<GradPlace>>,
}

/// Where the gradient of a parameter goes on the GPU, beside those of its group.
pub struct GradPlace {
    memory: gpu::memory::Memory,
    /// The storage that is there now.
    holder: Weak<Storage>,
}

impl GradPlace {
    pub fn new(memory: gpu::memory::Memory, holder: &Rc<Storage>) -> Self {
        GradPlace { memory, holder: Rc::downgrade(holder) }
    }
}

impl Storage {
    /// Memory of `len` elements with arbitrary content.
    pub fn uninitialized(len: usize) -> Result<Self> {
        Ok(Self::from_words(POOL.with(|pool| pool.borrow_mut().take(len))?))
    }

    pub fn filled(len: usize, word: u32) -> Result<Self> {
        let storage = Self::uninitialized(len)?;
        storage.words.borrow_mut().fill(word);
        Ok(storage)
    }

    fn from_words(words: Vec<u32>) -> Self {
        Storage {
            len: words.len(),
            words: RefCell::new(words),
            gpu: RefCell::new(None),
            version: Cell::new(0),
            range: Cell::new(None),
            grad_place: RefCell::new(None),
        }
    }

    pub fn on_gpu(memory: gpu::memory::Memory) -> Self {
        Storage {
            len: memory.len,
            words: RefCell::default(),
            gpu: RefCell::new(Some(memory)),
            version: Cell::new(0),
            range: Cell::new(None),
            grad_place: RefCell::new(None),
        }
    }

    pub fn device(&self) -> Device {
        if self.gpu.borrow().is_some() {
            Device::Gpu
        } else {
            Device::Cpu
        }
    }

    /// The memory on the GPU.
    pub fn gpu_memory(&self) -> Result<gpu::memory::Memory> {
        let memory = self.gpu.borrow().clone();
        memory.ok_or_else(|| Error::new(Kind::Device, "expected a tensor on \"webgpu\", got one on \"cpu\""))
    }

    /// Lets the storage lie in other memory, of the same length, from now on.
    pub fn set_gpu_memory(&self, memory: gpu::memory::Memory) {
        debug_assert_eq!(memory.len, self.len);
        self.gpu.replace(Some(memory));
    }

    /// Moves the elements to the GPU. `integers`: whether their range is worth knowing.
    pub fn move_to_gpu(&self, integers: bool, op: &str) -> Result<()> {
        if self.device() == Device::Gpu {
            return Ok(());
        }
        let memory = gpu::allocate(self.len, op)?;
        gpu::upload(&memory, &self.words.borrow())?;
        if integers {
            let words = self.words.borrow();
            let numbers = || words.iter().map(|&word| word as i32);
            self.range.set(numbers().min().zip(numbers().max()).map(|(a, b)| (self.version.get(), a, b)));
        }
        self.gpu.replace(Some(memory));
        self.free_words();
        Ok(())
    }

    /// Takes elements that were read from the GPU.
    pub fn move_to_cpu(&self, words: &[u32]) -> Result<()> {
        let mut memory = POOL.with(|pool| pool.borrow_mut().take(self.len))?;
        memory.copy_from_slice(words);
        self.words.replace(memory);
        self.gpu.replace(None);
        Ok(())
    }

    /// Where the gradient of this storage goes, unless an earlier gradient is still there.
    pub fn grad_place(&self) -> Option<gpu::memory::Memory> {
        let place = self.grad_place.borrow();
        place.as_ref().filter(|place| place.holder.strong_count() == 0).map(|place| place.memory.clone())
    }

    pub fn has_grad_place(&self) -> bool {
        self.grad_place.borrow().is_some()
    }

    pub fn set_grad_place(&self, place: GradPlace) {
        self.grad_place.replace(Some(place));
    }

    /// The smallest and largest integer, if they are known.
    pub fn range(&self) -> Option<(i32, i32)> {
        self.range.get().filter(|(version, ..)| *version == self.version.get()).map(|(_, a, b)| (a, b))
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn words(&self) -> Ref<'_, Vec<u32>> {
        self.words.borrow()
    }

    /// For writing. In-place operations also call [`Storage::touch`].
    pub fn words_mut(&self) -> RefMut<'_, Vec<u32>> {
        self.words.borrow_mut()
    }

    /// How often the content was changed in place.
    pub fn version(&self) -> u32 {
        self.version.get()
    }

    pub fn touch(&self) {
        self.version.set(self.version.get().wrapping_add(1));
    }
}

impl Storage {
    fn free_words(&self) {
        let words = self.words.take();
        // The pool is gone while a thread ends; its tensors then free their memory themselves.
        let _ = POOL.try_with(|pool| pool.borrow_mut().give_back(words));
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if self.gpu.get_mut().is_none() {
            self.free_words();
        }
    }
}

/// What `memoryStats()` reports, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    pub live: usize,
    pub peak: usize,
    pub pooled: usize,
    pub storages: usize,
}

/// Freed memory by exact size: a training step asks for the same sizes again and again.
#[derive(Default)]
struct Pool {
    free: HashMap<usize, Vec<Vec<u32>>>,
    stats: MemoryStats,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// What the pool may hold when a size is asked for that it does not have.
const POOL_LIMIT: usize = 256 << 20;

impl Pool {
    fn take(&mut self, len: usize) -> Result<Vec<u32>> {
        let bytes = len * 4;
        let words = match self.free.get_mut(&len).and_then(Vec::pop) {
            Some(words) => {
                self.stats.pooled -= bytes;
                words
            }
            None => self.allocate(len)?,
        };
        self.stats.storages += 1;
        self.stats.live += bytes;
        self.stats.peak = self.stats.peak.max(self.stats.live);
        Ok(words)
    }

    fn allocate(&mut self, len: usize) -> Result<Vec<u32>> {
        if self.stats.pooled > POOL_LIMIT {
            self.clear();
        }
        let mut words = Vec::new();
        if words.try_reserve_exact(len).is_err() {
            self.clear();
            words.try_reserve_exact(len).map_err(|_| {
                Error::memory(format!(
                    "out of memory: {} bytes asked for, {} are in use by {} tensors",
                    len * 4,
                    self.stats.live,
                    self.stats.storages
                ))
            })?;
        }
        words.resize(len, POISON);
        Ok(words)
    }

    fn give_back(&mut self, mut words: Vec<u32>) {
        let bytes = words.len() * 4;
        self.stats.storages -= 1;
        self.stats.live -= bytes;
        if cfg!(debug_assertions) {
            words.fill(POISON);
        }
        if bytes > 0 {
            self.stats.pooled += bytes;
            self.free.entry(words.len()).or_default().push(words);
        }
    }

    fn clear(&mut self) {
        self.free.clear();
        self.stats.pooled = 0;
    }
}

/// Zeroed memory for the duration of a kernel.
pub fn scratch<T: bytemuck::Zeroable + Clone>(len: usize) -> Result<Vec<T>> {
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(len)
        .map_err(|_| Error::memory(format!("out of memory: scratch space for {len} elements")))?;
    memory.resize(len, T::zeroed());
    Ok(memory)
}

/// A NaN: in debug builds an operation that leaves an element unwritten is seen.
const POISON: u32 = 0x7fc0_dead;

pub fn memory_stats() -> MemoryStats {
    POOL.with(|pool| pool.borrow().stats)
}

pub fn reset_peak_memory() {
    POOL.with(|pool| {
        let stats = &mut pool.borrow_mut().stats;
        stats.peak = stats.live;
    });
}
