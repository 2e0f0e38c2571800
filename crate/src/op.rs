//! What an operation is: everything the engine knows about one, in one place.
use std::cell::{Ref, RefMut};

use crate::error::{Error, Result};
use crate::gpu::kernel::Plan;
use crate::shape::Layout;
use crate::tape::Context;
use crate::tensor::{DType, Meta, Tensor};

/// An operation on tensors; `self` holds the parameters of one call (stride, padding, dims ...).
pub trait Op: 'static {
    /// As in error messages and, in camel case, in `gradFn`.
    fn name(&self) -> &'static str;

    /// Shapes and dtypes of what [`Op::cpu`] writes, or why the inputs do not fit. The only validation.
    /// The first output is the differentiable one.
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>>;

    /// How many of the outputs the caller sees; the others are kept for `backward` (pool indices, masks).
    fn public_outputs(&self) -> usize {
        1
    }

    /// Plain loops: the specification. Every element of every output must be written.
    fn cpu(&self, x: &[Input<'_>], out: &mut [Output<'_>]) -> Result<()>;

    /// The same computation as kernels for the GPU. Nothing was computed yet: only shapes, dtypes and layouts are
    /// known, and the range of integers that were uploaded.
    fn gpu(&self, x: &[GpuInput<'_>], out: &[Meta]) -> Result<Plan>;

    /// Overwrites `target`, the contiguous first input, with the first output, where that saves a copy.
    /// `x` are the other inputs; none of them shares the target's memory. `false`: not done.
    fn cpu_in_place(&self, _target: &mut Output<'_>, _x: &[Input<'_>]) -> bool {
        false
    }

    /// For operations that move nothing: where the output lies in the storage of the only input.
    fn view(&self, _x: &Tensor) -> Result<Option<Layout>> {
        Ok(None)
    }

    /// Whether inputs may come with any strides; otherwise their elements lie in order.
    fn strided(&self) -> bool {
        false
    }

    /// What `backward` reads.
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }

    /// Whether gradients pass; comparisons and indices are constants.
    fn differentiable(&self) -> bool {
        true
    }

    /// The gradient of each input, `None` where there is none, written with other operations.
    fn backward(&self, _ctx: &Context<'_>, _dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Err(Error::autograd("the gradient of this operation is not differentiable itself").of(self.name()))
    }
}

/// Which inputs and outputs `backward` reads, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saves {
    pub inputs: u32,
    pub outputs: u32,
}

impl Saves {
    pub const NOTHING: Saves = Saves { inputs: 0, outputs: 0 };
    pub const fn inputs(bits: u32) -> Self {
        Saves { inputs: bits, outputs: 0 }
    }
    pub const fn outputs(bits: u32) -> Self {
        Saves { inputs: 0, outputs: bits }
    }
}

/// An input of a kernel.
pub struct Input<'a> {
    pub meta: &'a Meta,
    pub layout: &'a Layout,
    words: Ref<'a, Vec<u32>>,
}

impl<'a> Input<'a> {
    pub fn new(tensor: &'a Tensor) -> Self {
        Input { meta: tensor.meta(), layout: tensor.layout(), words: tensor.storage().words() }
    }

    pub fn shape(&self) -> &[usize] {
        &self.meta.shape
    }

    pub fn dtype(&self) -> DType {
        self.meta.dtype
    }

    /// The elements in order. For strided operations use [`Input::storage`].
    pub fn words(&self) -> &[u32] {
        debug_assert!(self.layout.is_contiguous());
        let start = self.layout.offset;
        self.words.get(start..start + self.meta.numel()).unwrap_or(&[])
    }

    pub fn f32(&self) -> &[f32] {
        bytemuck::cast_slice(self.words())
    }

    pub fn i32(&self) -> &[i32] {
        bytemuck::cast_slice(self.words())
    }

    /// The whole storage, to be read through `layout`.
    pub fn storage(&self) -> &[u32] {
        &self.words
    }

    pub fn storage_f32(&self) -> &[f32] {
        bytemuck::cast_slice(self.storage())
    }
}

/// An input of a kernel on the GPU.
pub struct GpuInput<'a> {
    pub meta: &'a Meta,
    /// Where its elements lie in what the kernel binds: from its start, in order, unless the operation reads strides.
    pub layout: &'a Layout,
    /// The smallest and largest element, where they are known: integers that the host uploaded.
    pub range: Option<(i32, i32)>,
}

impl<'a> GpuInput<'a> {
    pub fn new(tensor: &'a Tensor) -> Self {
        let storage = tensor.storage();
        // What part of a storage holds may be less than its range.
        let range = storage.range().filter(|_| tensor.numel() == storage.len());
        GpuInput { meta: tensor.meta(), layout: tensor.layout(), range }
    }

    pub fn shape(&self) -> &[usize] {
        &self.meta.shape
    }

    pub fn numel(&self) -> usize {
        self.meta.numel()
    }
}

/// An output of a kernel, contiguous.
pub struct Output<'a> {
    pub meta: &'a Meta,
    offset: usize,
    words: RefMut<'a, Vec<u32>>,
}

impl<'a> Output<'a> {
    pub fn new(tensor: &'a Tensor) -> Self {
        Output { meta: tensor.meta(), offset: tensor.layout().offset, words: tensor.storage().words_mut() }
    }

    pub fn shape(&self) -> &[usize] {
        &self.meta.shape
    }

    pub fn words(&mut self) -> &mut [u32] {
        let (start, len) = (self.offset, self.meta.numel());
        self.words.get_mut(start..start + len).unwrap_or(&mut [])
    }

    pub fn f32(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.words())
    }

    pub fn i32(&mut self) -> &mut [i32] {
        bytemuck::cast_slice_mut(self.words())
    }
}
