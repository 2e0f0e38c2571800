//! 2-D convolution (cross-correlation), NCHW, as `torch.nn.functional.conv2d`, and its gradients.
mod few;
mod gpu;

use std::rc::Rc;

use super::{reduce, sample, view, Call, Operation, Sample};
use crate::args::Args;
use crate::error::{Error, Result};
use crate::gpu::kernel::Plan;
use crate::kernels::conv::{self, ConvDims};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::shape::{checked_numel, Window};
use crate::storage::scratch;
use crate::tape::{apply, apply_all, Context};
use crate::tensor::{Meta, Tensor};

/// Stride, padding and dilation along h and w, and groups; the kernel's size comes from the weight.
#[derive(Clone, Copy)]
struct Conv2d {
    rows: Window,
    columns: Window,
    groups: usize,
}

impl Conv2d {
    fn from_args(args: &mut Args) -> Result<Self> {
        let mut pair = |min, name| Ok([args.at_least(min, name)?, args.at_least(min, name)?]);
        let (stride, padding, dilation) = (pair(1, "stride")?, pair(0, "padding")?, pair(1, "dilation")?);
        let window =
            |i: usize| Window { kernel: 0, stride: stride[i], padding: padding[i], dilation: dilation[i] };
        Ok(Conv2d { rows: window(0), columns: window(1), groups: args.at_least(1, "groups")? })
    }

    /// The sizes for an input `x` of rank 4 and a weight.
    fn dims(&self, x: &[usize], weight: &[usize]) -> Result<ConvDims> {
        let (&[n, c, h, w], &[o, wc, kh, kw]) = (x, weight) else {
            return Err(Error::shape(format!(
                "expected input [N, C, H, W] and weight [O, C, KH, KW], got {x:?} and {weight:?}"
            )));
        };
        let groups = self.groups;
        if wc.checked_mul(groups) != Some(c) {
            return Err(Error::shape(format!(
                "weight {weight:?} expects {} input channels, input {x:?} has {c}{}",
                wc.saturating_mul(groups),
                if groups > 1 { format!(" (groups = {groups})") } else { String::new() }
            )));
        }
        if o % groups != 0 {
            return Err(Error::shape(format!("{o} output channels are not divisible by groups = {groups}")));
        }
        if kh == 0 || kw == 0 {
            return Err(Error::shape(format!("weight {weight:?} has an empty kernel")));
        }
        let rows = Window { kernel: kh, ..self.rows };
        let columns = Window { kernel: kw, ..self.columns };
        let (h_out, w_out) = (rows.output(h, false)?, columns.output(w, false)?);
        // The padded image is laid out in memory: it must fit as well.
        let padded = |size: usize, axis: Window| {
            (2 * axis.padding + size).checked_add(axis.stride).ok_or_else(|| {
                Error::memory(format!("padding {} and stride {} are too large", axis.padding, axis.stride))
            })
        };
        checked_numel(&[c, padded(h, rows)?, padded(w, columns)?])?;
        Ok(ConvDims { n, c, h, w, o, rows, columns, groups, h_out, w_out })
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Meta::require_floats(x)?;
        let d = self.dims(&x[0].shape, &x[1].shape)?;
        if let Some(bias) = x.get(2).filter(|bias| bias.shape != [d.o]) {
            return Err(Error::shape(format!("expected a bias of shape [{}], got {:?}", d.o, bias.shape)));
        }
        Ok(vec![Meta::f32([d.n, d.o, d.h_out, d.w_out])])
    }

    fn saves(&self) -> Saves {
        Saves::inputs(3)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let d = self.dims(x[0].shape(), x[1].shape())?;
        conv::conv2d(&d, x[0].f32(), x[1].f32(), x.get(2).map(Input::f32), out[0].f32())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let d = self.dims(x[0].shape(), x[1].shape())?;
        Ok(if few::is_few(&d) { few::conv2d(&d, x, out) } else { gpu::conv2d(&d, x, out) })
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut gradients = vec![None; ctx.inputs()];
        let bias = ctx.inputs() > 2 && ctx.needs(2);
        if ctx.needs(1) {
            let op = GradWeight { conv: *self, shape: ctx.meta(1).shape.clone(), bias };
            let sums = apply_all(Rc::new(op), &[&ctx.input(0)?, dy])?;
            gradients.splice(1..=sums.len(), sums.into_iter().map(Some));
        } else if bias {
            gradients[2] = Some(reduce::sum_dims(dy, &[0, 2, 3], false)?);
        }
        // Last, so that on the GPU the gradient of an activation in front can become part of it.
        if ctx.needs(0) {
            let op = GradInput { conv: *self, shape: ctx.meta(0).shape.clone() };
            gradients[0] = Some(apply(op, &[dy, &ctx.input(1)?])?);
        }
        Ok(gradients)
    }
}

fn check_gradient(d: &ConvDims, dy: &[usize]) -> Result<()> {
    let expected = [d.n, d.o, d.h_out, d.w_out];
    if dy == expected {
        return Ok(());
    }
    Err(Error::shape(format!("expected dy of shape {expected:?}, got {dy:?}")))
}

/// `dx` from `dy` and the weight, for an input of `shape`.
struct GradInput {
    conv: Conv2d,
    shape: Vec<usize>,
}

impl Op for GradInput {
    fn name(&self) -> &'static str {
        "conv2d_grad_input"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Meta::require_floats(x)?;
        checked_numel(&self.shape)?;
        check_gradient(&self.conv.dims(&self.shape, &x[1].shape)?, &x[0].shape)?;
        Ok(vec![Meta::f32(self.shape.clone())])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let d = self.conv.dims(&self.shape, x[1].shape())?;
        conv::conv2d_grad_input(&d, x[0].f32(), x[1].f32(), out[0].f32())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let d = self.conv.dims(&self.shape, x[1].shape())?;
        Ok(if few::is_few(&d) { few::grad_input(&d, x, out) } else { gpu::grad_input(&d, x, out) })
    }
    fn saves(&self) -> Saves {
        Saves::inputs(3)
    }
    /// dx is linear in dy and in the weight.
    fn backward(&self, ctx: &Context, ddx: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let weight = GradWeight { conv: self.conv, shape: ctx.meta(1).shape.clone(), bias: false };
        Ok(vec![
            if ctx.needs(0) { Some(apply(self.conv, &[ddx, &ctx.input(1)?])?) } else { None },
            if ctx.needs(1) { Some(apply(weight, &[ddx, &ctx.input(0)?])?) } else { None },
        ])
    }
}

/// `dw` from x and `dy`, for a weight of `shape`; with `bias` also `db`, the sums of dy.
struct GradWeight {
    conv: Conv2d,
    shape: Vec<usize>,
    bias: bool,
}

impl Op for GradWeight {
    fn name(&self) -> &'static str {
        "conv2d_grad_weight"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Meta::require_floats(x)?;
        checked_numel(&self.shape)?;
        let d = self.conv.dims(&x[0].shape, &self.shape)?;
        check_gradient(&d, &x[1].shape)?;
        let mut metas = vec![Meta::f32(self.shape.clone())];
        metas.extend(self.bias.then(|| Meta::f32([d.o])));
        Ok(metas)
    }
    fn public_outputs(&self) -> usize {
        1 + self.bias as usize
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let d = self.conv.dims(x[0].shape(), &self.shape)?;
        if self.bias {
            let mut images = scratch(d.n * d.o)?;
            let positions = reduce::Fold { outer: d.n * d.o, reduced: d.h_out * d.w_out, inner: 1 };
            reduce::sum(positions, x[1].f32(), &mut images);
            reduce::sum(reduce::Fold { outer: 1, reduced: d.n, inner: d.o }, &images, out[1].f32());
        }
        conv::conv2d_grad_weight(&d, x[0].f32(), x[1].f32(), out[0].f32())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let d = self.conv.dims(x[0].shape(), &self.shape)?;
        Ok(if few::is_few(&d) { few::grad_weight(&d, x, out) } else { gpu::grad_weight(&d, x, out) })
    }
    fn saves(&self) -> Saves {
        Saves::inputs(3)
    }
    /// dw is linear in x and in dy. db has no gradient of its own: nothing records while `backward` runs.
    fn backward(&self, ctx: &Context, ddw: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let input = GradInput { conv: self.conv, shape: ctx.meta(0).shape.clone() };
        Ok(vec![
            if ctx.needs(0) { Some(apply(input, &[&ctx.input(1)?, ddw])?) } else { None },
            if ctx.needs(1) { Some(apply(self.conv, &[&ctx.input(0)?, ddw])?) } else { None },
        ])
    }
}

fn shape_arg(args: &mut Args) -> Result<Vec<usize>> {
    let sizes = args.ints("shape")?;
    sizes
        .iter()
        .map(|&s| {
            usize::try_from(s).map_err(|_| Error::argument(format!("size {s} is negative in {sizes:?}")))
        })
        .collect()
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation {
            name: "conv2d",
            inputs: 2..=3,
            call: Call::Function(|x, args| {
                let conv = Conv2d::from_args(args)?;
                // An image without a batch dimension, as PyTorch takes it.
                let single = x[0].shape().len() == 3;
                let input = if single { view::unsqueeze(&x[0], 0)? } else { x[0].clone() };
                let mut inputs = vec![&input];
                inputs.extend(&x[1..]);
                let y = apply(conv, &inputs)?;
                Ok(vec![if single { view::reshape(&y, &y.shape()[1..])? } else { y }])
            }),
            samples: || {
                let f = sample::floats;
                let with = |x: &[usize], w: &[usize], b: bool, args: &[f64]| {
                    let mut inputs = vec![f(x), sample::positives(w)];
                    if b {
                        inputs.push(f(&[w[0]]));
                    }
                    Sample::new(inputs, args)
                };
                vec![
                    with(&[2, 2, 5, 6], &[3, 2, 3, 2], true, &[1., 1., 0., 0., 1., 1., 1.]),
                    with(&[2, 2, 5, 6], &[3, 2, 3, 3], false, &[1., 1., 1., 1., 1., 1., 1.]),
                    with(&[1, 4, 7, 6], &[4, 2, 3, 2], true, &[2., 3., 1., 2., 1., 1., 2.]),
                    with(&[1, 3, 6, 7], &[6, 1, 2, 2], true, &[1., 2., 0., 1., 2., 1., 3.]),
                    with(&[2, 3, 4, 4], &[5, 3, 1, 1], true, &[1., 1., 0., 0., 1., 1., 1.]),
                    with(&[1, 1, 4, 4], &[1, 1, 1, 1], false, &[3., 3., 2., 2., 1., 1., 1.]),
                    with(&[3, 5, 5], &[2, 3, 2, 2], true, &[1., 1., 0., 0., 1., 1., 1.]),
                ]
            },
        },
        Operation {
            name: "conv2d_grad_input",
            inputs: 2..=2,
            call: Call::op(|args| {
                let shape = shape_arg(args)?;
                Ok(Rc::new(GradInput { shape, conv: Conv2d::from_args(args)? }))
            }),
            samples: || {
                let inputs = vec![sample::floats(&[2, 4, 3, 2]), sample::positives(&[4, 1, 2, 3])];
                vec![Sample::new(inputs, &[4., 2., 2., 5., 6., 2., 2., 1., 0., 1., 1., 2.])]
            },
        },
        Operation {
            name: "conv2d_grad_weight",
            inputs: 2..=2,
            call: Call::op(|args| {
                let shape = shape_arg(args)?;
                Ok(Rc::new(GradWeight { shape, conv: Conv2d::from_args(args)?, bias: false }))
            }),
            samples: || {
                let inputs = vec![sample::floats(&[2, 2, 5, 6]), sample::positives(&[2, 4, 3, 2])];
                vec![Sample::new(inputs, &[4., 4., 1., 2., 3., 2., 2., 1., 0., 1., 1., 2.])]
            },
        },
    ]
}
