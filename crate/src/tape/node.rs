//! The graph: a node is an operation that ran, its edges lead to what computed its inputs.
use std::cell::{Ref, RefCell};
use std::rc::Rc;

use super::in_place::Slices;
use crate::error::{Error, Result};
use crate::op::{Op, Saves};
use crate::ops::view::AsStrided;
use crate::shape::Layout;
use crate::storage::Storage;
use crate::tensor::{next_id, DType, Meta, Tensor, WeakTensor};

pub struct Node {
    /// Later operations have larger ids, so that descending ids are a topological order.
    pub(crate) id: u64,
    op: Rc<dyn Op>,
    pub(super) edges: Vec<Edge>,
    inputs: Vec<Meta>,
    saved: RefCell<Option<Saved>>,
    /// For a write through a view: the node computes the view's whole base.
    slices: Option<Slices>,
    retained: RefCell<Vec<WeakTensor>>,
}

/// Where the gradient of an input goes.
#[derive(Clone)]
pub(crate) enum Edge {
    None,
    Leaf(Tensor),
    Node(Rc<Node>),
}

/// A tensor kept for `backward`: no reference into the graph, so that no cycle arises.
struct SavedTensor {
    storage: Rc<Storage>,
    layout: Layout,
    dtype: DType,
    version: u32,
}

#[derive(Default)]
pub(crate) struct Saved {
    inputs: Vec<Option<SavedTensor>>,
    outputs: Vec<Option<SavedTensor>>,
}

impl Saved {
    pub fn nothing() -> Self {
        Saved::default()
    }

    pub fn new(saves: Saves, inputs: &[&Tensor], outputs: &[Tensor]) -> Self {
        let keep = |bits: u32, i: usize, t: &Tensor| {
            // Operations with many inputs (cat) save none.
            (i < 32 && bits >> i & 1 == 1).then(|| SavedTensor {
                storage: t.storage().clone(),
                layout: t.layout().clone(),
                dtype: t.dtype(),
                version: t.storage().version(),
            })
        };
        if saves == Saves::NOTHING {
            return Self::nothing();
        }
        Saved {
            inputs: inputs.iter().enumerate().map(|(i, t)| keep(saves.inputs, i, t)).collect(),
            outputs: outputs.iter().enumerate().map(|(i, t)| keep(saves.outputs, i, t)).collect(),
        }
    }

    /// These inputs with those outputs.
    pub fn with_outputs(self, other: Saved) -> Self {
        Saved { inputs: self.inputs, outputs: other.outputs }
    }

    fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.outputs.is_empty()
    }
}

impl SavedTensor {
    fn unpack(&self, output_of: Option<&str>) -> Result<Tensor> {
        let version = self.storage.version();
        if version != self.version {
            let origin = output_of.map_or(String::new(), |name| format!(", which is output 0 of {name},"));
            return Err(Error::autograd(format!(
                "one of the variables needed for gradient computation has been modified by an inplace operation: \
                 [{} {:?}]{origin} is at version {version}; expected version {} instead",
                self.dtype.name(),
                self.layout.shape,
                self.version
            )));
        }
        Ok(Tensor::new(self.storage.clone(), self.layout.clone(), self.dtype))
    }
}

/// What an operation's `backward` reads.
pub struct Context<'a> {
    node: &'a Node,
    saved: &'a Saved,
}

impl Context<'_> {
    pub fn input(&self, i: usize) -> Result<Tensor> {
        let saved = self.saved.inputs.get(i).and_then(Option::as_ref);
        saved.ok_or_else(|| Error::autograd(format!("input {i} was not saved")))?.unpack(None)
    }

    pub fn output(&self, i: usize) -> Result<Tensor> {
        let saved = self.saved.outputs.get(i).and_then(Option::as_ref);
        let saved = saved.ok_or_else(|| Error::autograd(format!("output {i} was not saved")))?;
        saved.unpack(Some(&self.node.name()))
    }

    /// Shape and dtype of an input.
    pub fn meta(&self, i: usize) -> &Meta {
        &self.node.inputs[i]
    }

    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// Whether the gradient of an input is asked for.
    pub fn needs(&self, i: usize) -> bool {
        !matches!(self.node.edges[i], Edge::None) || (i == 0 && self.node.slices.is_some())
    }
}

impl Node {
    pub(crate) fn new(op: Rc<dyn Op>, edges: Vec<Edge>, inputs: Vec<Meta>, saved: Saved) -> Rc<Self> {
        Self::with_slices(op, edges, inputs, saved, None)
    }

    pub(super) fn with_slices(
        op: Rc<dyn Op>,
        edges: Vec<Edge>,
        inputs: Vec<Meta>,
        saved: Saved,
        slices: Option<Slices>,
    ) -> Rc<Self> {
        let saved = RefCell::new(Some(saved));
        Rc::new(Node { id: next_id(), op, edges, inputs, saved, slices, retained: RefCell::default() })
    }

    /// As PyTorch prints it: `ReluBackward0`.
    pub fn name(&self) -> String {
        if self.slices.is_some() {
            return "CopySlices".into();
        }
        let words = self.op.name().split('_').map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        });
        words.collect::<String>() + "Backward0"
    }

    /// `tensor`, computed by this node, gets its gradient when `backward` passes.
    pub(crate) fn retain(&self, tensor: &Tensor) {
        self.retained.borrow_mut().push(tensor.downgrade());
    }

    pub(super) fn retained(&self) -> Ref<'_, Vec<WeakTensor>> {
        self.retained.borrow()
    }

    /// The gradients of the inputs. Frees what was saved, unless `retain_graph`.
    pub(super) fn run(&self, dy: &Tensor, retain_graph: bool) -> Result<Vec<Option<Tensor>>> {
        let taken = {
            let mut saved = self.saved.borrow_mut();
            let keep = retain_graph || saved.as_ref().is_some_and(Saved::is_empty);
            if keep {
                None
            } else {
                Some(saved.take())
            }
        };
        let freed = || {
            Error::autograd(
                "Trying to backward through the graph a second time (or directly access saved tensors after they \
                 have already been freed). Specify retainGraph: true in the first call of backward",
            )
        };
        let borrowed = self.saved.borrow();
        let saved = match &taken {
            Some(taken) => taken.as_ref(),
            None => borrowed.as_ref(),
        };
        let ctx = Context { node: self, saved: saved.ok_or_else(freed)? };
        let backward = |dy: &Tensor| self.op.backward(&ctx, dy).map_err(|e| e.of(&self.name()));
        match &self.slices {
            Some(slices) => slices.backward(dy, backward),
            None => backward(dy),
        }
    }
}

/// A long chain of nodes is taken apart in a loop: recursion would overflow the stack.
impl Drop for Node {
    fn drop(&mut self) {
        let mut edges = std::mem::take(&mut self.edges);
        while let Some(edge) = edges.pop() {
            if let Edge::Node(node) = edge {
                if let Some(mut node) = Rc::into_inner(node) {
                    edges.append(&mut node.edges);
                }
            }
        }
    }
}

/// The node that computed `tensor`. After a write to a view's storage it is made anew from the base.
pub(crate) fn node_of(tensor: &Tensor) -> Result<Option<Rc<Node>>> {
    let view = tensor.autograd().borrow().view.clone();
    if let Some(view) = view.filter(|v| !v.untracked && v.version != tensor.storage().version()) {
        if view.base.requires_grad() {
            let op = AsStrided { base: view.base.layout().clone(), view: tensor.layout().clone() };
            let edges = vec![edge_of(&view.base)?];
            let node = Node::new(Rc::new(op), edges, vec![view.base.meta().clone()], Saved::nothing());
            let mut autograd = tensor.autograd().borrow_mut();
            autograd.node = Some(node);
            if let Some(view) = &mut autograd.view {
                view.version = tensor.storage().version();
            }
        }
    }
    Ok(tensor.autograd().borrow().node.clone())
}

pub(crate) fn edge_of(tensor: &Tensor) -> Result<Edge> {
    Ok(match node_of(tensor)? {
        Some(node) => Edge::Node(node),
        None if tensor.requires_grad() => Edge::Leaf(tensor.clone()),
        None => Edge::None,
    })
}
