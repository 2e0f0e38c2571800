//! Running operations and remembering them: `apply` is the only place that allocates outputs and records.
mod backward;
mod in_place;
mod node;

pub use backward::backward;
pub use in_place::apply_in_place;
pub(crate) use node::{edge_of, node_of, Edge, Saved};
pub use node::{Context, Node};

use std::cell::Cell;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::gpu;
use crate::op::{Input, Op, Output};
use crate::profile;
use crate::storage::Device;
use crate::tensor::{DType, Meta, Tensor, View};

thread_local! {
    static GRAD_ENABLED: Cell<bool> = const { Cell::new(true) };
}

pub fn is_grad_enabled() -> bool {
    GRAD_ENABLED.with(Cell::get)
}

/// Turns recording on or off and returns what it was.
pub fn set_grad_enabled(on: bool) -> bool {
    GRAD_ENABLED.with(|enabled| enabled.replace(on))
}

/// Runs `f` without recording.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            set_grad_enabled(self.0);
        }
    }
    let _restore = Restore(set_grad_enabled(false));
    f()
}

/// Runs `op` and returns its first output.
pub fn apply(op: impl Op, x: &[&Tensor]) -> Result<Tensor> {
    Ok(apply_all(Rc::new(op), x)?.swap_remove(0))
}

/// Runs `op` and returns the outputs its caller sees; records it if an input wants a gradient.
pub fn apply_all(op: Rc<dyn Op>, x: &[&Tensor]) -> Result<Vec<Tensor>> {
    let name = op.name();
    run(op, x).map_err(|error| error.of(name))
}

fn run(op: Rc<dyn Op>, x: &[&Tensor]) -> Result<Vec<Tensor>> {
    let record = is_grad_enabled() && op.differentiable() && x.iter().any(|t| t.requires_grad());
    if let [source] = x {
        if let Some(layout) = op.view(source)? {
            return Ok(vec![view_of(op, source, layout, record)?]);
        }
    }
    let outputs = compute(&*op, x)?;
    if record && outputs[0].dtype() == DType::F32 {
        let edges = x.iter().map(|t| edge_of(t)).collect::<Result<Vec<_>>>()?;
        let saved = Saved::new(op.saves(), x, &outputs);
        let node = Node::new(op.clone(), edges, metas(x), saved);
        outputs[0].autograd().borrow_mut().node = Some(node);
    }
    let mut outputs = outputs;
    outputs.truncate(op.public_outputs());
    Ok(outputs)
}

fn metas(x: &[&Tensor]) -> Vec<Meta> {
    x.iter().map(|t| t.meta().clone()).collect()
}

/// Allocates the outputs of `op` and fills them, without a trace in the graph.
fn compute(op: &dyn Op, x: &[&Tensor]) -> Result<Vec<Tensor>> {
    let metas: Vec<&Meta> = x.iter().map(|t| t.meta()).collect();
    let outputs = op.outputs(&metas)?;
    if common_device(x)? == Device::Gpu {
        let x = on_gpu(x)?;
        return gpu::run(op, &x.iter().collect::<Vec<_>>(), &outputs);
    }
    let outputs = outputs.iter().map(Tensor::uninitialized).collect::<Result<Vec<_>>>()?;
    let ordered = ordered_inputs(op, x)?;
    let inputs: Vec<Input> = ordered.iter().map(Input::new).collect();
    let mut slots: Vec<Output> = outputs.iter().map(Output::new).collect();
    profile::timed(op.name(), || op.cpu(&inputs, &mut slots))?;
    drop(slots);
    Ok(outputs)
}

/// Where an operation on these tensors runs. A number on the CPU joins tensors on the GPU, as in PyTorch.
pub(crate) fn common_device(x: &[&Tensor]) -> Result<Device> {
    let on_gpu = |t: &&&Tensor| t.device() == Device::Gpu;
    if !x.iter().any(|t| on_gpu(&t)) {
        return Ok(Device::Cpu);
    }
    match x.iter().find(|t| !on_gpu(t) && !t.shape().is_empty()) {
        None => Ok(Device::Gpu),
        Some(stranger) => Err(Error::device(format!(
            "expected all tensors to be on the same device, but found at least two, \"webgpu\" and \"cpu\": \
             the one of shape {:?} is on \"cpu\"; move it with .to(\"webgpu\")",
            stranger.shape()
        ))),
    }
}

/// The same tensors, numbers of the CPU uploaded.
pub(crate) fn on_gpu(x: &[&Tensor]) -> Result<Vec<Tensor>> {
    let move_over = |t: &Tensor| {
        if t.device() == Device::Gpu {
            return Ok(t.clone());
        }
        // A number is written by a kernel: an upload would wait for what reads the buffer.
        if t.shape().is_empty() && t.dtype() != DType::I32 {
            return Tensor::full_on(Device::Gpu, t.meta(), t.item()?);
        }
        let copy = apply(crate::ops::copy::Clone, &[&t.detach()])?;
        copy.storage().move_to_gpu(copy.dtype() == DType::I32, "to")?;
        Ok(copy)
    };
    no_grad(|| x.iter().map(|t| move_over(t)).collect())
}

/// The inputs as `op` wants them: contiguous, unless it reads strides.
fn ordered_inputs(op: &dyn Op, x: &[&Tensor]) -> Result<Vec<Tensor>> {
    no_grad(|| x.iter().map(|t| if op.strided() { Ok((*t).clone()) } else { t.contiguous() }).collect())
}

fn view_of(op: Rc<dyn Op>, source: &Tensor, layout: crate::shape::Layout, record: bool) -> Result<Tensor> {
    let view = source.with_layout(layout);
    let node = if record && source.dtype() == DType::F32 {
        let edges = vec![edge_of(source)?];
        Some(Node::new(op, edges, metas(&[source]), Saved::nothing()))
    } else {
        None
    };
    let base = source.autograd().borrow().view.as_ref().map_or_else(|| source.clone(), |v| v.base.clone());
    let mut autograd = view.autograd().borrow_mut();
    autograd.node = node;
    autograd.view = Some(View { base, version: source.storage().version(), untracked: !is_grad_enabled() });
    drop(autograd);
    Ok(view)
}
