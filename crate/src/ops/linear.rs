//! `linear`: y = x W^T + b.
use std::rc::Rc;

use super::matmul::{multiply, product_on_gpu};
use super::{reduce, sample, view, Call, Operation, Sample};
use crate::error::{Error, Result};
use crate::gpu::gemm::{Along, Bias, Gemm};
use crate::gpu::kernel::Plan;
use crate::kernels::gemm::{gemm, Matrix, Start};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::shape::Layout;
use crate::tape::{apply, apply_all, Context};
use crate::tensor::{Meta, Tensor};

/// `y[n, out] = x[n, in] weight[out, in]^T + bias[out]`.
struct Linear;

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::f32([x[0].shape[0], x[1].shape[0]])])
    }

    fn saves(&self) -> Saves {
        Saves::inputs(3)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let (&[n, features], &[outputs, _]) = (x[0].shape(), x[1].shape()) else { return Ok(()) };
        let start = x.get(2).map_or(Start::Zero, |bias| Start::ColumnBias(bias.f32()));
        let weight = Matrix::rows(x[1].f32(), features).transposed();
        gemm(n, outputs, features, Matrix::rows(x[0].f32(), features), weight, out[0].f32(), outputs, start)
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let (n, features, outputs) = (x[0].shape()[0], x[0].shape()[1], x[1].shape()[0]);
        let input = Layout::contiguous(vec![n, features]);
        let weight = Layout { offset: 0, shape: vec![features, outputs], strides: vec![1, features] };
        let bias = x.get(2).map(|_| Bias { input: 2, index: "column", inner: 1, len: outputs });
        Ok(product_on_gpu("linear", x, out, [&input, &weight], bias))
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut gradients = vec![None; ctx.inputs()];
        let bias = ctx.inputs() > 2 && ctx.needs(2);
        if ctx.needs(1) {
            let sums = apply_all(Rc::new(GradWeight { bias }), &[&ctx.input(0)?, dy])?;
            gradients.splice(1..=sums.len(), sums.into_iter().map(Some));
        } else if bias {
            gradients[2] = Some(reduce::sum_dims(dy, &[0], false)?);
        }
        // Last, so that on the GPU the gradient of an activation in front can become part of it.
        if ctx.needs(0) {
            gradients[0] = Some(multiply(dy, &ctx.input(1)?)?);
        }
        Ok(gradients)
    }
}

/// `dw[out, in] = dy[n, out]^T x[n, in]` and, with `bias`, `db[out]`, the sums of dy.
struct GradWeight {
    bias: bool,
}

impl Op for GradWeight {
    fn name(&self) -> &'static str {
        "linear_grad_weight"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Meta::require_floats(x)?;
        let (&[n, features], &[rows, outputs]) = (&x[0].shape[..], &x[1].shape[..]) else {
            return Err(Error::shape(format!(
                "expected x of shape [n, in] and dy of shape [n, out], got {:?} and {:?}",
                x[0].shape, x[1].shape
            )));
        };
        if n != rows {
            return Err(Error::shape(format!("x has {n} rows, dy has {rows}")));
        }
        let mut metas = vec![Meta::f32([outputs, features])];
        metas.extend(self.bias.then(|| Meta::f32([outputs])));
        Ok(metas)
    }

    fn public_outputs(&self) -> usize {
        1 + self.bias as usize
    }

    fn saves(&self) -> Saves {
        Saves::inputs(3)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let (&[n, features], &[_, outputs]) = (x[0].shape(), x[1].shape()) else { return Ok(()) };
        if self.bias {
            let rows = reduce::Fold { outer: 1, reduced: n, inner: outputs };
            reduce::sum(rows, x[1].f32(), out[1].f32());
        }
        let dy = Matrix::rows(x[1].f32(), outputs).transposed();
        gemm(
            outputs,
            features,
            n,
            dy,
            Matrix::rows(x[0].f32(), features),
            out[0].f32(),
            features,
            Start::Zero,
        )
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let (n, features, outputs) = (x[0].shape()[0], x[0].shape()[1], x[1].shape()[1]);
        let gemm = Gemm {
            name: "linear_grad_weight",
            m: outputs,
            n: features,
            k: n,
            batches: 1,
            a: Along::Lines,
            b: Along::Lines,
            functions: GRAD_WEIGHT.into(),
            bias: None,
            row_sums: self.bias,
        };
        Ok(gemm.plan(x, out, |kernel| kernel.input("x", 0, x).input("dy", 1, x)))
    }

    /// dw is linear in x and in dy. db has no gradient of its own: nothing records while `backward` runs.
    fn backward(&self, ctx: &Context, ddw: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![
            if ctx.needs(0) { Some(multiply(&ctx.input(1)?, ddw)?) } else { None },
            if ctx.needs(1) { Some(multiply(&ctx.input(0)?, &view::transpose(ddw)?)?) } else { None },
        ])
    }
}

/// Where the elements of dy (`a`, transposed) and x lie.
const GRAD_WEIGHT: &str = "
struct Batch { m: u32, n: u32, k: u32, first_row: u32 }
fn batch_of(i: u32) -> Batch { return Batch(p.m, p.n, p.k, 0u); }
fn a_line(batch: Batch, row: u32) -> u32 { return row; }
fn a_step(batch: Batch, k: u32) -> u32 { return k * p.m; }
fn a_at(line: u32, step: u32) -> f32 { return dy[line + step]; }
fn b_line(batch: Batch, column: u32) -> u32 { return column; }
fn b_step(batch: Batch, k: u32) -> u32 { return k * p.n; }
fn b_at(line: u32, step: u32) -> f32 { return x[line + step]; }
fn c_row(batch: Batch, row: u32) -> u32 { return row * p.n; }
fn c_column(batch: Batch, column: u32) -> u32 { return column; }
";

/// Checks the shapes as the user gave them, then runs on two dimensions.
fn linear(x: &[Tensor]) -> Result<Tensor> {
    Meta::require_floats(&x.iter().map(Tensor::meta).collect::<Vec<_>>())?;
    let (input, weight) = (x[0].shape(), x[1].shape());
    let &[outputs, features] = weight else {
        return Err(Error::shape(format!("expected a weight of shape [out, in], got {weight:?}")));
    };
    if input.last() != Some(&features) {
        return Err(Error::shape(format!(
            "weight {weight:?} expects {features} input features, input {input:?} has {}",
            input.last().map_or("none".into(), |n| n.to_string())
        )));
    }
    if let Some(bias) = x.get(2).filter(|bias| bias.shape() != [outputs]) {
        return Err(Error::shape(format!("expected a bias of shape [{outputs}], got {:?}", bias.shape())));
    }
    let leading = &input[..input.len() - 1];
    let flat = view::reshape(&x[0], &[leading.iter().product(), features])?;
    let mut inputs = vec![&flat];
    inputs.extend(&x[1..]);
    let y = apply(Linear, &inputs)?;
    view::reshape(&y, &[leading, &[outputs]].concat())
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "linear",
        inputs: 2..=3,
        call: Call::Function(|x, _| Ok(vec![linear(x)?])),
        samples: || {
            let f = sample::floats;
            vec![
                Sample::new(vec![f(&[3, 5]), f(&[4, 5]), f(&[4])], &[]),
                Sample::new(vec![f(&[2, 3, 5]), f(&[4, 5])], &[]),
                Sample::new(vec![f(&[5]), f(&[4, 5]), f(&[4])], &[]),
            ]
        },
    }]
}
