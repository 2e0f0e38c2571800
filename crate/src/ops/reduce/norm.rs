//! logsumexp, and the p-norm.
use std::rc::Rc;

use super::gpu::{keys, read, Reducer, Reduction};
use super::spread::{share, spread, Formula};
use super::{extreme, require_float, run_folds, sum, Dims, Fold};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan};
use crate::kernels::map::{self, Operand};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{sample, Call, Operation, Sample};
use crate::shape::{self, reduced, Layout};
use crate::storage::scratch;
use crate::tape::Context;
use crate::tensor::{DType, Meta, Tensor};

/// log(sum(exp(x))), without overflow.
struct LogSumExp {
    dims: Dims,
}

impl Op for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
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
        let mut max = scratch::<f32>(out.len())?;
        max.fill(f32::NEG_INFINITY);
        if !x.is_empty() {
            run_folds(x, &folds, &mut max, |f, x, o| extreme(f, x, o, super::extreme::larger))?;
        }
        // Infinities would meet as inf - inf.
        max.iter_mut().filter(|m| m.is_infinite()).for_each(|m| *m = 0.0);
        let mut powers = scratch::<f32>(x.len())?;
        let kept = Layout::contiguous(reduced(shape, &self.dims.of(shape)?, true));
        map::map2(
            &Operand { data: x, layout: Layout::contiguous(shape.to_vec()) },
            &Operand { data: &max, layout: shape::expand(&kept, shape)? },
            &mut powers,
            |x: f32, max| (x - max).exp(),
        );
        run_folds(&powers, &folds, out, sum)?;
        out.iter_mut().zip(&max).for_each(|(o, max)| *o = o.ln() + max);
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], _: &[Meta]) -> Result<Plan> {
        let shape = x[0].shape();
        let mut reducer = Reducer::new(shape, &self.dims.of(shape)?);
        let max = reducer.word_a_result();
        let extreme = Reduction {
            name: "max",
            kind: "u32",
            start: "0u",
            term: "key(v)",
            combine: "max(a, b)",
            // Infinities would meet as inf - inf. Nothing at all has no maximum.
            finish: "max_of[o] = select(value_of(a), 0.0, a == 0u || is_inf(value_of(a)));",
            functions: keys(DType::F32, true),
        };
        reducer.reduce(&extreme, read(x), |kernel| kernel.scratch("max_of", "f32", max, true));
        let powers = Reduction {
            name: self.name(),
            kind: "f32",
            start: "0.0",
            term: "exp(v - max_of[o])",
            combine: "a + b",
            finish: "store(o, log(a) + max_of[o]);",
            functions: String::new(),
        };
        let reads = |kernel: Kernel| read(x)(kernel).scratch("max_of", "f32", max, false);
        reducer.reduce(&powers, reads, |kernel| kernel.result(0));
        Ok(reducer.plan())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let x = ctx.input(0)?;
        let (y, dy) = (self.dims.keep(&ctx.output(0)?, x.shape())?, self.dims.keep(dy, x.shape())?);
        Ok(vec![Some(spread(Formula::LogSumExp, &x, &y, &dy)?)])
    }
}

/// The p-norm: (sum |x|^p)^(1/p); for p = 0 the count of what is not 0, for infinite p the extreme of |x|.
struct Norm {
    dims: Dims,
    p: f32,
}

impl Norm {
    fn fold(&self, fold: Fold, x: &[f32], out: &mut [f32]) {
        match self.p {
            f32::INFINITY => extreme(fold, x, out, super::extreme::larger),
            f32::NEG_INFINITY => extreme(fold, x, out, super::extreme::smaller),
            _ => sum(fold, x, out),
        }
    }
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        require_float(x[0])?;
        if self.p.is_nan() {
            return Err(Error::argument("p must be a number, got NaN"));
        }
        if self.p.is_infinite() || self.p < 0.0 {
            self.dims.require_elements(&x[0].shape)?;
        }
        Ok(vec![Meta::f32(self.dims.output(&x[0].shape)?)])
    }

    fn saves(&self) -> Saves {
        Saves { inputs: 1, outputs: 1 }
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let folds = self.dims.folds(x[0].shape())?;
        let (x, out, p) = (x[0].f32(), out[0].f32(), self.p);
        let mut terms = scratch::<f32>(x.len())?;
        match p {
            2.0 => map::map1(x, &mut terms, |x| x * x),
            0.0 => map::map1(x, &mut terms, |x| (x != 0.0) as u32 as f32),
            1.0 | f32::INFINITY | f32::NEG_INFINITY => map::map1(x, &mut terms, f32::abs),
            _ => map::map1(x, &mut terms, |x: f32| x.abs().powf(p)),
        }
        run_folds(&terms, &folds, out, |fold, x, out| self.fold(fold, x, out))?;
        match p {
            2.0 => out.iter_mut().for_each(|o| *o = o.sqrt()),
            0.0 | 1.0 | f32::INFINITY | f32::NEG_INFINITY => {}
            _ => out.iter_mut().for_each(|o| *o = o.powf(1.0 / p)),
        }
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], _: &[Meta]) -> Result<Plan> {
        let (shape, p) = (x[0].shape(), self.p);
        let extreme = p.is_infinite();
        let norm = Reduction {
            name: self.name(),
            kind: if extreme { "u32" } else { "f32" },
            start: if extreme { "0u" } else { "0.0" },
            term: match p {
                f32::INFINITY | f32::NEG_INFINITY => "key(abs(v))",
                2.0 => "v * v",
                1.0 => "abs(v)",
                0.0 => "f32((bitcast<u32>(v) & 0x7fffffffu) != 0u)",
                _ => "pow(abs(v), p.p)",
            },
            combine: if extreme { "max(a, b)" } else { "a + b" },
            finish: match p {
                f32::INFINITY | f32::NEG_INFINITY => "store(o, value_of(a));",
                2.0 => "store(o, sqrt(a));",
                0.0 | 1.0 => "store(o, a);",
                _ => "store(o, pow(a, p.root));",
            },
            functions: if extreme { keys(DType::F32, p > 0.0) } else { String::new() },
        };
        let mut reducer = Reducer::new(shape, &self.dims.of(shape)?);
        let reads = |kernel: Kernel| match p {
            f32::INFINITY | f32::NEG_INFINITY => read(x)(kernel),
            // Both are finite: an infinity may not reach WGSL's arithmetic by way of 1 / 0.
            _ => read(x)(kernel).f32("p", p).f32("root", if p == 0.0 { 0.0 } else { 1.0 / p }),
        };
        reducer.reduce(&norm, reads, |kernel| kernel.result(0));
        Ok(reducer.plan())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (x, y) = (ctx.input(0)?, ctx.output(0)?);
        let formula = Formula::Norm(self.p);
        let dx = if self.p == 0.0 {
            Tensor::zeros_on(dy.device(), x.meta())?
        } else if self.p.is_infinite() {
            share(&self.dims, Formula::EqualAbs, formula, &x, &y, dy)?
        } else {
            let (y, dy) = (self.dims.keep(&y, x.shape())?, self.dims.keep(dy, x.shape())?);
            spread(formula, &x, &y, &dy)?
        };
        Ok(vec![Some(dx)])
    }
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation {
            name: "logsumexp",
            inputs: 1..=1,
            call: Call::op(|args| Ok(Rc::new(LogSumExp { dims: Dims::from(args)? }))),
            samples: || {
                let x = || vec![sample::floats(&[3, 4, 5])];
                vec![
                    Sample::new(x(), &[0.0, 0.0]),
                    Sample::new(x(), &[1.0, 1.0, 1.0]),
                    Sample::new(x(), &[2.0, 0.0, 2.0, 0.0]),
                ]
            },
        },
        Operation {
            name: "norm",
            inputs: 1..=1,
            call: Call::op(|args| Ok(Rc::new(Norm { dims: Dims::from(args)?, p: args.float("p")? as f32 }))),
            samples: || {
                let norm = |p: f64| Sample::new(vec![sample::floats(&[3, 4])], &[1.0, 1.0, 0.0, p]);
                let mut samples: Vec<Sample> =
                    [0.0, 0.5, 1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY].map(norm).into();
                samples.push(Sample::new(vec![sample::floats(&[3, 4, 2])], &[2.0, 0.0, 2.0, 1.0, 2.0]));
                samples
            },
        },
    ]
}
