//! The largest and smallest elements: amax and amin.
use std::rc::Rc;

use super::gpu::{keys, read, Reducer, Reduction};
use super::spread::{share, Formula};
use super::{run_folds, Dims, Fold};
use crate::error::Result;
use crate::gpu::kernel::Plan;
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{sample, Call, Operation, Sample};
use crate::tape::Context;
use crate::tensor::{DType, Meta, Tensor};

/// `out[o, i]` = the best of `x[o, :, i]`; `better(a, b)`: whether a replaces b. `fold.reduced > 0`.
pub fn extreme<T: Copy>(fold: Fold, x: &[T], out: &mut [T], better: impl Fn(T, T) -> bool) {
    /// Independent bests, for SIMD.
    const LANES: usize = 16;
    let pick = |best: &mut T, v: T| *best = if better(v, *best) { v } else { *best };
    if fold.is_empty() {
        return;
    }
    if fold.inner == 1 {
        for (o, row) in out.iter_mut().zip(x.chunks_exact(fold.reduced)) {
            if row.len() < 2 * LANES {
                let mut best = row[0];
                row.iter().for_each(|&v| pick(&mut best, v));
                *o = best;
                continue;
            }
            let mut lanes = [row[0]; LANES];
            let chunks = row.chunks_exact(LANES);
            chunks.remainder().iter().for_each(|&v| pick(&mut lanes[0], v));
            for chunk in chunks {
                lanes.iter_mut().zip(chunk).for_each(|(lane, &v)| pick(lane, v));
            }
            let mut best = lanes[0];
            lanes.iter().for_each(|&v| pick(&mut best, v));
            *o = best;
        }
        return;
    }
    for (out, rows) in out.chunks_exact_mut(fold.inner).zip(x.chunks_exact(fold.reduced * fold.inner)) {
        out.copy_from_slice(&rows[..fold.inner]);
        for row in rows.chunks_exact(fold.inner) {
            out.iter_mut().zip(row).for_each(|(o, &v)| pick(o, v));
        }
    }
}

/// NaN is better than any number, so that it stays.
pub fn larger(a: f32, b: f32) -> bool {
    (a > b) | a.is_nan()
}

/// As [`larger`], for the minimum.
pub fn smaller(a: f32, b: f32) -> bool {
    (a < b) | a.is_nan()
}

struct Extreme {
    dims: Dims,
    max: bool,
}

impl Op for Extreme {
    fn name(&self) -> &'static str {
        if self.max {
            "amax"
        } else {
            "amin"
        }
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        self.dims.require_elements(&x[0].shape)?;
        Ok(vec![Meta::new(self.dims.output(&x[0].shape)?, x[0].dtype)])
    }

    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 1 }
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let folds = self.dims.folds(x[0].shape())?;
        match (x[0].dtype(), self.max) {
            (DType::F32, true) => {
                run_folds(x[0].f32(), &folds, out[0].f32(), |f, x, o| extreme(f, x, o, larger))
            }
            (DType::F32, false) => {
                run_folds(x[0].f32(), &folds, out[0].f32(), |f, x, o| extreme(f, x, o, smaller))
            }
            (_, true) => {
                run_folds(x[0].i32(), &folds, out[0].i32(), |f, x, o| extreme(f, x, o, |a, b| a > b))
            }
            (_, false) => {
                run_folds(x[0].i32(), &folds, out[0].i32(), |f, x, o| extreme(f, x, o, |a, b| a < b))
            }
        }
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let (shape, float) = (x[0].shape(), out[0].dtype == DType::F32);
        let extreme = Reduction {
            name: self.name(),
            kind: "u32",
            start: "0u",
            term: "key(v)",
            combine: "max(a, b)",
            finish: if float { "store(o, value_of(a));" } else { "y[o] = value_of(a);" },
            functions: keys(out[0].dtype, self.max),
        };
        let mut reducer = Reducer::new(shape, &self.dims.of(shape)?);
        reducer.reduce(&extreme, read(x), |k| if float { k.result(0) } else { k.output("y", 0, out) });
        Ok(reducer.plan())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (x, y) = (ctx.input(0)?, ctx.output(0)?);
        Ok(vec![Some(share(&self.dims, Formula::Equal, Formula::Extreme, &x, &y, dy)?)])
    }
}

pub fn operations() -> Vec<Operation> {
    let op = |name, max| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| Ok(Rc::new(Extreme { dims: Dims::from(args)?, max }))),
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[3, 4, 5])], &[0.0, 0.0]),
                Sample::new(vec![sample::floats(&[3, 4, 5])], &[1.0, 1.0, 1.0]),
                Sample::new(vec![sample::floats(&[3, 4, 5])], &[2.0, 0.0, 2.0, 0.0]),
                Sample::new(vec![sample::floats(&[2, 37])], &[1.0, -1.0, 0.0]),
            ]
        },
    };
    vec![op("amax", true), op("amin", false)]
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn nan_stays_wherever_it_is() {
        for n in [1, 5, 16, 37] {
            for at in 0..n {
                let mut x: Vec<f32> = (0..n).map(|i| (i * 7 % 5) as f32).collect();
                x[at] = f32::NAN;
                for (outer, inner) in [(1, 1), (1, 2)] {
                    let fold = Fold { outer, reduced: n, inner };
                    let x: Vec<f32> = x.iter().flat_map(|&v| vec![v; inner]).collect();
                    let mut out = vec![0.0; inner];
                    extreme(fold, &x, &mut out, larger);
                    assert!(out.iter().all(|v| v.is_nan()), "{n} {at}");
                    extreme(fold, &x, &mut out, smaller);
                    assert!(out.iter().all(|v| v.is_nan()), "{n} {at}");
                }
            }
        }
    }
}
