//! Variance and standard deviation.
use std::rc::Rc;

use super::gpu::{read, Reducer, Reduction};
use super::spread::{spread, Formula};
use super::sum::mean_dims;
use super::{require_float, run_folds, sum, Dims};
use crate::args::Args;
use crate::error::Result;
use crate::gpu::kernel::{Kernel, Plan};
use crate::kernels::map::{self, Operand};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{sample, unary, Call, Operation, Sample};
use crate::shape::{self, reduced, Layout};
use crate::storage::scratch;
use crate::tape::Context;
use crate::tensor::{Meta, Tensor};

/// The squared distances from the mean, summed and divided by the count less `correction`; or the root of that.
struct Moment {
    dims: Dims,
    correction: f64,
    root: bool,
}

impl Moment {
    fn from(args: &mut Args, root: bool) -> Result<Self> {
        Ok(Moment { dims: Dims::from(args)?, correction: args.float("correction")?, root })
    }

    /// NaN or infinite results where nothing is left to divide by, as in PyTorch.
    fn divisor(&self, shape: &[usize]) -> Result<f64> {
        Ok((self.dims.count(shape)? as f64 - self.correction).max(0.0))
    }
}

impl Op for Moment {
    fn name(&self) -> &'static str {
        if self.root {
            "std"
        } else {
            "var"
        }
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        require_float(x[0])?;
        Ok(vec![Meta::f32(self.dims.output(&x[0].shape)?)])
    }

    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 1 }
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let shape = x[0].shape();
        let folds = self.dims.folds(shape)?;
        let (x, out) = (x[0].f32(), out[0].f32());
        run_folds(x, &folds, out, sum)?;
        let count = self.dims.count(shape)? as f32;
        out.iter_mut().for_each(|o| *o /= count);

        // In two passes: squares of large numbers would lose their differences.
        let mut squares = scratch::<f32>(x.len())?;
        let mean = Layout::contiguous(reduced(shape, &self.dims.of(shape)?, true));
        map::map2(
            &Operand { data: x, layout: Layout::contiguous(shape.to_vec()) },
            &Operand { data: out, layout: shape::expand(&mean, shape)? },
            &mut squares,
            |x, mean| (x - mean) * (x - mean),
        );
        run_folds(&squares, &folds, out, sum)?;
        let divisor = self.divisor(shape)? as f32;
        for o in out {
            *o /= divisor;
            if self.root {
                *o = o.sqrt();
            }
        }
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], _: &[Meta]) -> Result<Plan> {
        let shape = x[0].shape();
        let (count, divisor) = (self.dims.count(shape)? as f32, self.divisor(shape)? as f32);
        let mut reducer = Reducer::new(shape, &self.dims.of(shape)?);
        let mean = reducer.word_a_result();
        let sum = Reduction {
            name: "mean",
            kind: "f32",
            start: "0.0",
            term: "v",
            combine: "a + b",
            finish: "mean[o] = a / p.count;",
            functions: String::new(),
        };
        reducer.reduce(&sum, read(x), |kernel| kernel.f32("count", count).scratch("mean", "f32", mean, true));
        let squares = Reduction {
            name: self.name(),
            term: "(v - mean[o]) * (v - mean[o])",
            finish: if self.root { "store(o, sqrt(a / p.divisor));" } else { "store(o, a / p.divisor);" },
            ..sum
        };
        let reads = |kernel: Kernel| read(x)(kernel).scratch("mean", "f32", mean, false);
        reducer.reduce(&squares, reads, |kernel| kernel.f32("divisor", divisor).result(0));
        Ok(reducer.plan())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let x = ctx.input(0)?;
        let mut dy = self.dims.keep(dy, x.shape())?;
        if self.root {
            // d sqrt(v) = dv / 2 sqrt(v), and 0 where all elements are equal.
            let y = self.dims.keep(&ctx.output(0)?, x.shape())?;
            dy = spread(Formula::HalfOver, &y, &y, &dy)?;
        }
        let dy = unary::with_scalar("mul_scalar", &dy, 2.0 / self.divisor(x.shape())?)?;
        let mean = mean_dims(&x, &self.dims.of(x.shape())?)?;
        Ok(vec![Some(spread(Formula::Deviation, &x, &mean, &dy)?)])
    }
}

pub fn operations() -> Vec<Operation> {
    let op = |name, root| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| Ok(Rc::new(Moment::from(args, root)?))),
        samples: || {
            let x = || vec![sample::floats(&[3, 4, 5])];
            vec![
                Sample::new(x(), &[0.0, 0.0, 1.0]),
                Sample::new(x(), &[1.0, 1.0, 1.0, 0.0]),
                Sample::new(x(), &[2.0, 0.0, 2.0, 0.0, 1.0]),
            ]
        },
    };
    vec![op("var", false), op("std", true)]
}
