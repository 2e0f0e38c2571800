//! Whether any or all elements are true, which is: not 0.
use std::rc::Rc;

use super::gpu::{read, Reducer, Reduction};
use super::{run_folds, Dims, Fold};
use crate::error::Result;
use crate::gpu::kernel::Plan;
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{sample, Call, Operation, Sample};
use crate::storage::scratch;
use crate::tensor::{DType, Meta};

/// `out[o, i]` = 1 if any (or all) of `x[o, :, i]` are not 0, else 0.
pub fn any_or_all(fold: Fold, all: bool, x: &[u32], out: &mut [u32]) {
    out.fill(all as u32);
    if fold.is_empty() {
        return;
    }
    for (out, rows) in out.chunks_exact_mut(fold.inner).zip(x.chunks_exact(fold.reduced * fold.inner)) {
        for row in rows.chunks_exact(fold.inner) {
            for (o, &v) in out.iter_mut().zip(row) {
                let v = (v != 0) as u32;
                *o = if all { *o & v } else { *o | v };
            }
        }
    }
}

struct AnyOrAll {
    dims: Dims,
    all: bool,
}

impl Op for AnyOrAll {
    fn name(&self) -> &'static str {
        if self.all {
            "all"
        } else {
            "any"
        }
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::new(self.dims.output(&x[0].shape)?, DType::Bool)])
    }
    fn differentiable(&self) -> bool {
        false
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let mut truth = scratch::<u32>(x[0].meta.numel())?;
        if x[0].dtype() == DType::F32 {
            // -0 is false, NaN is true.
            truth.iter_mut().zip(x[0].f32()).for_each(|(t, &v)| *t = (v != 0.0) as u32);
        } else {
            truth.iter_mut().zip(x[0].words()).for_each(|(t, &v)| *t = (v != 0) as u32);
        }
        let folds = self.dims.folds(x[0].shape())?;
        run_folds(&truth, &folds, out[0].words(), |fold, x, out| any_or_all(fold, self.all, x, out))
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let shape = x[0].shape();
        let truth = Reduction {
            name: self.name(),
            kind: "u32",
            start: if self.all { "1u" } else { "0u" },
            term: match x[0].meta.dtype {
                // By its bits: -0 is false, NaN is true, and numbers next to 0 are not flushed.
                DType::F32 => "u32((bitcast<u32>(v) & 0x7fffffffu) != 0u)",
                _ => "u32(v != 0)",
            },
            combine: if self.all { "a & b" } else { "a | b" },
            finish: "y[o] = a;",
            functions: String::new(),
        };
        let mut reducer = Reducer::new(shape, &self.dims.of(shape)?);
        reducer.reduce(&truth, read(x), |kernel| kernel.output("y", 0, out));
        Ok(reducer.plan())
    }
}

pub fn operations() -> Vec<Operation> {
    let op = |name, all| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| Ok(Rc::new(AnyOrAll { dims: Dims::from(args)?, all }))),
        samples: || {
            let x = || vec![sample::bools(&[true, false, true, true, false, false], &[3, 2])];
            vec![
                Sample::new(x(), &[0.0, 0.0]),
                Sample::new(x(), &[1.0, 1.0, 0.0]),
                Sample::new(x(), &[1.0, 0.0, 1.0]),
                Sample::new(vec![sample::floats(&[3, 2])], &[1.0, 0.0, 1.0]),
            ]
        },
    };
    vec![op("any", false), op("all", true)]
}
