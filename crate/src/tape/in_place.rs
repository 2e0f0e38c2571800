//! Operations that overwrite their first input, right under autograd for tensors and views, or refused.
use std::rc::Rc;

use super::{compute, edge_of, is_grad_enabled, metas, no_grad, ordered_inputs, Edge, Node, Saved};
use crate::error::{Error, Result};
use crate::op::{Input, Op, Output};
use crate::ops::copy;
use crate::profile;
use crate::shape::Layout;
use crate::storage::Device;
use crate::tensor::{DType, Meta, Tensor};

/// `target = op(target, x...)`, written into the target's storage.
pub fn apply_in_place(op: Rc<dyn Op>, target: &Tensor, x: &[&Tensor]) -> Result<()> {
    let name = op.name();
    let named = |error: Error| error.of(&format!("{name}_"));
    // A copy is the way from one device to another, as in PyTorch.
    let copies = name == copy::Copy.name() && target.device() == Device::Gpu;
    if copies && x.iter().any(|t| t.device() == Device::Cpu && !t.requires_grad()) {
        let moved = super::on_gpu(x).map_err(named)?;
        return run(op, target, &moved.iter().collect::<Vec<_>>()).map_err(named);
    }
    run(op, target, x).map_err(named)
}

fn run(op: Rc<dyn Op>, target: &Tensor, x: &[&Tensor]) -> Result<()> {
    let inputs: Vec<&Tensor> = std::iter::once(target).chain(x.iter().copied()).collect();
    let record = is_grad_enabled() && inputs.iter().any(|t| t.requires_grad());
    check_target(target, record)?;
    let metas_in: Vec<&Meta> = inputs.iter().map(|t| t.meta()).collect();
    let output = op.outputs(&metas_in)?.swap_remove(0);
    if output.shape != target.shape() {
        return Err(Error::shape(format!(
            "output with shape {:?} doesn't match the broadcast shape {:?}",
            target.shape(),
            output.shape
        )));
    }
    if output.dtype != target.dtype() {
        return Err(Error::dtype(format!(
            "result type {} can't be cast to the desired output type {}",
            output.dtype.name(),
            target.dtype().name()
        )));
    }

    // The graph as it was before the write.
    let saves = op.saves();
    let old = if record && saves.inputs & 1 == 1 {
        Some(no_grad(|| super::apply(copy::Clone, &[target]))?)
    } else {
        None
    };
    let base = target.autograd().borrow().view.as_ref().filter(|v| !v.untracked).map(|v| v.base.clone());
    let edges = if record {
        let mut edges = inputs.iter().map(|t| edge_of(t)).collect::<Result<Vec<Edge>>>()?;
        if let Some(base) = &base {
            edges[0] = edge_of(base)?;
        }
        edges
    } else {
        vec![]
    };
    let mut kept = inputs.clone();
    if let Some(old) = &old {
        kept[0] = old;
    }
    let inputs_saved = Saved::new(crate::op::Saves { outputs: 0, ..saves }, &kept, &[]);

    let extra = write(&*op, target, x)?;
    target.storage().touch();

    if record && op.differentiable() {
        let mut outputs = vec![target.clone()];
        outputs.extend(extra);
        let outputs_saved = Saved::new(crate::op::Saves { inputs: 0, ..saves }, &[], &outputs);
        let saved = inputs_saved.with_outputs(outputs_saved);
        let slices = base.as_ref().map(|base| Slices::new(base, target));
        let node = Node::with_slices(op, edges, metas(&inputs), saved, slices);
        // The view's own node is made anew from the base when it is asked for.
        base.as_ref().unwrap_or(target).autograd().borrow_mut().node = Some(node);
    }
    Ok(())
}

fn check_target(target: &Tensor, record: bool) -> Result<()> {
    let autograd = target.autograd().borrow();
    let leaf_view = autograd.view.as_ref().is_some_and(|v| v.base.is_leaf() && v.base.requires_grad());
    if is_grad_enabled() && leaf_view {
        return Err(Error::autograd(
            "a view of a leaf Variable that requires grad is being used in an in-place operation.",
        ));
    }
    if record && autograd.view.as_ref().is_some_and(|v| v.untracked) {
        return Err(Error::autograd(
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled.",
        ));
    }
    if is_grad_enabled() && autograd.requires_grad && autograd.node.is_none() {
        return Err(Error::autograd(
            "a leaf Variable that requires grad is being used in an in-place operation.",
        ));
    }
    if target.layout().overlaps() {
        return Err(Error::argument(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory \
             location. Please clone() the tensor before performing the operation.",
        ));
    }
    Ok(())
}

/// Writes the first output into `target`; returns the other outputs, which `backward` may want.
fn write(op: &dyn Op, target: &Tensor, x: &[&Tensor]) -> Result<Vec<Tensor>> {
    let inputs: Vec<&Tensor> = std::iter::once(target).chain(x.iter().copied()).collect();
    if super::common_device(&inputs)? == Device::Gpu {
        return write_on_gpu(op, target, &inputs);
    }
    let aliased = x.iter().any(|t| Rc::ptr_eq(t.storage(), target.storage()));
    if target.is_contiguous() && !aliased {
        let ordered = ordered_inputs(op, x)?;
        let inputs: Vec<Input> = ordered.iter().map(Input::new).collect();
        if profile::timed(op.name(), || op.cpu_in_place(&mut Output::new(target), &inputs)) {
            return Ok(vec![]);
        }
    }
    let mut outputs = compute(op, &inputs)?;
    let result = outputs.remove(0);
    copy::write(target, &result)?;
    Ok(outputs)
}

/// As [`write`]: the output becomes the memory of the target's storage, or is copied into its part of it.
fn write_on_gpu(op: &dyn Op, target: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    if target.device() != Device::Gpu {
        return Err(Error::device("a tensor on \"cpu\" cannot take values from \"webgpu\""));
    }
    let mut outputs = compute(op, inputs)?;
    let result = outputs.remove(0);
    let whole = target.is_contiguous() && target.numel() == target.storage().len();
    if whole {
        target.storage().set_gpu_memory(result.storage().gpu_memory()?);
    } else {
        copy::write(target, &result)?;
    }
    Ok(outputs)
}

/// A write through a view, seen from the view's base.
pub(super) struct Slices {
    base: Layout,
    view: Layout,
    storage: usize,
    shape: Vec<usize>,
}

impl Slices {
    fn new(base: &Tensor, view: &Tensor) -> Self {
        Slices {
            base: base.layout().clone(),
            view: view.layout().clone(),
            storage: base.storage().len(),
            shape: view.shape().to_vec(),
        }
    }

    /// The base's gradient passes, except in the slice, where the operation's gradient takes its place.
    pub fn backward(
        &self,
        dy: &Tensor,
        backward: impl FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>>,
    ) -> Result<Vec<Option<Tensor>>> {
        let whole = Tensor::zeros_on(dy.device(), &Meta::new(vec![self.storage], DType::F32))?;
        copy::write(&whole.with_layout(self.base.clone()), dy)?;
        let slice = whole.with_layout(self.view.clone());
        let mut gradients = backward(&super::apply(copy::Clone, &[&slice])?)?;
        match gradients[0].take() {
            Some(dx) => copy::write(&slice, &dx)?,
            None => copy::write(&slice, &Tensor::zeros_on(dy.device(), &Meta::f32(self.shape.clone()))?)?,
        }
        gradients[0] = Some(super::apply(copy::Clone, &[&whole.with_layout(self.base.clone())])?);
        Ok(gradients)
    }
}
