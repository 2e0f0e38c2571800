//! Operations on their way to the GPU: a list of dispatches in which neighbours are fused, submitted as one.
use std::rc::{Rc, Weak};

use super::driver::{Command, Limits, UNIFORM_BUFFER, UNIFORM_BYTES, UNIFORM_STRIDE};
use super::kernel::{Bound, Kernel, Pointwise};
use super::memory::{Buffer, BufferId, Memory, Region};
use crate::error::{Error, Result};

/// One dispatch of the list.
struct Dispatch {
    op: &'static str,
    kernel: Kernel,
    /// What the kernel binds, in its order.
    regions: Vec<(Region, bool)>,
    result: Wanted,
    stages: Vec<Stage>,
}

/// Whether a value that a stage behind it reads has to be written as well.
enum Wanted {
    Always,
    /// As long as somebody holds its memory.
    While(Weak<Buffer>),
}

impl Wanted {
    fn now(&self) -> bool {
        match self {
            Wanted::Always => true,
            Wanted::While(buffer) => buffer.strong_count() > 0,
        }
    }

    fn is(&self, buffer: &Rc<Buffer>) -> bool {
        matches!(self, Wanted::While(own) if std::ptr::eq(own.as_ptr(), Rc::as_ptr(buffer)))
    }
}

/// A pointwise operation that became part of the dispatch before it.
struct Stage {
    op: &'static str,
    pointwise: Pointwise,
    read: Option<Region>,
    out: Region,
    wanted: Wanted,
}

/// A dispatch with its source, for the driver.
pub struct Encoded {
    label: String,
    source: String,
    regions: Vec<(Region, bool)>,
    uniform: u32,
    grid: [u32; 3],
}

impl Encoded {
    pub fn source(&self) -> &str {
        &self.source
    }
    pub fn command<'a>(&'a self, source: &'a Rc<str>) -> Command<'a> {
        let Encoded { label, regions, uniform, grid, .. } = self;
        Command { label, source, regions, uniform: *uniform, grid: *grid }
    }
}

/// So many dispatches are submitted at once, at most.
pub const LONGEST: usize = 120;
/// Stages behind a kernel, at most.
const STAGES: usize = 2;

#[derive(Default)]
pub struct Queue {
    list: Vec<Dispatch>,
    /// How often the list was submitted.
    pub flushes: u64,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether an unsubmitted dispatch names a buffer.
    pub fn uses(&self, buffer: BufferId) -> bool {
        self.list.iter().any(|dispatch| dispatch.uses(buffer))
    }

    /// Adds a kernel whose bindings lie in these pieces of memory.
    pub fn push(
        &mut self,
        op: &'static str,
        kernel: Kernel,
        limits: &Limits,
        memory: impl Fn(Bound) -> Memory,
    ) -> Result<()> {
        check(&kernel, limits)?;
        let mut regions = Vec::with_capacity(kernel.bindings.len());
        let mut result = Wanted::Always;
        for (i, binding) in kernel.bindings.iter().enumerate() {
            let memory = memory(binding.bound);
            if kernel.result == Some(i) && memory.offset == 0 && memory.buffer.words == memory.len.max(1) {
                result = Wanted::While(Rc::downgrade(&memory.buffer));
            }
            if !binding.write {
                self.want(&memory.buffer);
            }
            regions.push((memory.region(), binding.write));
        }
        check_aliases(&regions)?;
        self.list.push(Dispatch { op, kernel, regions, result, stages: vec![] });
        Ok(())
    }

    /// Makes `pointwise` part of the last dispatch, if that computed its value element by element.
    pub fn fuse(
        &mut self,
        op: &'static str,
        pointwise: &Pointwise,
        value: &Memory,
        read: Option<&Memory>,
        out: &Memory,
        limits: &Limits,
    ) -> bool {
        let Some(last) = self.list.last() else { return false };
        let Some(at) = last.kernel.result else { return false };
        let from = last.stages.last().map_or(last.regions[at].0, |stage| stage.out);
        let fits = last.regions.len() + 2 * (last.stages.len() + 1) < limits.storage_buffers as usize;
        if from != value.region()
            || last.stages.len() == STAGES
            || !fits
            // The output's memory may be what the kernel reads, taken back from the pool.
            || last.uses(out.buffer.id)
            // What is read must be complete before this kernel begins.
            || read.is_some_and(|read| last.writes(read.buffer.id))
        {
            return false;
        }
        if let Some(read) = read {
            self.want(&read.buffer);
        }
        let stage = Stage {
            op,
            pointwise: *pointwise,
            read: read.map(Memory::region),
            out: out.region(),
            wanted: Wanted::While(Rc::downgrade(&out.buffer)),
        };
        self.list.last_mut().map(|last| last.stages.push(stage)).is_some()
    }

    /// A dispatch to come reads `buffer`: whatever wrote it must write it.
    fn want(&mut self, buffer: &Rc<Buffer>) {
        for dispatch in self.list.iter_mut().rev() {
            let stages = dispatch.stages.iter_mut().map(|stage| &mut stage.wanted);
            for wanted in stages.chain([&mut dispatch.result]) {
                if wanted.is(buffer) {
                    *wanted = Wanted::Always;
                    return;
                }
            }
        }
    }

    /// Lets every dispatch since `buffer` was taken use `place` instead; false if that is not possible.
    pub fn rename(&mut self, buffer: &Rc<Buffer>, place: Region) -> bool {
        let (flush, start) = buffer.taken.get();
        if flush != self.flushes {
            return false;
        }
        let old = buffer.id;
        let start = start.min(self.list.len());
        let (before, users) = self.list.split_at_mut(start);
        // A dispatch may write two pieces of a buffer, but not read one and write another.
        let reads = |d: &Dispatch| d.reads(old) || d.reads(place.buffer);
        if users.iter().any(|d| d.uses(old) && d.uses(place.buffer) && reads(d)) {
            return false;
        }
        for dispatch in users {
            dispatch.rename(old, place);
        }
        // As a stage the value may belong to the dispatch before.
        let stages = before.last_mut().map_or(&mut [][..], |dispatch| &mut dispatch.stages[..]);
        for stage in stages.iter_mut().filter(|stage| stage.wanted.is(buffer)) {
            stage.out = Region { words: stage.out.words, ..place };
            stage.wanted = Wanted::Always;
        }
        true
    }

    /// The list as commands, and their uniforms. Afterwards it is empty.
    pub fn take(&mut self) -> (Vec<Encoded>, Vec<u32>) {
        self.flushes += 1;
        let mut uniforms = Vec::new();
        let encoded = std::mem::take(&mut self.list).into_iter().map(|d| d.encode(&mut uniforms)).collect();
        (encoded, uniforms)
    }
}

fn check(kernel: &Kernel, limits: &Limits) -> Result<()> {
    if kernel.grid.iter().any(|&size| size > limits.groups) {
        return Err(Error::memory(format!(
            "the tensors are too large for this GPU: {:?} workgroups, at most {} along each axis are possible",
            kernel.grid, limits.groups
        )));
    }
    debug_assert!(kernel.uniform(&[]).len() * 4 + STAGES * 8 <= UNIFORM_BYTES, "{}", kernel.name);
    debug_assert!(kernel.bindings.len() <= limits.storage_buffers as usize, "{}", kernel.name);
    Ok(())
}

/// WebGPU refuses a dispatch that both reads and writes a buffer.
fn check_aliases(regions: &[(Region, bool)]) -> Result<()> {
    let conflict = regions.iter().enumerate().any(|(i, (a, write))| {
        *write
            && regions
                .iter()
                .enumerate()
                .any(|(j, (b, _))| i != j && a.buffer == b.buffer && (!regions[j].1 || overlap(a, b)))
    });
    if conflict {
        return Err(Error::new(crate::error::Kind::Device, "a kernel would read and write one buffer"));
    }
    Ok(())
}

fn overlap(a: &Region, b: &Region) -> bool {
    a.offset < b.offset + b.words && b.offset < a.offset + a.words
}

impl Dispatch {
    fn uses(&self, buffer: BufferId) -> bool {
        self.regions.iter().any(|(region, _)| region.buffer == buffer)
            || self.stages.iter().any(|stage| {
                stage.out.buffer == buffer || stage.read.is_some_and(|read| read.buffer == buffer)
            })
    }

    fn reads(&self, buffer: BufferId) -> bool {
        self.regions.iter().any(|(region, write)| !write && region.buffer == buffer)
            || self.stages.iter().any(|stage| stage.read.is_some_and(|read| read.buffer == buffer))
    }

    fn writes(&self, buffer: BufferId) -> bool {
        self.regions.iter().any(|(region, write)| *write && region.buffer == buffer)
            || self.stages.iter().any(|stage| stage.out.buffer == buffer)
    }

    fn rename(&mut self, old: BufferId, place: Region) {
        for (i, (region, _)) in self.regions.iter_mut().enumerate() {
            if region.buffer == old {
                *region = Region { words: region.words, ..place };
                if self.kernel.result == Some(i) {
                    self.result = Wanted::Always;
                }
            }
        }
        for stage in &mut self.stages {
            if stage.out.buffer == old {
                stage.out = Region { words: stage.out.words, ..place };
                stage.wanted = Wanted::Always;
            }
            if let Some(read) = stage.read.as_mut().filter(|read| read.buffer == old) {
                *read = Region { words: read.words, ..place };
            }
        }
    }

    fn encode(self, uniforms: &mut Vec<u32>) -> Encoded {
        let Dispatch { op, kernel, regions, result, stages } = self;
        // A value that only the next stage reads and nobody holds any more is not written.
        let mut kept = vec![result.now()];
        kept.extend(stages.iter().map(|stage| stage.wanted.now()));
        if let Some(last) = kept.last_mut() {
            *last = true;
        }
        let mut bound = Vec::with_capacity(regions.len() + 2 * stages.len());
        for (i, region) in regions.into_iter().enumerate() {
            if kernel.result != Some(i) || kept[0] {
                bound.push(region);
            }
        }
        for (stage, kept) in stages.iter().zip(&kept[1..]) {
            bound.extend(stage.read.map(|read| (read, false)));
            if *kept {
                bound.push((stage.out, true));
            }
        }
        let pointwise: Vec<Pointwise> = stages.iter().map(|stage| stage.pointwise).collect();
        let uniform = uniforms.len() * 4;
        uniforms.extend(kernel.uniform(&pointwise));
        uniforms.resize(uniforms.len().next_multiple_of(UNIFORM_STRIDE / 4), 0);
        let mut label = if kernel.name == op { op.to_string() } else { format!("{op}: {}", kernel.name) };
        stages.iter().for_each(|stage| label += &format!(" + {}", stage.op));
        let source = kernel.source(&pointwise, &kept);
        Encoded { label, source, regions: bound, uniform: uniform as u32, grid: kernel.grid }
    }
}

const _: () = assert!((LONGEST + 8) * UNIFORM_BYTES <= UNIFORM_BUFFER);
