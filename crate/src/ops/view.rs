//! Operations that move nothing: their output is the input's storage seen through another layout.
use std::rc::Rc;

use super::{sample, Call, Operation, Sample};
use crate::args::Args;
use crate::error::{Error, Result};
use crate::gpu::kernel::Plan;
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{copy, reduce};
use crate::shape::{self, checked_numel, infer_shape, normalize_dim, Layout, Shape};
use crate::tape::{apply, Context};
use crate::tensor::{Meta, Tensor};

/// The methods of an operation whose kernel never runs.
macro_rules! only_view {
    () => {
        fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
            Err(Error::argument(format!("has no in-place form for a tensor of shape {:?}", x[0].shape)))
        }
        fn cpu(&self, _: &[Input], _: &mut [Output]) -> Result<()> {
            Ok(())
        }
        fn gpu(&self, _: &[GpuInput], _: &[Meta]) -> Result<Plan> {
            Ok(Plan::Kernels { kernels: vec![], scratch: vec![] })
        }
    };
}

/// Another shape of as many elements; `None` where the strides do not allow it.
struct View {
    shape: Vec<i64>,
}

impl Op for View {
    only_view!();
    fn name(&self) -> &'static str {
        "view"
    }
    fn view(&self, x: &Tensor) -> Result<Option<Layout>> {
        let shape = infer_shape(&self.shape, x.numel())?;
        let layout = shape::view(x.layout(), &shape).ok_or_else(|| {
            Error::shape(format!(
                "view size is not compatible with input tensor's size and stride (at least one dimension spans \
                 across two contiguous subspaces): {:?} with strides {:?} as {shape:?}. Use reshape(...) instead.",
                x.shape(),
                x.layout().strides
            ))
        })?;
        Ok(Some(layout))
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(reshape(dy, &ctx.meta(0).shape)?)])
    }
}

/// `x` with another shape: a view where strides allow it, else a copy.
pub fn reshape(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    reshape_to(x, shape.iter().map(|&s| s as i64).collect())
}

fn reshape_to(x: &Tensor, shape: Vec<i64>) -> Result<Tensor> {
    let sizes = infer_shape(&shape, x.numel())?;
    if shape::view(x.layout(), &sizes).is_some() {
        apply(View { shape }, &[x])
    } else {
        apply(View { shape }, &[&x.contiguous()?])
    }
}

struct Permute {
    dims: Vec<i64>,
}

impl Permute {
    fn order(&self, rank: usize) -> Result<Vec<usize>> {
        if self.dims.len() != rank {
            return Err(Error::shape(format!("expected {rank} dimensions to permute, got {:?}", self.dims)));
        }
        let order = self.dims.iter().map(|&d| normalize_dim(d, rank)).collect::<Result<Vec<_>>>()?;
        if (0..rank).all(|d| order.contains(&d)) {
            Ok(order)
        } else {
            Err(Error::argument(format!("a dimension appears more than once in {:?}", self.dims)))
        }
    }
}

impl Op for Permute {
    only_view!();
    fn name(&self) -> &'static str {
        "permute"
    }
    fn view(&self, x: &Tensor) -> Result<Option<Layout>> {
        let order = self.order(x.shape().len())?;
        let Layout { offset, shape, strides } = x.layout();
        Ok(Some(Layout {
            offset: *offset,
            shape: order.iter().map(|&d| shape[d]).collect(),
            strides: order.iter().map(|&d| strides[d]).collect(),
        }))
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let order = self.order(ctx.meta(0).rank())?;
        let mut inverse = vec![0; order.len()];
        for (i, &d) in order.iter().enumerate() {
            inverse[d] = i as i64;
        }
        Ok(vec![Some(apply(Permute { dims: inverse }, &[dy])?)])
    }
}

/// `x` with its dimensions in another order.
pub fn permute(x: &Tensor, order: &[usize]) -> Result<Tensor> {
    apply(Permute { dims: order.iter().map(|&d| d as i64).collect() }, &[x])
}

/// `x` with its last two dimensions exchanged.
pub fn transpose(x: &Tensor) -> Result<Tensor> {
    let rank = x.shape().len();
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(rank - 2, rank - 1);
    permute(x, &order)
}

/// Size-1 and new leading dimensions repeated; -1 keeps a size.
struct Expand {
    shape: Vec<i64>,
}

impl Op for Expand {
    only_view!();
    fn name(&self) -> &'static str {
        "expand"
    }
    fn view(&self, x: &Tensor) -> Result<Option<Layout>> {
        let new = self.shape.len().checked_sub(x.shape().len()).ok_or_else(|| {
            Error::shape(format!("a tensor of shape {:?} does not expand to {:?}", x.shape(), self.shape))
        })?;
        let sizes = self.shape.iter().enumerate().map(|(d, &size)| match size {
            -1 if d >= new => Ok(x.shape()[d - new]),
            0.. => Ok(size as usize),
            _ => Err(Error::shape(format!("size {size} is not allowed in {:?}", self.shape))),
        });
        let sizes = sizes.collect::<Result<Shape>>()?;
        checked_numel(&sizes)?;
        shape::expand(x.layout(), &sizes).map(Some)
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(sum_to(dy, &ctx.meta(0).shape)?)])
    }
}

/// `x` broadcast to `shape`.
pub fn expand(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    apply(Expand { shape: shape.iter().map(|&s| s as i64).collect() }, &[x])
}

/// `x` summed to `shape`, which broadcasts to its shape: the gradient of a broadcast.
pub fn sum_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let new = x.shape().len() - shape.len();
    let dims: Vec<usize> =
        (0..x.shape().len()).filter(|&d| d < new || (shape[d - new] == 1 && x.shape()[d] != 1)).collect();
    reshape(&reduce::sum_dims(x, &dims, true)?, shape)
}

/// Every `step`th index of `dim` from `start` up to `end`; ends count from the back where negative.
struct Slice {
    dim: i64,
    start: i64,
    end: i64,
    step: usize,
}

impl Op for Slice {
    only_view!();
    fn name(&self) -> &'static str {
        "slice"
    }
    fn view(&self, x: &Tensor) -> Result<Option<Layout>> {
        if x.shape().is_empty() {
            return Err(Error::index("a tensor without dimensions cannot be sliced"));
        }
        let dim = normalize_dim(self.dim, x.shape().len())?;
        let size = x.shape()[dim] as i64;
        let clamp = |i: i64| (if i < 0 { i + size } else { i }).clamp(0, size) as usize;
        let (start, end) = (clamp(self.start), clamp(self.end));
        let mut layout = x.layout().clone();
        layout.shape[dim] = end.saturating_sub(start).div_ceil(self.step);
        layout.offset += start * layout.strides[dim];
        layout.strides[dim] *= self.step;
        Ok(Some(layout))
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let dx = Tensor::zeros_on(dy.device(), ctx.meta(0))?;
        if let Some(layout) = self.view(&dx)? {
            copy::write(&dx.with_layout(layout), dy)?;
        }
        Ok(vec![Some(dx)])
    }
}

/// `x` from `start` to `end` along `dim`.
pub fn slice(x: &Tensor, dim: usize, start: usize, end: usize) -> Result<Tensor> {
    apply(Slice { dim: dim as i64, start: start as i64, end: end as i64, step: 1 }, &[x])
}

/// A view of a base whose content was changed in place: its gradient goes to the base.
pub struct AsStrided {
    pub base: Layout,
    pub view: Layout,
}

impl Op for AsStrided {
    only_view!();
    fn name(&self) -> &'static str {
        "as_strided"
    }
    fn backward(&self, _: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        // An expanded view names an element more than once: its gradients are summed first.
        let repeated: Vec<usize> =
            (0..self.view.shape.len()).filter(|&d| self.view.strides[d] == 0).collect();
        let mut view = self.view.clone();
        for &d in &repeated {
            view.shape[d] = view.shape[d].min(1);
        }
        let dy = if repeated.is_empty() { dy.clone() } else { reduce::sum_dims(dy, &repeated, true)? };
        let reach = |l: &Layout| {
            l.offset
                + l.shape.iter().zip(&l.strides).map(|(&n, &s)| n.saturating_sub(1) * s).sum::<usize>()
                + 1
        };
        let size = reach(&self.base).max(reach(&view));
        let whole = Tensor::zeros_on(dy.device(), &Meta::f32(vec![size]))?;
        copy::write(&whole.with_layout(view), &dy)?;
        Ok(vec![Some(apply(copy::Clone, &[&whole.with_layout(self.base.clone())])?)])
    }
}

fn select(x: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
    if x.shape().is_empty() {
        return Err(Error::index("a tensor without dimensions cannot be indexed"));
    }
    let dim = normalize_dim(dim, x.shape().len())?;
    let size = x.shape()[dim] as i64;
    if !(-size..size).contains(&index) {
        return Err(Error::index(format!(
            "index {index} is out of range for dimension {dim} with size {size}"
        )));
    }
    let index = if index < 0 { index + size } else { index } as usize;
    let mut shape = x.shape().to_vec();
    shape.remove(dim);
    reshape(&slice(x, dim, index, index + 1)?, &shape)
}

fn squeeze(x: &Tensor, dims: &[i64]) -> Result<Tensor> {
    let dims = shape::normalize_dims(dims, x.shape().len())?;
    let kept = x.shape().iter().enumerate().filter(|(d, &size)| size != 1 || !dims.contains(d));
    reshape(x, &kept.map(|(_, &size)| size).collect::<Vec<_>>())
}

/// `x` with a new dimension of size 1 at `dim`.
pub fn unsqueeze(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = normalize_dim(dim, x.shape().len() + 1)?;
    let mut shape = x.shape().to_vec();
    shape.insert(dim, 1);
    reshape(x, &shape)
}

pub fn operations() -> Vec<Operation> {
    let op = |name, call, samples| Operation { name, inputs: 1..=1, call, samples };
    fn ints(args: &mut Args, name: &str) -> Result<Vec<i64>> {
        args.ints(name)
    }
    vec![
        op("view", Call::op(|args| Ok(Rc::new(View { shape: ints(args, "shape")? }))), || {
            vec![Sample::new(vec![sample::floats(&[2, 6])], &[2.0, -1.0, 4.0])]
        }),
        op("reshape", Call::Function(|x, args| Ok(vec![reshape_to(&x[0], ints(args, "shape")?)?])), || {
            vec![Sample::new(vec![sample::floats(&[2, 6])], &[3.0, 3.0, 2.0, -1.0])]
        }),
        op("permute", Call::op(|args| Ok(Rc::new(Permute { dims: ints(args, "dims")? }))), || {
            vec![Sample::new(vec![sample::floats(&[2, 3, 4])], &[3.0, 2.0, 0.0, -2.0])]
        }),
        op("expand", Call::op(|args| Ok(Rc::new(Expand { shape: ints(args, "shape")? }))), || {
            vec![Sample::new(vec![sample::floats(&[3, 1])], &[3.0, 2.0, -1.0, 4.0])]
        }),
        op(
            "slice",
            Call::op(|args| {
                let (dim, start, end) = (args.int("dim")?, args.bound("start")?, args.bound("end")?);
                Ok(Rc::new(Slice { dim, start, end, step: args.at_least(1, "step")? }))
            }),
            || {
                vec![
                    Sample::new(vec![sample::floats(&[3, 5])], &[1.0, 1.0, 4.0, 1.0]),
                    Sample::new(vec![sample::floats(&[3, 5])], &[-1.0, -4.0, 99.0, 2.0]),
                ]
            },
        ),
        op(
            "select",
            Call::Function(|x, args| {
                let (dim, index) = (args.int("dim")?, args.int("index")?);
                Ok(vec![select(&x[0], dim, index)?])
            }),
            || vec![Sample::new(vec![sample::floats(&[3, 5])], &[1.0, -2.0])],
        ),
        op("unsqueeze", Call::Function(|x, args| Ok(vec![unsqueeze(&x[0], args.int("dim")?)?])), || {
            vec![Sample::new(vec![sample::floats(&[3, 5])], &[1.0])]
        }),
        op("squeeze", Call::Function(|x, args| Ok(vec![squeeze(&x[0], &ints(args, "dim")?)?])), || {
            vec![Sample::new(vec![sample::floats(&[3, 1, 5, 1])], &[1.0, 1.0])]
        }),
    ]
}
