//! What the queue needs of a GPU, and a stand-in that runs nothing, for tests of everything but the numbers.
use std::rc::Rc;

use super::memory::{BufferId, Region};

/// What an adapter allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a storage buffer's binding.
    pub binding: u64,
    /// Bytes of a buffer.
    pub buffer: u64,
    /// Workgroups of a dispatch along an axis.
    pub groups: u32,
    /// Bytes of workgroup memory.
    pub shared: u32,
    /// Storage buffers of a kernel.
    pub storage_buffers: u32,
}

impl Limits {
    /// What every WebGPU has.
    pub const LEAST: Limits =
        Limits { binding: 128 << 20, buffer: 256 << 20, groups: 65_535, shared: 16_384, storage_buffers: 8 };
}

/// A dispatch, ready to be encoded.
pub struct Command<'a> {
    pub label: &'a str,
    pub source: &'a Rc<str>,
    /// The storage buffers in order, and whether each is written.
    pub regions: &'a [(Region, bool)],
    /// Where its numbers lie in the uniform buffer, in bytes.
    pub uniform: u32,
    pub grid: [u32; 3],
}

/// Bytes between the uniforms of two dispatches.
/// <https://www.w3.org/TR/webgpu/#dom-supported-limits-minuniformbufferoffsetalignment>
pub const UNIFORM_STRIDE: usize = 256;
/// Bytes of a dispatch's uniform, at most.
pub const UNIFORM_BYTES: usize = 512;
/// Bytes of the uniform buffer: room for a list of some 250 dispatches.
pub const UNIFORM_BUFFER: usize = 64 << 10;

/// What a device was asked for so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub dispatches: usize,
    pub passes: usize,
    pub submits: usize,
    pub pipelines: usize,
    pub bind_groups: usize,
    pub buffers_created: usize,
    pub buffers_destroyed: usize,
    /// Calls of `writeBuffer`, and their bytes.
    pub writes: usize,
    pub bytes_uploaded: usize,
    pub reads: usize,
    pub bytes_read: usize,
}

/// A copy into a buffer that the host can read, at the end of a submission.
pub type ReadBack = (Region, BufferId);

pub trait Driver {
    fn limits(&self) -> Limits;
    fn create(&mut self, id: BufferId, bytes: usize, op: &str);
    /// A buffer for [`ReadBack`].
    fn create_staging(&mut self, id: BufferId, bytes: usize);
    fn destroy(&mut self, id: BufferId);
    /// Writes before whatever is submitted next.
    fn write(&mut self, region: Region, words: &[u32]);
    /// Runs the commands in order, as one submission with one upload of all uniforms.
    fn submit(&mut self, uniforms: &[u32], commands: &[Command], read: Option<ReadBack>);
    fn counts(&self) -> Counts;
    fn as_any(&mut self) -> &mut dyn std::any::Any;
}

/// Notes what it is asked for.
#[derive(Default)]
pub struct Recorder {
    pub sources: Vec<(String, Rc<str>)>,
    counts: Counts,
}

impl Driver for Recorder {
    fn limits(&self) -> Limits {
        Limits::LEAST
    }
    fn create(&mut self, _: BufferId, _: usize, _: &str) {
        self.counts.buffers_created += 1;
    }
    fn create_staging(&mut self, _: BufferId, _: usize) {}
    fn destroy(&mut self, _: BufferId) {
        self.counts.buffers_destroyed += 1;
    }
    fn write(&mut self, _: Region, words: &[u32]) {
        self.counts.writes += 1;
        self.counts.bytes_uploaded += words.len() * 4;
    }
    fn submit(&mut self, _: &[u32], commands: &[Command], _: Option<ReadBack>) {
        self.counts.submits += 1;
        self.counts.dispatches += commands.len();
        self.sources.extend(commands.iter().map(|c| (c.label.to_string(), c.source.clone())));
    }
    fn counts(&self) -> Counts {
        self.counts
    }
    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}
