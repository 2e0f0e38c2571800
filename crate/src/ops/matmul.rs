//! Matrix multiply as `torch.matmul`.
use super::{sample, view, Call, Operation, Sample};
use crate::error::{Error, Result};
use crate::gpu::gemm::{Along, Bias, Gemm};
use crate::gpu::kernel::Plan;
use crate::gpu::strided::Axes;
use crate::kernels::gemm::{gemm, Matrix, Start};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::shape::{self, Layout};
use crate::storage::Device;
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
            let offset = |layout: &Layout| {
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

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let (batch, last) = out[0].shape.split_at(out[0].rank() - 2);
        let k = x[0].shape()[x[0].meta.rank() - 1];
        let a = shape::expand(x[0].layout, &[batch, &[last[0], k]].concat())?;
        let b = shape::expand(x[1].layout, &[batch, &[k, last[1]]].concat())?;
        Ok(product_on_gpu("matmul", x, out, [&a, &b], None))
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

/// `a` [..., m, k] times `b` [..., k, n] of equal dimensions in front, whatever their strides. Inputs 0 and 1 are
/// the memory of `a` and `b`.
pub fn product_on_gpu(
    name: &'static str,
    x: &[GpuInput],
    out: &[Meta],
    [a, b]: [&Layout; 2],
    bias: Option<Bias>,
) -> Plan {
    let rank = a.shape.len() - 2;
    let (m, k, n) = (a.shape[rank], a.shape[rank + 1], b.shape[rank + 1]);
    let batch = &a.shape[..rank];
    let along = |k_is_close: bool| if k_is_close { Along::K } else { Along::Lines };
    let gemm = Gemm {
        name,
        m,
        n,
        k,
        batches: batch.iter().product(),
        a: along(a.strides[rank + 1] <= a.strides[rank]),
        b: along(b.strides[rank] <= b.strides[rank + 1]),
        functions: PRODUCT.into(),
        bias,
        row_sums: false,
    };
    let axes = Axes::new(batch, &[a, b]);
    gemm.plan(x, out, |kernel| {
        let kernel = kernel.input("a", 0, x).input("b", 1, x);
        let kernel = kernel.u32("a_row", a.strides[rank]).u32("a_k", a.strides[rank + 1]);
        let kernel = kernel.u32("b_k", b.strides[rank]).u32("b_column", b.strides[rank + 1]);
        axes.add_to(kernel, &["a_batch", "b_batch"])
    })
}

/// Where the elements of the factors lie.
const PRODUCT: &str = "
struct Batch { m: u32, n: u32, k: u32, first_row: u32, a: u32, b: u32, c: u32 }
fn batch_of(i: u32) -> Batch {
  return Batch(p.m, p.n, p.k, 0u, a_batch_at(i), b_batch_at(i), i * p.m * p.n);
}
fn a_line(batch: Batch, row: u32) -> u32 { return batch.a + row * p.a_row; }
fn a_step(batch: Batch, k: u32) -> u32 { return k * p.a_k; }
fn a_at(line: u32, step: u32) -> f32 { return a[line + step]; }
fn b_line(batch: Batch, column: u32) -> u32 { return batch.b + column * p.b_column; }
fn b_step(batch: Batch, k: u32) -> u32 { return k * p.b_k; }
fn b_at(line: u32, step: u32) -> f32 { return b[line + step]; }
fn c_row(batch: Batch, row: u32) -> u32 { return batch.c + row * p.n; }
fn c_column(batch: Batch, column: u32) -> u32 { return column; }
";

/// The product of matrices, any strides. On the CPU elements that are repeated are copied first.
pub fn multiply(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let plain = |x: &Tensor| {
        if x.layout().overlaps() && x.device() == Device::Cpu {
            x.contiguous()
        } else {
            Ok(x.clone())
        }
    };
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

pub fn operations() -> Vec<Operation> {
    vec![Operation {
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
    }]
}
