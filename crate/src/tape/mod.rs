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

use crate::error::Result;
use crate::op::{Input, Op, Output};
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
    let outputs = op.outputs(&metas)?.iter().map(Tensor::uninitialized).collect::<Result<Vec<_>>>()?;
    let ordered = ordered_inputs(op, x)?;
    let inputs: Vec<Input> = ordered.iter().map(Input::new).collect();
    let mut slots: Vec<Output> = outputs.iter().map(Output::new).collect();
    op.cpu(&inputs, &mut slots)?;
    drop(slots);
    Ok(outputs)
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
