//! Cumulative sum.
use std::rc::Rc;

use super::gpu::{scan, Threads, LINE_START};
use super::Fold;
use crate::error::Result;
use crate::gpu::kernel::{element, Plan};
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{sample, Call, Operation, Sample};
use crate::shape::normalize_dim;
use crate::storage::scratch;
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

/// `out[o, r, i]` = the sum of `x[o, ..=r, i]`, or of `x[o, r.., i]`. `total` holds `fold.inner` zeros.
pub fn cumsum<T: Copy, A: Copy>(
    fold: Fold,
    reverse: bool,
    x: &[T],
    out: &mut [T],
    total: &mut [A],
    add: impl Fn(A, T) -> A,
    round: impl Fn(A) -> T,
) {
    let Fold { outer, reduced, inner } = fold;
    let Some(&zero) = total.first() else { return };
    for o in 0..outer {
        total.fill(zero);
        for r in 0..reduced {
            let r = if reverse { reduced - 1 - r } else { r };
            let start = (o * reduced + r) * inner;
            let row = x[start..start + inner].iter().zip(&mut out[start..start + inner]);
            for (total, (&v, o)) in total.iter_mut().zip(row) {
                *total = add(*total, v);
                *o = round(*total);
            }
        }
    }
}

struct Cumsum {
    dim: i64,
    reverse: bool,
}

impl Op for Cumsum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        normalize_dim(self.dim, x[0].rank())?;
        let dtype = if x[0].dtype == DType::F32 { DType::F32 } else { DType::I32 };
        Ok(vec![Meta::new(x[0].shape.clone(), dtype)])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let fold = Fold::along(x[0].shape(), normalize_dim(self.dim, x[0].meta.rank())?);
        if x[0].dtype() == DType::F32 {
            // In float64, as PyTorch.
            let mut total = scratch::<f64>(fold.inner)?;
            let add = |total, v: f32| total + v as f64;
            cumsum(fold, self.reverse, x[0].f32(), out[0].f32(), &mut total, add, |t| t as f32);
        } else {
            let mut total = scratch::<i32>(fold.inner)?;
            cumsum(fold, self.reverse, x[0].i32(), out[0].i32(), &mut total, i32::wrapping_add, |t| t);
        }
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let fold = Fold::along(x[0].shape(), normalize_dim(self.dim, x[0].meta.rank())?);
        let float = out[0].dtype == DType::F32;
        let (kind, zero) = (element(out[0].dtype), if float { "0.0" } else { "0" });
        let write = if float { "store(at, total);" } else { "y[at] = total;" };
        let at = "at = line_start(o) + select(r, p.terms - 1u - r, p.reverse == 1u) * p.inner;";
        // Every lane has a piece of the line: what comes before it is known once all have added up theirs.
        let statements = format!(
            "  let start = min(lane * p.share, p.terms);
  let end = select(start, min(start + p.share, p.terms), o < p.results);
  var total: {kind} = {zero};
  for (var r = start; r < end; r++) {{
    let {at}
    total += {kind}(x[at]);
  }}
  total = before(t, lane, total);
  for (var r = start; r < end; r++) {{
    let {at}
    total += {kind}(x[at]);
    {write}
  }}
"
        );
        let threads = Threads::of_lines(fold);
        let kernel = threads
            .kernel("cumsum", &statements)
            .with(&scan("before", kind, zero, "a + b"))
            .with(LINE_START)
            .u32("terms", fold.reduced)
            .u32("inner", fold.inner)
            .u32("share", fold.reduced.div_ceil(threads.lanes))
            .u32("reverse", self.reverse as usize)
            .input("x", 0, x);
        Ok(if float { kernel.result(0) } else { kernel.output("y", 0, out) }.into())
    }
    fn backward(&self, _: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(apply(Cumsum { dim: self.dim, reverse: !self.reverse }, &[dy])?)])
    }
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "cumsum",
        inputs: 1..=1,
        call: Call::op(|args| Ok(Rc::new(Cumsum { dim: args.int("dim")?, reverse: false }))),
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[3, 4, 2])], &[1.0]),
                Sample::new(vec![sample::floats(&[7])], &[-1.0]),
                Sample::new(vec![sample::floats(&[])], &[0.0]),
            ]
        },
    }]
}
