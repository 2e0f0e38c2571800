//! Product.
use super::gpu::{read, scan, Reducer, Reduction, Threads, LINE_START};
use super::{Dims, Fold};
use crate::error::Result;
use crate::gpu::kernel::{element, Plan};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{sample, view, Call, Operation, Sample};
use crate::shape::reduced;
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

/// `out[o, i]` = the product of `x[o, :, i]`.
pub fn product<T: Copy>(fold: Fold, x: &[T], out: &mut [T], one: T, times: impl Fn(T, T) -> T) {
    out.fill(one);
    if fold.is_empty() {
        return;
    }
    for (out, rows) in out.chunks_exact_mut(fold.inner).zip(x.chunks_exact(fold.reduced * fold.inner)) {
        for row in rows.chunks_exact(fold.inner) {
            out.iter_mut().zip(row).for_each(|(o, &v)| *o = times(*o, v));
        }
    }
}

/// `dx[o, r, i]` = `dy[o, i]` times the product of the others: right even where elements are 0.
pub fn product_backward(fold: Fold, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let Fold { outer, reduced, inner } = fold;
    for o in 0..outer {
        for i in 0..inner {
            let at = |r: usize| (o * reduced + r) * inner + i;
            let mut before = 1.0;
            for r in 0..reduced {
                dx[at(r)] = before;
                before *= x[at(r)];
            }
            let mut after = dy[o * inner + i];
            for r in (0..reduced).rev() {
                dx[at(r)] *= after;
                after *= x[at(r)];
            }
        }
    }
}

/// The product over one dimension, which is kept with size 1.
struct Prod {
    dim: usize,
}

impl Op for Prod {
    fn name(&self) -> &'static str {
        "prod"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        let dtype = if x[0].dtype == DType::F32 { DType::F32 } else { DType::I32 };
        Ok(vec![Meta::new(reduced(&x[0].shape, &[self.dim], true), dtype)])
    }
    fn saves(&self) -> Saves {
        Saves::inputs(1)
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let fold = Fold::along(x[0].shape(), self.dim);
        if x[0].dtype() == DType::F32 {
            product(fold, x[0].f32(), out[0].f32(), 1.0, |a, b| a * b);
        } else {
            product(fold, x[0].i32(), out[0].i32(), 1, i32::wrapping_mul);
        }
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let float = out[0].dtype == DType::F32;
        let product = Reduction {
            name: "prod",
            kind: element(out[0].dtype),
            start: if float { "1.0" } else { "1" },
            term: if x[0].meta.dtype == DType::Bool { "i32(v)" } else { "v" },
            combine: "a * b",
            finish: if float { "store(o, a);" } else { "y[o] = a;" },
            functions: String::new(),
        };
        let mut reducer = Reducer::new(x[0].shape(), &[self.dim]);
        reducer.reduce(&product, read(x), |k| if float { k.result(0) } else { k.output("y", 0, out) });
        Ok(reducer.plan())
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(apply(ProdGrad { dim: self.dim }, &[&ctx.input(0)?, dy])?)])
    }
}

/// dx from x and dy.
struct ProdGrad {
    dim: usize,
}

impl Op for ProdGrad {
    fn name(&self) -> &'static str {
        "prod_backward"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![x[0].clone()])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        product_backward(Fold::along(x[0].shape(), self.dim), x[0].f32(), x[1].f32(), out[0].f32());
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let fold = Fold::along(x[0].shape(), self.dim);
        // Every lane has a piece of the line, and multiplies what comes before and after its elements.
        let statements = "  let start = min(lane * p.share, p.terms);
  let end = select(start, min(start + p.share, p.terms), o < p.results);
  let first = line_start(o);
  var own = 1.0;
  for (var r = start; r < end; r++) { own *= x[first + r * p.inner]; }
  var before = product_before(t, lane, own);
  // The lanes in the other direction.
  let other = p.lanes - 1u - lane;
  var after = product_before(t - lane * p.lane_step + other * p.lane_step, other, own);
  for (var r = start; r < end; r++) {
    let at = first + r * p.inner;
    dx[at] = before;
    before *= x[at];
  }
  if (start < end) { after *= dy[o]; }
  for (var r = end; r > start; r--) {
    let at = first + (r - 1u) * p.inner;
    dx[at] *= after;
    after *= x[at];
  }
";
        let threads = Threads::of_lines(fold);
        let kernel = threads
            .kernel("prod_backward", statements)
            .with(&scan("product_before", "f32", "1.0", "a * b"))
            .with(LINE_START)
            .u32("terms", fold.reduced)
            .u32("inner", fold.inner)
            .u32("share", fold.reduced.div_ceil(threads.lanes))
            .input("x", 0, x)
            .input("dy", 1, x)
            .output("dx", 0, out);
        Ok(kernel.into())
    }
}

fn prod(x: &Tensor, dims: &Dims) -> Result<Tensor> {
    let shape = x.shape().to_vec();
    let over = dims.of(&shape)?;
    // Several dimensions are brought together as the last one.
    let kept: Vec<usize> = (0..shape.len()).filter(|d| !over.contains(d)).collect();
    let order: Vec<usize> = kept.iter().chain(&over).copied().collect();
    let mut gathered: Vec<usize> = kept.iter().map(|&d| shape[d]).collect();
    gathered.push(over.iter().map(|&d| shape[d]).product());
    let lines = view::reshape(&view::permute(x, &order)?, &gathered)?;
    let y = apply(Prod { dim: kept.len() }, &[&lines])?;
    view::reshape(&y, &dims.output(&shape)?)
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "prod",
        inputs: 1..=1,
        call: Call::Function(|x, args| Ok(vec![prod(&x[0], &Dims::from(args)?)?])),
        samples: || {
            vec![
                Sample::new(vec![sample::positives(&[2, 3])], &[0.0, 0.0]),
                Sample::new(vec![sample::positives(&[2, 3, 2])], &[1.0, 1.0, 1.0]),
                Sample::new(vec![sample::positives(&[2, 3, 2])], &[2.0, 0.0, 2.0, 0.0]),
            ]
        },
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn zeros_have_gradients() {
        let fold = Fold { outer: 2, reduced: 3, inner: 1 };
        let mut dx = [f32::NAN; 6];
        product_backward(fold, &[2.0, 0.0, 3.0, 0.0, 0.0, 5.0], &[1.0, 10.0], &mut dx);
        assert_eq!(dx, [0.0, 6.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
