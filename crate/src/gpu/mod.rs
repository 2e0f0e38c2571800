//! The WebGPU device: what operations ask of the GPU is put into a list and submitted as one piece.
//!
//! - [`kernel`]: a dispatch as data; [`strided`]: elements of views and broadcast tensors in WGSL;
//!   `prelude`: functions that WGSL lacks; [`gemm`]: matrix multiply, for all operations that are one.
//! - [`queue`]: the list, in which neighbours are fused; [`memory`]: buffers and their pool.
//! - `health`: devices that were lost, and what went wrong on the one that is up.
//! - [`driver`]: what is asked of a GPU; `web`: wgpu, the only driver that computes, with `timer` for profiles.
pub mod driver;
pub mod gemm;
mod health;
pub mod kernel;
pub mod memory;
mod prelude;
pub mod queue;
pub mod strided;
#[cfg(target_arch = "wasm32")]
pub mod timer;
#[cfg(target_arch = "wasm32")]
pub mod web;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

pub use health::{check_device, set_fault, set_lost, take_fault};

use driver::{Command, Counts, Driver, Limits, ReadBack};
use health::lost;
use kernel::{Bound, Kernel, Plan};
use memory::{BufferId, Memory, Pool};
use queue::{Encoded, Queue};

use crate::error::{Error, Kind, Result};
use crate::op::{GpuInput, Op};
use crate::shape::checked_numel;
use crate::storage::MemoryStats;
use crate::tape::no_grad;
use crate::tensor::{Meta, Tensor};

/// The device that is up, with all that is under way on it.
struct Gpu {
    driver: Box<dyn Driver>,
    limits: Limits,
    device: u32,
    pool: Pool,
    queue: Queue,
    /// Sources by text: two kernels of one text are one pipeline.
    sources: HashMap<String, Rc<str>>,
    /// Buffers for reads that are free, by size in bytes.
    staging: HashMap<usize, Vec<BufferId>>,
    next_staging: BufferId,
}

thread_local! {
    static GPU: RefCell<Option<Gpu>> = const { RefCell::new(None) };
    static DEVICES: Cell<u32> = const { Cell::new(0) };
}

/// Staging buffers have ids of their own.
const FIRST_STAGING: BufferId = 1 << 31;

/// Brings a driver, made for a device's number, up as the device of all tensors to come.
pub fn start(make: impl FnOnce(u32) -> Box<dyn Driver>) -> u32 {
    let device = DEVICES.with(|devices| {
        devices.set(devices.get() + 1);
        devices.get()
    });
    let driver = make(device);
    let gpu = Gpu {
        limits: driver.limits(),
        driver,
        device,
        pool: Pool::default(),
        queue: Queue::default(),
        sources: HashMap::new(),
        staging: HashMap::new(),
        next_staging: FIRST_STAGING,
    };
    GPU.replace(Some(gpu));
    device
}

pub fn is_up() -> bool {
    GPU.with_borrow(|gpu| gpu.as_ref().is_some_and(|gpu| !health::is_lost(gpu.device)))
}

/// [`set_lost`] for the device that is up.
pub fn set_up_device_lost(why: &str) {
    if let Some(device) = GPU.with_borrow(|gpu| gpu.as_ref().map(|gpu| gpu.device)) {
        set_lost(device, why.to_string());
    }
}

fn with<R>(f: impl FnOnce(&mut Gpu) -> Result<R>) -> Result<R> {
    GPU.with_borrow_mut(|gpu| {
        let gpu = gpu.as_mut().ok_or_else(|| {
            Error::new(Kind::Device, "there is no WebGPU device yet: await useDevice(\"webgpu\") first")
        })?;
        check_device(gpu.device)?;
        f(gpu)
    })
}

/// Memory of `len` words with arbitrary content, for `op`.
pub fn allocate(len: usize, op: &str) -> Result<Memory> {
    with(|gpu| gpu.allocate(len, op))
}

/// Writes words to memory, before whatever is put into the list from now on.
pub fn upload(memory: &Memory, words: &[u32]) -> Result<()> {
    with(|gpu| {
        gpu.check(memory)?;
        gpu.upload(memory, words);
        Ok(())
    })
}

/// Submits what is in the list.
pub fn flush() -> Result<()> {
    with(|gpu| {
        gpu.flush(None);
        Ok(())
    })
}

/// Submits what is in the list if there is a device at all.
pub fn flush_if_up() -> Result<()> {
    if is_up() {
        flush()
    } else {
        Ok(())
    }
}

/// Copies memory to where the host can read it: [`finish_read`] gives the buffer back.
pub fn start_read(memory: &Memory) -> Result<(u32, BufferId)> {
    with(|gpu| {
        gpu.check(memory)?;
        let bytes = memory.len.max(1) * 4;
        let staging = match gpu.staging.get_mut(&bytes).and_then(Vec::pop) {
            Some(id) => id,
            None => {
                gpu.next_staging += 1;
                gpu.driver.create_staging(gpu.next_staging, bytes);
                gpu.next_staging
            }
        };
        gpu.flush(Some((memory.region(), staging)));
        Ok((gpu.device, staging))
    })
}

/// Staging buffers of one size that are kept, at most.
const STAGING_KEPT: usize = 4;
/// Bytes of a staging buffer that is kept, at most.
const STAGING_BYTES: usize = 1 << 20;

pub fn finish_read(device: u32, staging: BufferId, bytes: usize) {
    let _ = with(|gpu| {
        if gpu.device == device {
            let kept = gpu.staging.entry(bytes).or_default();
            if kept.len() < STAGING_KEPT && bytes <= STAGING_BYTES {
                kept.push(staging);
            } else {
                gpu.driver.destroy(staging);
            }
        }
        Ok(())
    });
}

/// Gives the driver of the device that is up to `f`.
pub fn with_driver<R>(f: impl FnOnce(&mut dyn Driver) -> R) -> Result<R> {
    with(|gpu| Ok(f(&mut *gpu.driver)))
}

/// As [`with_driver`], if it is still the driver of `device`.
pub fn with_driver_of<R>(device: u32, f: impl FnOnce(&mut dyn Driver) -> R) -> Result<R> {
    with(|gpu| {
        if gpu.device != device {
            return Err(lost("another device took its place"));
        }
        Ok(f(&mut *gpu.driver))
    })
}

/// [`Limits`] of the device that is up.
pub fn limits() -> Result<Limits> {
    with(|gpu| Ok(gpu.limits))
}

/// What the device that is up was asked for so far.
pub fn counts() -> Counts {
    GPU.with_borrow(|gpu| gpu.as_ref().map_or(Counts::default(), |gpu| gpu.driver.counts()))
}

/// Live, peak and pooled bytes on the GPU; zeros where there is none.
pub fn memory_stats() -> MemoryStats {
    GPU.with_borrow_mut(|gpu| {
        gpu.as_mut().map_or(MemoryStats::default(), |gpu| {
            gpu.pool.collect(gpu.device);
            gpu.pool.stats
        })
    })
}

pub fn reset_peak_memory() {
    GPU.with_borrow_mut(|gpu| {
        if let Some(gpu) = gpu {
            gpu.pool.collect(gpu.device);
            gpu.pool.stats.peak = gpu.pool.stats.live;
        }
    });
}

/// Runs `op` on tensors of the device: outputs are allocated and its kernels put into the list.
pub fn run(op: &dyn Op, x: &[&Tensor], outputs: &[Meta]) -> Result<Vec<Tensor>> {
    // First, so that what is too large is refused in the operation's name and not in that of a copy.
    let tensors = outputs
        .iter()
        .map(|meta| Tensor::on_gpu(meta, allocate(checked_numel(&meta.shape)?, op.name())?))
        .collect::<Result<Vec<_>>>()?;
    let inputs = no_grad(|| x.iter().map(|t| ordered(op, t)).collect::<Result<Vec<_>>>())?;
    // Nothing to compute, and no binding may be empty.
    if outputs.iter().all(|meta| meta.numel() == 0) {
        return Ok(tensors);
    }
    let arguments: Vec<GpuInput> = inputs.iter().map(GpuInput::new).collect();
    let plan = op.gpu(&arguments, outputs)?;
    let input = |i: usize| memory_of(&inputs[i], op.strided());
    let inputs = (0..inputs.len()).map(input).collect::<Result<Vec<_>>>()?;
    let outputs = tensors.iter().map(|t| memory_of(t, false)).collect::<Result<Vec<_>>>()?;
    with(|gpu| {
        inputs.iter().try_for_each(|memory| gpu.check(memory))?;
        gpu.record(op.name(), plan, &inputs, &outputs)
    })?;
    Ok(tensors)
}

/// An input as kernels bind it: its elements in order from an aligned start, unless `op` reads strides.
fn ordered(op: &dyn Op, t: &Tensor) -> Result<Tensor> {
    if op.strided() || (t.is_contiguous() && t.layout().offset.is_multiple_of(memory::ALIGNMENT)) {
        return Ok(t.clone());
    }
    crate::tape::apply(crate::ops::copy::Clone, &[t]).map_err(|error| error.instead_of(op.name()))
}

/// The memory of a tensor: its elements, or its whole storage.
fn memory_of(t: &Tensor, whole: bool) -> Result<Memory> {
    let memory = t.storage().gpu_memory()?;
    let start = t.layout().offset;
    if whole || (start == 0 && memory.len == t.numel()) {
        return Ok(memory);
    }
    let len = t.numel();
    // An empty tensor may begin behind its storage.
    Ok(if len == 0 { memory.part(0, 0) } else { memory.part(start, len) })
}

/// Puts kernels into the list that read and write memory directly, for what is no operation.
pub fn record(op: &'static str, plan: Plan, inputs: &[Memory], outputs: &[Memory]) -> Result<()> {
    with(|gpu| {
        inputs.iter().chain(outputs).try_for_each(|memory| gpu.check(memory))?;
        gpu.record(op, plan, inputs, outputs)
    })
}

/// Lets what was computed into `from`, by kernels that are still in the list, be computed into `place`.
pub fn rename(from: &Memory, place: &Memory) -> Result<bool> {
    with(|gpu| {
        let whole = from.offset == 0 && from.buffer.words == from.len.max(1);
        Ok(whole && from.len == place.len && gpu.queue.rename(&from.buffer, place.region()))
    })
}

impl Gpu {
    fn allocate(&mut self, len: usize, op: &str) -> Result<Memory> {
        let bytes = len.max(1) as u64 * 4;
        let most = self.limits.binding.min(self.limits.buffer);
        if bytes > most {
            return Err(Error::memory(format!(
                "a tensor of {len} elements takes {bytes} bytes, this GPU binds at most {most}"
            )));
        }
        // Kernels in the list may name what is free by now.
        if self.pool.clears_for(len, self.device) {
            self.flush(None);
        }
        let buffer = self.pool.take(&mut *self.driver, len, self.device, op);
        buffer.taken.set((self.queue.flushes, self.queue.len()));
        Ok(Memory::whole(Rc::new(buffer), len))
    }

    /// Whether memory belongs to this device.
    fn check(&self, memory: &Memory) -> Result<()> {
        check_device(memory.buffer.device)?;
        if memory.buffer.device != self.device {
            return Err(lost("another device took its place"));
        }
        Ok(())
    }

    fn record(&mut self, op: &'static str, plan: Plan, inputs: &[Memory], outputs: &[Memory]) -> Result<()> {
        match plan {
            Plan::Pointwise(pointwise) => {
                let (value, out) = (&inputs[0], &outputs[0]);
                let read = pointwise.read.map(|_| &inputs[1]);
                // The kernel before may have computed either input.
                let swapped = pointwise.swapped().zip(read);
                let fused = self.queue.fuse(op, &pointwise, value, read, out, &self.limits)
                    || swapped.is_some_and(|(swapped, other)| {
                        self.queue.fuse(op, &swapped, other, Some(value), out, &self.limits)
                    });
                if !fused {
                    let kernel = Kernel::of_pointwise(op, &pointwise, out.len);
                    self.push(op, kernel, inputs, outputs, &[])?;
                }
            }
            Plan::Upload { output, words, kernel } => {
                self.upload(&outputs[output], &words);
                self.push(op, kernel, inputs, outputs, &[])?;
            }
            Plan::Kernels { kernels, scratch } => {
                let scratch =
                    scratch.into_iter().map(|len| self.allocate(len, op)).collect::<Result<Vec<_>>>()?;
                for kernel in kernels {
                    self.push(op, kernel, inputs, outputs, &scratch)?;
                }
            }
        }
        if self.queue.len() >= queue::LONGEST {
            self.flush(None);
        }
        Ok(())
    }

    fn upload(&mut self, memory: &Memory, words: &[u32]) {
        // A write goes before all that is not submitted: the memory may still be read there.
        if self.queue.uses(memory.buffer.id) {
            self.flush(None);
        }
        if !words.is_empty() {
            self.driver.write(memory.region(), words);
        }
    }

    fn push(
        &mut self,
        op: &'static str,
        kernel: Kernel,
        inputs: &[Memory],
        outputs: &[Memory],
        scratch: &[Memory],
    ) -> Result<()> {
        if kernel.grid.contains(&0) {
            return Ok(());
        }
        self.queue.push(op, kernel, &self.limits, |bound| match bound {
            Bound::Input(i) => inputs[i].clone(),
            Bound::Output(i) => outputs[i].clone(),
            Bound::Scratch(i) => scratch[i].clone(),
        })
    }

    fn flush(&mut self, read: Option<ReadBack>) {
        if self.queue.is_empty() && read.is_none() {
            return;
        }
        let (list, uniforms) = self.queue.take();
        let sources: Vec<Rc<str>> = list.iter().map(|encoded| self.source(encoded)).collect();
        let commands: Vec<Command> =
            list.iter().zip(&sources).map(|(encoded, source)| encoded.command(source)).collect();
        self.driver.submit(&uniforms, &commands, read);
    }

    fn source(&mut self, encoded: &Encoded) -> Rc<str> {
        if let Some(source) = self.sources.get(encoded.source()) {
            return source.clone();
        }
        let source: Rc<str> = encoded.source().into();
        self.sources.insert(encoded.source().to_string(), source.clone());
        source
    }
}

/// For kernels that do not touch a buffer twice: whether two pieces of memory share one.
pub fn share(a: &Memory, b: &Memory) -> bool {
    Rc::ptr_eq(&a.buffer, &b.buffer)
}
