//! A tensor: a view of a storage, and its place in the autograd graph.
use std::cell::{Cell, Ref, RefCell};
use std::rc::{Rc, Weak};

use crate::error::{Error, Result};
use crate::shape::{checked_numel, Layout, Shape};
use crate::storage::{Device, Storage};
use crate::tape::{self, Node};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    F32,
    I32,
    Bool,
}

impl DType {
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::I32 => "int32",
            DType::Bool => "bool",
        }
    }

    /// PyTorch's promotion: bool < int32 < float32.
    pub fn promote(self, other: DType) -> DType {
        match (self, other) {
            (DType::F32, _) | (_, DType::F32) => DType::F32,
            (DType::I32, _) | (_, DType::I32) => DType::I32,
            _ => DType::Bool,
        }
    }

    /// The word that stands for `value`.
    pub fn word(self, value: f64) -> u32 {
        match self {
            DType::F32 => (value as f32).to_bits(),
            DType::I32 => value as i32 as u32,
            DType::Bool => (value != 0.0) as u32,
        }
    }

    /// The number that `word` stands for.
    pub fn value(self, word: u32) -> f64 {
        match self {
            DType::F32 => f32::from_bits(word) as f64,
            DType::I32 => word as i32 as f64,
            DType::Bool => word as f64,
        }
    }
}

/// Shape and dtype: what an operation knows before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub shape: Shape,
    pub dtype: DType,
}

impl Meta {
    pub fn new(shape: Shape, dtype: DType) -> Self {
        Meta { shape, dtype }
    }
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Meta { shape: shape.into(), dtype: DType::F32 }
    }
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    pub fn require_float(&self) -> Result<()> {
        if self.dtype == DType::F32 {
            return Ok(());
        }
        Err(Error::dtype(format!("expected a float32 tensor, got {}", self.dtype.name())))
    }

    /// As [`Meta::require_float`] for each of several, naming the one that is not.
    pub fn require_floats(x: &[&Meta]) -> Result<()> {
        match x.iter().find(|m| m.dtype != DType::F32) {
            Some(m) => {
                Err(Error::dtype(format!("expected float32 tensors, got {} {:?}", m.dtype.name(), m.shape)))
            }
            None => Ok(()),
        }
    }
}

#[derive(Clone)]
pub struct Tensor(Rc<Inner>);

struct Inner {
    id: u64,
    storage: Rc<Storage>,
    layout: Layout,
    meta: Meta,
    autograd: RefCell<Autograd>,
}

/// A tensor's place in the autograd graph.
#[derive(Default)]
pub(crate) struct Autograd {
    /// Asked for by the user, on a leaf.
    pub requires_grad: bool,
    /// The operation that computed this tensor as its first output.
    pub node: Option<Rc<Node>>,
    pub grad: Option<Tensor>,
    pub retain_grad: bool,
    pub view: Option<View>,
}

/// What a view remembers, so that a write through either side is seen by the other.
#[derive(Clone)]
pub(crate) struct View {
    pub base: Tensor,
    /// The storage's version for which the view's node is right.
    pub version: u32,
    /// Made while gradients were off: it may not be written to with them on.
    pub untracked: bool,
}

thread_local! {
    static NEXT_ID: Cell<u64> = const { Cell::new(1) };
}

pub(crate) fn next_id() -> u64 {
    NEXT_ID.with(|next| next.replace(next.get() + 1))
}

impl Tensor {
    pub(crate) fn new(storage: Rc<Storage>, layout: Layout, dtype: DType) -> Self {
        let meta = Meta::new(layout.shape.clone(), dtype);
        Tensor(Rc::new(Inner { id: next_id(), storage, layout, meta, autograd: RefCell::default() }))
    }

    /// A contiguous tensor in memory of the GPU.
    pub(crate) fn on_gpu(meta: &Meta, memory: crate::gpu::memory::Memory) -> Result<Self> {
        let layout = Layout::contiguous(meta.shape.clone());
        Ok(Self::new(Rc::new(Storage::on_gpu(memory)), layout, meta.dtype))
    }

    /// A contiguous tensor with arbitrary content, on the CPU.
    pub fn uninitialized(meta: &Meta) -> Result<Self> {
        let numel = checked_numel(&meta.shape)?;
        let storage = Rc::new(Storage::uninitialized(numel)?);
        Ok(Self::new(storage, Layout::contiguous(meta.shape.clone()), meta.dtype))
    }

    /// A contiguous tensor of one value on a device.
    pub fn full_on(device: Device, meta: &Meta, value: f64) -> Result<Self> {
        match device {
            Device::Cpu => Self::full(meta, value),
            Device::Gpu => crate::ops::copy::fill_on_gpu(meta, value),
        }
    }

    pub fn zeros_on(device: Device, meta: &Meta) -> Result<Self> {
        Self::full_on(device, meta, 0.0)
    }

    /// A contiguous tensor of one value, on the CPU.
    pub fn full(meta: &Meta, value: f64) -> Result<Self> {
        let numel = checked_numel(&meta.shape)?;
        let storage = Rc::new(Storage::filled(numel, meta.dtype.word(value))?);
        Ok(Self::new(storage, Layout::contiguous(meta.shape.clone()), meta.dtype))
    }

    pub fn zeros(meta: &Meta) -> Result<Self> {
        Self::full(meta, 0.0)
    }

    pub fn scalar(value: f64, dtype: DType) -> Result<Self> {
        Self::full(&Meta::new(vec![], dtype), value)
    }

    /// A contiguous tensor of these words, which must be as many as the shape has elements.
    pub fn from_words(words: &[u32], shape: Shape, dtype: DType) -> Result<Self> {
        if checked_numel(&shape)? != words.len() {
            return Err(Error::shape(format!(
                "shape {shape:?} needs {} values, got {}",
                checked_numel(&shape)?,
                words.len()
            )));
        }
        let tensor = Self::uninitialized(&Meta::new(shape, dtype))?;
        tensor.storage().words_mut().copy_from_slice(words);
        Ok(tensor)
    }

    pub fn from_f32(values: &[f32], shape: &[usize]) -> Result<Self> {
        Self::from_words(bytemuck::cast_slice(values), shape.to_vec(), DType::F32)
    }

    pub fn from_i32(values: &[i32], shape: &[usize]) -> Result<Self> {
        Self::from_words(bytemuck::cast_slice(values), shape.to_vec(), DType::I32)
    }

    /// The same storage seen through another layout, outside of autograd.
    pub fn with_layout(&self, layout: Layout) -> Self {
        Self::new(self.0.storage.clone(), layout, self.dtype())
    }

    /// The same storage and layout, outside of autograd.
    pub fn detach(&self) -> Self {
        self.with_layout(self.0.layout.clone())
    }

    pub fn id(&self) -> u64 {
        self.0.id
    }
    pub fn storage(&self) -> &Rc<Storage> {
        &self.0.storage
    }
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }
    pub fn shape(&self) -> &[usize] {
        &self.0.meta.shape
    }
    pub fn dtype(&self) -> DType {
        self.0.meta.dtype
    }
    pub fn numel(&self) -> usize {
        self.0.meta.numel()
    }
    pub fn device(&self) -> Device {
        self.0.storage.device()
    }
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// Whether this is the only tensor of its storage, and `self` its only reference.
    pub(crate) fn is_unshared(&self) -> bool {
        Rc::strong_count(&self.0) == 1 && Rc::strong_count(&self.0.storage) == 1
    }

    pub(crate) fn autograd(&self) -> &RefCell<Autograd> {
        &self.0.autograd
    }

    pub(crate) fn downgrade(&self) -> WeakTensor {
        WeakTensor(Rc::downgrade(&self.0))
    }

    pub fn requires_grad(&self) -> bool {
        let autograd = self.0.autograd.borrow();
        autograd.requires_grad
            || autograd.node.is_some()
            || autograd.view.as_ref().is_some_and(|view| !view.untracked && view.base.requires_grad())
    }

    pub fn is_leaf(&self) -> bool {
        let autograd = self.0.autograd.borrow();
        autograd.node.is_none()
            && !autograd.view.as_ref().is_some_and(|view| !view.untracked && view.base.requires_grad())
    }

    pub fn set_requires_grad(&self, on: bool) -> Result<()> {
        if !self.is_leaf() {
            if on {
                return Ok(());
            }
            return Err(Error::autograd(
                "you can only change requires_grad flags of leaf tensors; use detach() for a tensor without history",
            ));
        }
        if on && self.dtype() != DType::F32 {
            return Err(Error::dtype(format!(
                "only float32 tensors can require gradients, this one is {}",
                self.dtype().name()
            )));
        }
        self.0.autograd.borrow_mut().requires_grad = on;
        Ok(())
    }

    pub fn grad(&self) -> Option<Tensor> {
        self.0.autograd.borrow().grad.clone()
    }

    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(grad) = &grad {
            if grad.device() != self.device() {
                return Err(Error::device(format!(
                    "a gradient must be on the device of its tensor, \"{}\", got one on \"{}\"",
                    self.device().name(),
                    grad.device().name()
                )));
            }
            if grad.meta() != self.meta() {
                return Err(Error::shape(format!(
                    "a gradient must have the shape and dtype of its tensor, {:?} {}, got {:?} {}",
                    self.shape(),
                    self.dtype().name(),
                    grad.shape(),
                    grad.dtype().name()
                )));
            }
        }
        self.0.autograd.borrow_mut().grad = grad;
        Ok(())
    }

    /// Keeps the gradient of a tensor that is not a leaf when `backward` passes it.
    pub fn retain_grad(&self) -> Result<()> {
        if !self.requires_grad() {
            return Err(Error::autograd("can't retain_grad on a tensor that has requires_grad=false"));
        }
        self.0.autograd.borrow_mut().retain_grad = true;
        if let Some(node) = tape::node_of(self)? {
            node.retain(self);
        }
        Ok(())
    }

    /// This tensor, or a copy of it whose elements lie in order.
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.is_contiguous() {
            return Ok(self.clone());
        }
        tape::apply(crate::ops::copy::Contiguous, &[self])
    }

    /// The words in order, borrowed where they lie so.
    pub fn read<R>(&self, f: impl FnOnce(&[u32]) -> R) -> Result<R> {
        if self.device() != Device::Cpu {
            return Err(Error::device(
                "a tensor on \"webgpu\" cannot be read synchronously; await item(), data() or tolist() instead",
            ));
        }
        let whole = tape::no_grad(|| self.contiguous())?;
        let start = whole.layout().offset;
        let words: Ref<'_, Vec<u32>> = whole.storage().words();
        let end = start + whole.numel();
        // An empty tensor may have an offset behind its storage.
        Ok(f(words.get(start..end).unwrap_or(&[])))
    }

    pub fn to_vec_f32(&self) -> Result<Vec<f32>> {
        self.read(|words| bytemuck::cast_slice(words).to_vec())
    }

    pub fn to_vec_i32(&self) -> Result<Vec<i32>> {
        self.read(|words| bytemuck::cast_slice(words).to_vec())
    }

    pub fn item(&self) -> Result<f64> {
        if self.numel() != 1 {
            return Err(Error::shape(format!(
                "only a tensor of one element becomes a number, this one has shape {:?}",
                self.shape()
            ))
            .of("item"));
        }
        self.read(|words| self.dtype().value(words[0]))
    }
}

/// A tensor that may be gone, for what must not keep it alive.
pub(crate) struct WeakTensor(Weak<Inner>);

impl WeakTensor {
    pub fn upgrade(&self) -> Option<Tensor> {
        self.0.upgrade().map(Tensor)
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?}, {})", self.shape(), self.dtype().name())
    }
}
