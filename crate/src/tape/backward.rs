//! The sweep from a loss back to the leaves.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{edge_of, no_grad, Edge, Node};
use crate::error::{Error, Result};
use crate::gpu;
use crate::op::{Input, Op, Output};
use crate::ops::binary;
use crate::storage::{Device, GradPlace};
use crate::tensor::{DType, Tensor};

/// Adds d`root`/d`leaf`, times `gradient`, to the gradient of every leaf that asked for one.
pub fn backward(root: &Tensor, gradient: Option<&Tensor>, retain_graph: bool) -> Result<()> {
    no_grad(|| sweep(root, gradient, retain_graph)).map_err(|e| e.of("backward"))
}

fn sweep(root: &Tensor, gradient: Option<&Tensor>, retain_graph: bool) -> Result<()> {
    if !root.requires_grad() {
        return Err(Error::autograd("the tensor does not require grad and does not have a grad_fn"));
    }
    let gradient = match gradient {
        Some(gradient) if gradient.device() != root.device() => {
            return Err(Error::device(format!(
                "the gradient is on \"{}\", the tensor on \"{}\"",
                gradient.device().name(),
                root.device().name()
            )))
        }
        Some(gradient) if gradient.meta() == root.meta() => gradient.clone(),
        Some(gradient) => {
            return Err(Error::shape(format!(
                "the gradient has shape {:?} and dtype {}, the tensor {:?} and {}",
                gradient.shape(),
                gradient.dtype().name(),
                root.shape(),
                root.dtype().name()
            )))
        }
        None if root.numel() == 1 => one(root)?,
        None => {
            return Err(Error::autograd(format!(
                "grad can be implicitly created only for scalar outputs, this one has shape {:?}",
                root.shape()
            )))
        }
    };

    let mut pending = Pending::default();
    pending.push(&edge_of(root)?, gradient)?;
    while let Some((_, (node, dy))) = pending.nodes.pop_last() {
        for tensor in node.retained().iter().filter_map(|t| t.upgrade()) {
            tensor.autograd().borrow_mut().grad = Some(dy.clone());
        }
        let gradients = node.run(&dy, retain_graph)?;
        drop(dy);
        for (edge, dx) in node.edges.iter().zip(gradients) {
            if let Some(dx) = dx {
                pending.push(edge, dx)?;
            }
        }
    }
    for (leaf, gradient) in pending.leaves.into_values() {
        accumulate_grad(&leaf, gradient)?;
    }
    Ok(())
}

thread_local! {
    /// The gradient that `backward()` begins with on the GPU, and the device it is on: it need not be made each step.
    static ONE: RefCell<Option<(u32, Tensor)>> = const { RefCell::new(None) };
}

/// The gradient of a loss with respect to itself.
fn one(root: &Tensor) -> Result<Tensor> {
    if root.device() == Device::Cpu || !root.shape().is_empty() {
        return Tensor::full_on(root.device(), root.meta(), 1.0);
    }
    let device = root.storage().gpu_memory()?.buffer.device;
    let known = ONE.with_borrow(|one| one.clone().filter(|(of, _)| *of == device));
    if let Some((_, one)) = known {
        return Ok(one);
    }
    let one = Tensor::full_on(Device::Gpu, root.meta(), 1.0)?;
    ONE.replace(Some((device, one.clone())));
    Ok(one)
}

/// Gradients on their way, summed where several meet.
#[derive(Default)]
struct Pending {
    nodes: BTreeMap<u64, (Rc<Node>, Tensor)>,
    leaves: BTreeMap<u64, (Tensor, Tensor)>,
}

impl Pending {
    fn push(&mut self, edge: &Edge, dx: Tensor) -> Result<()> {
        match edge {
            Edge::None => {}
            Edge::Node(node) => match self.nodes.get_mut(&node.id) {
                Some((_, sum)) => add_to(sum, dx)?,
                None => drop(self.nodes.insert(node.id, (node.clone(), dx))),
            },
            Edge::Leaf(leaf) => match self.leaves.get_mut(&leaf.id()) {
                Some((_, sum)) => add_to(sum, dx)?,
                None => drop(self.leaves.insert(leaf.id(), (leaf.clone(), dx))),
            },
        }
        Ok(())
    }
}

/// `sum += dx`, in place where nobody else can see `sum`.
fn add_to(sum: &mut Tensor, dx: Tensor) -> Result<()> {
    if sum.device() == Device::Cpu
        && sum.is_unshared()
        && sum.is_contiguous()
        && dx.is_contiguous()
        && sum.shape() == dx.shape()
    {
        binary::add().cpu_in_place(&mut Output::new(sum), &[Input::new(&dx)]);
    } else {
        *sum = binary::add().of(sum, &dx)?;
    }
    Ok(())
}

/// Lets the GPU compute a gradient into the place that an optimizer has for it, beside those of its group.
fn place(leaf: &Tensor, gradient: &Tensor) -> Result<()> {
    let Some(place) = leaf.storage().grad_place() else { return Ok(()) };
    let storage = gradient.storage();
    if gradient.device() == Device::Gpu
        && gradient.numel() == storage.len()
        && gpu::rename(&storage.gpu_memory()?, &place)?
    {
        storage.set_gpu_memory(place.clone());
        leaf.storage().set_grad_place(GradPlace::new(place, storage));
    }
    Ok(())
}

fn accumulate_grad(leaf: &Tensor, gradient: Tensor) -> Result<()> {
    let existing = leaf.autograd().borrow().grad.clone();
    let grad = match existing {
        // In place, as PyTorch: who holds `p.grad` sees the sum.
        Some(grad) => {
            super::apply_in_place(Rc::new(binary::add()), &grad, &[&gradient])?;
            grad
        }
        None if gradient.is_unshared() && gradient.is_contiguous() => {
            place(leaf, &gradient)?;
            gradient
        }
        None => super::apply(crate::ops::copy::Contiguous, &[&gradient])?,
    };
    debug_assert_eq!(grad.dtype(), DType::F32);
    leaf.autograd().borrow_mut().grad = Some(grad);
    Ok(())
}
