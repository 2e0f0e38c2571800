//! Matrix multiply as `torch.matmul`, and `linear` (y = x W^T + b).
use super::{reduce, sample, view, Call, Operation, Sample};
use crate::error::{Error, Result};
use crate::kernels::gemm::{gemm, Matrix, Start};
use crate::op::{Input, Op, Output, Saves};
use crate::shape;
use crate::tape::{apply, Context};
use crate::tensor::{Meta, Tensor};

/// Matrices [..., m, k] times [..., k, n]; the dimensions in front broadcast.
struct Matmul;

/// The matrix that the last two dimensions of `x` name, `offset` elements into its storage.
fn matrix<'a>(x: &'a Input, offset: usize) -> Matrix<'a> {
    let strides = &x.layout.strides;
    let stride = |from_end: usize| strides[strides.len() - from_end].max(1);
    // An empty matrix may begin behind its storage.
    let data = x.storage_f32().get(offset..).unwrap_or(&[]);
    Matrix { data, row: stride(2), column: stride(1) }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Meta::require_floats(x)?;
        let (a, b) = (&x[0].shape, &x[1].shape);
        let (batch_a, last_a) = a.split_at(a.len() - 2);
        let (batch_b, last_b) = b.split_at(b.len() - 2);
        if last_a[1] != last_b[0] {
            return Err(Error::shape(format!(
                "shapes {a:?} and {b:?} cannot be multiplied: {} columns meet {} rows",
                last_a[1], last_b[0]
            )));
        }
        let mut shape = shape::broadcast(batch_a, batch_b)?;
        shape.extend([last_a[0], last_b[1]]);
        Ok(vec![Meta::f32(shape)])
    }

    fn strided(&self) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::inputs(3)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let shape = out[0].shape().to_vec();
        let (batch, last) = shape.split_at(shape.len() - 2);
        let (m, n) = (last[0], last[1]);
        let k = x[0].shape()[x[0].shape().len() - 1];
        let batch_layout = |x: &Input<'_>, rows: usize, columns: usize| {
            let full = [batch, &[rows, columns]].concat();
            shape::expand(x.layout, &full)
        };
        let (a, b) = (batch_layout(&x[0], m, k)?, batch_layout(&x[1], k, n)?);
        for (i, c) in out[0].f32().chunks_exact_mut((m * n).max(1)).enumerate() {
            let offset = |layout: &shape::Layout| {
                let mut rest = i;
                let mut offset = layout.offset;
                for (d, &size) in batch.iter().enumerate().rev() {
                    offset += rest % size * layout.strides[d];
                    rest /= size;
                }
                offset
            };
            gemm(m, n, k, matrix(&x[0], offset(&a)), matrix(&x[1], offset(&b)), c, n, Start::Zero)?;
        }
        Ok(())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut gradients = vec![None, None];
        if ctx.needs(0) {
            let da = multiply(dy, &view::transpose(&ctx.input(1)?)?)?;
            gradients[0] = Some(view::sum_to(&da, &ctx.meta(0).shape)?);
        }
        if ctx.needs(1) {
            let db = multiply(&view::transpose(&ctx.input(0)?)?, dy)?;
            gradients[1] = Some(view::sum_to(&db, &ctx.meta(1).shape)?);
        }
        Ok(gradients)
    }
}

/// The product of matrices, any strides but repeated elements.
fn multiply(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let plain = |x: &Tensor| if x.layout().overlaps() { x.contiguous() } else { Ok(x.clone()) };
    apply(Matmul, &[&plain(a)?, &plain(b)?])
}

/// `torch.matmul`: vectors count as a row on the left and a column on the right.
fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (rank_a, rank_b) = (a.shape().len(), b.shape().len());
    if rank_a == 0 || rank_b == 0 {
        return Err(Error::shape(format!(
            "both tensors need at least one dimension, got {:?} and {:?}",
            a.shape(),
            b.shape()
        )));
    }
    let left = if rank_a == 1 { view::unsqueeze(a, 0)? } else { a.clone() };
    let right = if rank_b == 1 { view::unsqueeze(b, 1)? } else { b.clone() };
    let mut y = if rank_a > 2 && rank_b <= 2 && a.shape()[rank_a - 1] == right.shape()[0] {
        // One large product is faster than many small ones.
        let k = a.shape()[rank_a - 1];
        let rows = a.shape()[..rank_a - 1].iter().product::<usize>();
        let flat = multiply(&view::reshape(a, &[rows, k])?, &right)?;
        view::reshape(&flat, &[&a.shape()[..rank_a - 1], &flat.shape()[1..]].concat())?
    } else {
        multiply(&left, &right)?
    };
    if rank_b == 1 {
        y = view::reshape(&y, &y.shape()[..y.shape().len() - 1])?;
    }
    if rank_a == 1 {
        let mut shape = y.shape().to_vec();
        shape.remove(if rank_b == 1 { shape.len() - 1 } else { shape.len() - 2 });
        y = view::reshape(&y, &shape)?;
    }
    Ok(y)
}

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

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut gradients = vec![None; ctx.inputs()];
        if ctx.needs(0) {
            gradients[0] = Some(multiply(dy, &ctx.input(1)?)?);
        }
        if ctx.needs(1) {
            gradients[1] = Some(multiply(&view::transpose(dy)?, &ctx.input(0)?)?);
        }
        if ctx.inputs() > 2 && ctx.needs(2) {
            gradients[2] = Some(reduce::sum_dims(dy, &[0], false)?);
        }
        Ok(gradients)
    }
}

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
    vec![
        Operation {
            name: "matmul",
            inputs: 2..=2,
            call: Call::Function(|x, _| Ok(vec![matmul(&x[0], &x[1])?])),
            samples: || {
                let f = sample::floats;
                let pair = |a: &[usize], b: &[usize]| Sample::new(vec![f(a), f(b)], &[]);
                vec![
                    pair(&[3, 4], &[4, 5]),
                    pair(&[4], &[4]),
                    pair(&[4], &[4, 5]),
                    pair(&[2, 3, 4], &[4]),
                    pair(&[2, 3, 4], &[4, 5]),
                    pair(&[2, 1, 3, 4], &[3, 4, 2]),
                    pair(&[4], &[2, 4, 3]),
                ]
            },
        },
        Operation {
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
        },
    ]
}
