//! Sum and mean.
use std::rc::Rc;

use super::gpu::{read, Reducer, Reduction};
use super::{require_float, run_folds, Dims, Fold};
use crate::error::Result;
use crate::gpu::kernel::{element, Plan};
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{sample, unary, view, Call, Operation, Sample};
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

/// Independent partial sums, for SIMD.
const LANES: usize = 16;
/// What is summed in float32 before it joins the sum in float64, which keeps long sums accurate.
const BLOCK: usize = 64 * LANES;
/// Columns, and rows of them, that are summed in registers.
const COLUMNS: usize = 32;
const ROWS: usize = 64;

fn sum_row(row: &[f32]) -> f64 {
    let mut total = 0.0;
    for block in row.chunks(BLOCK) {
        let mut lanes = [0.0f32; LANES];
        let chunks = block.chunks_exact(LANES);
        total += chunks.remainder().iter().map(|&v| v as f64).sum::<f64>();
        for chunk in chunks {
            for (lane, &v) in lanes.iter_mut().zip(chunk) {
                *lane += v;
            }
        }
        total += lanes.iter().map(|&v| v as f64).sum::<f64>();
    }
    total
}

/// `rows[start..]` of each row of `inner` elements, summed over the rows into as many columns as `out` has.
fn sum_columns(rows: &[f32], inner: usize, start: usize, out: &mut [f32]) {
    let mut total = [0.0f64; COLUMNS];
    let width = out.len();
    for block in rows.chunks(ROWS * inner) {
        let mut lanes = [0.0f32; COLUMNS];
        for row in block.chunks_exact(inner) {
            let row = &row[start..start + width];
            match <&[f32; COLUMNS]>::try_from(row) {
                Ok(row) => lanes.iter_mut().zip(row).for_each(|(lane, &v)| *lane += v),
                Err(_) => lanes.iter_mut().zip(row).for_each(|(lane, &v)| *lane += v),
            }
        }
        total.iter_mut().zip(&lanes).for_each(|(t, &lane)| *t += lane as f64);
    }
    out.iter_mut().zip(&total).for_each(|(o, &t)| *o = t as f32);
}

/// `out[o, i]` = the sum of `x[o, :, i]`.
pub fn sum(fold: Fold, x: &[f32], out: &mut [f32]) {
    let Fold { reduced, inner, .. } = fold;
    if fold.is_empty() {
        out.fill(0.0);
    } else if inner == 1 {
        out.iter_mut().zip(x.chunks_exact(reduced)).for_each(|(o, row)| *o = sum_row(row) as f32);
    } else {
        for (out, rows) in out.chunks_exact_mut(inner).zip(x.chunks_exact(reduced * inner)) {
            for (c, out) in out.chunks_mut(COLUMNS).enumerate() {
                sum_columns(rows, inner, c * COLUMNS, out);
            }
        }
    }
}

/// As [`sum`], for integers, which wrap around; bool elements are 0 and 1.
pub fn sum_i32(fold: Fold, x: &[i32], out: &mut [i32]) {
    out.fill(0);
    if fold.is_empty() {
        return;
    }
    for (out, rows) in out.chunks_exact_mut(fold.inner).zip(x.chunks_exact(fold.reduced * fold.inner)) {
        for row in rows.chunks_exact(fold.inner) {
            out.iter_mut().zip(row).for_each(|(o, &v)| *o = o.wrapping_add(v));
        }
    }
}

struct Sum {
    dims: Dims,
    mean: bool,
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        if self.mean {
            "mean"
        } else {
            "sum"
        }
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        if self.mean {
            require_float(x[0])?;
        }
        let dtype = if x[0].dtype == DType::F32 { DType::F32 } else { DType::I32 };
        Ok(vec![Meta::new(self.dims.output(&x[0].shape)?, dtype)])
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let folds = self.dims.folds(x[0].shape())?;
        if x[0].dtype() != DType::F32 {
            return run_folds(x[0].i32(), &folds, out[0].i32(), sum_i32);
        }
        run_folds(x[0].f32(), &folds, out[0].f32(), sum)?;
        if self.mean {
            let count = self.dims.count(x[0].shape())? as f32;
            out[0].f32().iter_mut().for_each(|o| *o /= count);
        }
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let shape = x[0].shape();
        let (dtype, count) = (out[0].dtype, self.dims.count(shape)? as f32);
        let sum = Reduction {
            name: self.name(),
            kind: element(dtype),
            start: if dtype == DType::F32 { "0.0" } else { "0" },
            term: if x[0].meta.dtype == DType::Bool { "i32(v)" } else { "v" },
            combine: "a + b",
            finish: match (dtype, self.mean) {
                (DType::F32, false) => "store(o, a);",
                (DType::F32, true) => "store(o, a / p.count);",
                _ => "y[o] = a;",
            },
            functions: String::new(),
        };
        let mut reducer = Reducer::new(shape, &self.dims.of(shape)?);
        reducer.reduce(&sum, read(x), |kernel| match dtype {
            DType::F32 => kernel.f32("count", count).result(0),
            _ => kernel.output("y", 0, out),
        });
        Ok(reducer.plan())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let shape = &ctx.meta(0).shape;
        let mut dy = self.dims.keep(dy, shape)?;
        if self.mean {
            dy = unary::with_scalar("div_scalar", &dy, self.dims.count(shape)? as f64)?;
        }
        Ok(vec![Some(view::expand(&dy, shape)?)])
    }
}

/// `x` summed over `dims`; over none of them, `x`.
pub fn sum_dims(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    if dims.is_empty() {
        return Ok(x.clone());
    }
    apply(Sum { dims: Dims::over(dims, keepdim), mean: false }, &[x])
}

/// The mean of `x` over `dims`, which stay with size 1.
pub(super) fn mean_dims(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    apply(Sum { dims: Dims::over(dims, true), mean: true }, &[x])
}

fn samples() -> Vec<Sample> {
    let x = || vec![sample::floats(&[3, 4, 5])];
    vec![
        Sample::new(x(), &[0.0, 0.0]),
        Sample::new(x(), &[1.0, 1.0, 1.0]),
        Sample::new(x(), &[2.0, 0.0, -1.0, 0.0]),
        Sample::new(vec![sample::floats(&[3, 70])], &[1.0, 0.0, 0.0]),
        Sample::new(vec![sample::floats(&[])], &[0.0, 0.0]),
    ]
}

pub fn operations() -> Vec<Operation> {
    let op = |name, mean| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| Ok(Rc::new(Sum { dims: Dims::from(args)?, mean }))),
        samples,
    };
    vec![op("sum", false), op("mean", true)]
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn long_sums_are_accurate() {
        let n = 1_000_003;
        let x: Vec<f32> = (0..n).map(|i| 1.0 + (i % 7) as f32 * 0.01).collect();
        let exact: f64 = x.iter().map(|&v| v as f64).sum();
        let near =
            |actual: f32| assert!((actual as f64 - exact).abs() / exact < 1e-7, "{actual} is not {exact}");
        let mut out = [0.0];
        sum(Fold { outer: 1, reduced: n, inner: 1 }, &x, &mut out);
        near(out[0]);

        let columns: Vec<f32> = x.iter().flat_map(|&v| [v, 2.0 * v, -v]).collect();
        let mut out = [0.0; 3];
        sum(Fold { outer: 1, reduced: n, inner: 3 }, &columns, &mut out);
        near(out[0]);
        near(out[1] / 2.0);
        near(-out[2]);
    }

    #[test]
    fn every_layout_sums_alike() {
        let x: Vec<f32> = (0..2 * 70 * 45).map(|i| (i * 13 % 31) as f32 - 7.0).collect();
        for (outer, reduced, inner) in
            [(2, 70, 45), (140, 45, 1), (1, 140, 45), (2 * 70 * 45, 1, 1), (1, 70, 90)]
        {
            let fold = Fold { outer, reduced, inner };
            let mut out = vec![f32::NAN; fold.results()];
            sum(fold, &x, &mut out);
            let ints: Vec<i32> = x.iter().map(|&v| v as i32).collect();
            let mut out_i32 = vec![-1; fold.results()];
            sum_i32(fold, &ints, &mut out_i32);
            for (k, (&o, &int)) in out.iter().zip(&out_i32).enumerate() {
                let (a, i) = (k / inner, k % inner);
                let expected: f32 = (0..reduced).map(|r| x[(a * reduced + r) * inner + i]).sum();
                assert_eq!(o, expected, "{fold:?} at {k}");
                assert_eq!(int, expected as i32, "{fold:?} at {k}");
            }
        }
    }
}
