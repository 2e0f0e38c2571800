//! softmax and log_softmax over any dimension, shifted by the largest element so that nothing overflows.
use std::rc::Rc;

use super::reduce::gpu::{tree, Threads, LINE_START};
use super::reduce::{extreme, sum, Fold};
use super::{sample, Call, Operation, Sample};
use crate::error::Result;
use crate::gpu::kernel::{Kernel, Plan};
use crate::kernels::exp::exp;
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::shape::normalize_dim;
use crate::storage::scratch;
use crate::tape::{apply, Context};
use crate::tensor::{Meta, Tensor};

/// What softmax computes on its way, an element for each line of `fold`: the largest element of the line,
/// and the sum of the exponentials of the distances from it.
pub struct Scale {
    pub max: Vec<f32>,
    pub sum: Vec<f32>,
}

/// `out` = exp(x - max), not yet divided by the sums that are returned with the maxima.
pub fn exponentials(fold: Fold, x: &[f32], out: &mut [f32]) -> Result<Scale> {
    let mut scale = Scale { max: scratch(fold.results())?, sum: scratch(fold.results())? };
    // NaN need not win: its own exponential makes the whole line NaN.
    extreme(fold, x, &mut scale.max, |a, b| a > b);
    for_rows(fold, x, out, &scale.max, |x, max| exp(x - max));
    sum(fold, out, &mut scale.sum);
    Ok(scale)
}

/// `out[o, r, i] = f(x[o, r, i], line[o, i])`.
pub fn for_rows(fold: Fold, x: &[f32], out: &mut [f32], line: &[f32], f: impl Fn(f32, f32) -> f32) {
    if fold.is_empty() {
        return;
    }
    if fold.inner == 1 {
        let rows = x.chunks_exact(fold.reduced).zip(out.chunks_exact_mut(fold.reduced));
        for ((x, out), &l) in rows.zip(line) {
            out.iter_mut().zip(x).for_each(|(o, &x)| *o = f(x, l));
        }
        return;
    }
    let size = fold.reduced * fold.inner;
    let blocks = x.chunks_exact(size).zip(out.chunks_exact_mut(size));
    for ((x, out), line) in blocks.zip(line.chunks_exact(fold.inner)) {
        for (x, out) in x.chunks_exact(fold.inner).zip(out.chunks_exact_mut(fold.inner)) {
            out.iter_mut().zip(x).zip(line).for_each(|((o, &x), &l)| *o = f(x, l));
        }
    }
}

/// As [`for_rows`], over what is already in `out`.
pub fn for_rows_in_place(fold: Fold, out: &mut [f32], line: &[f32], f: impl Fn(f32, f32) -> f32) {
    if fold.is_empty() {
        return;
    }
    let size = fold.reduced * fold.inner;
    for (block, line) in out.chunks_exact_mut(size).zip(line.chunks_exact(fold.inner)) {
        if let [l] = *line {
            block.iter_mut().for_each(|o| *o = f(*o, l));
            continue;
        }
        for row in block.chunks_exact_mut(fold.inner) {
            row.iter_mut().zip(line).for_each(|(o, &l)| *o = f(*o, l));
        }
    }
}

/// Each line of `out` gets the softmax of that of `x`.
pub fn softmax(fold: Fold, x: &[f32], out: &mut [f32]) -> Result<Scale> {
    let scale = exponentials(fold, x, out)?;
    for_rows_in_place(fold, out, &scale.sum, |power, sum| power / sum);
    Ok(scale)
}

/// Each line of `out` gets the logarithm of the softmax of that of `x`.
pub fn log_softmax(fold: Fold, x: &[f32], out: &mut [f32]) -> Result<()> {
    let mut scale = exponentials(fold, x, out)?;
    scale.sum.iter_mut().for_each(|s| *s = s.ln());
    for_rows(fold, x, out, &scale.max, |x, max| x - max);
    for_rows_in_place(fold, out, &scale.sum, |distance, log| distance - log);
    Ok(())
}

/// dx of softmax from its result `y`: `y * (dy - sum(y * dy))`.
pub fn softmax_backward(fold: Fold, y: &[f32], dy: &[f32], dx: &mut [f32]) -> Result<()> {
    let mut dot = scratch(fold.results())?;
    dx.iter_mut().zip(y).zip(dy).for_each(|((dx, &y), &dy)| *dx = y * dy);
    sum(fold, dx, &mut dot);
    for_rows(fold, dy, dx, &dot, |dy, dot| dy - dot);
    dx.iter_mut().zip(y).for_each(|(dx, &y)| *dx *= y);
    Ok(())
}

/// dx of log_softmax from its result `y`: `dy - exp(y) * sum(dy)`.
pub fn log_softmax_backward(fold: Fold, y: &[f32], dy: &[f32], dx: &mut [f32]) -> Result<()> {
    let mut total = scratch(fold.results())?;
    sum(fold, dy, &mut total);
    for_rows(fold, y, dx, &total, |y, total| exp(y) * total);
    dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx = dy - *dx);
    Ok(())
}

/// A kernel over the lines of `fold`, with `sum` over the lanes of each.
fn lines(name: &'static str, fold: Fold, statements: &str) -> Kernel {
    Threads::of_lines(fold)
        .kernel(name, statements)
        .with(&tree("sum", "f32", "a + b"))
        .with(LINE_START)
        .u32("terms", fold.reduced)
        .u32("inner", fold.inner)
}

#[derive(Clone, Copy)]
struct Softmax {
    dim: i64,
    log: bool,
}

impl Softmax {
    fn fold(&self, shape: &[usize]) -> Result<Fold> {
        Ok(Fold::along(shape, normalize_dim(self.dim, shape.len())?))
    }
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        if self.log {
            "log_softmax"
        } else {
            "softmax"
        }
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        self.fold(&x[0].shape)?;
        x[0].require_float()?;
        Ok(vec![x[0].clone()])
    }

    fn saves(&self) -> Saves {
        Saves::outputs(1)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let fold = self.fold(x[0].shape())?;
        if self.log {
            log_softmax(fold, x[0].f32(), out[0].f32())
        } else {
            softmax(fold, x[0].f32(), out[0].f32()).map(drop)
        }
    }

    fn gpu(&self, x: &[GpuInput], _: &[Meta]) -> Result<Plan> {
        let value = if self.log { "x[at] - top - log(total)" } else { "exp(x[at] - top) / total" };
        let statements = format!(
            "  let first = line_start(o);
  let end = select(0u, p.terms, o < p.results);
  var top = p.low;
  for (var r = lane; r < end; r += p.lanes) {{ top = max(top, x[first + r * p.inner]); }}
  top = largest(t, lane, top);
  var total = 0.0;
  for (var r = lane; r < end; r += p.lanes) {{ total += exp(x[first + r * p.inner] - top); }}
  total = sum(t, lane, total);
  for (var r = lane; r < end; r += p.lanes) {{
    let at = first + r * p.inner;
    store(at, {value});
  }}
"
        );
        // NaN need not win: its own exponential makes the whole line NaN.
        let kernel = lines(self.name(), self.fold(x[0].shape())?, &statements)
            .with(&tree("largest", "f32", "max(a, b)"))
            .f32("low", f32::NEG_INFINITY);
        Ok(kernel.input("x", 0, x).result(0).into())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(apply(SoftmaxGrad(*self), &[&ctx.output(0)?, dy])?)])
    }
}

/// dx from y and dy.
struct SoftmaxGrad(Softmax);

impl Op for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "softmax_backward"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![x[0].clone()])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let fold = self.0.fold(x[0].shape())?;
        let backward = if self.0.log { log_softmax_backward } else { softmax_backward };
        backward(fold, x[0].f32(), x[1].f32(), out[0].f32())
    }
    fn gpu(&self, x: &[GpuInput], _: &[Meta]) -> Result<Plan> {
        let (term, value) = if self.0.log {
            ("dy[at]", "dy[at] - exp(y[at]) * total")
        } else {
            ("y[at] * dy[at]", "y[at] * (dy[at] - total)")
        };
        let statements = format!(
            "  let first = line_start(o);
  let end = select(0u, p.terms, o < p.results);
  var total = 0.0;
  for (var r = lane; r < end; r += p.lanes) {{
    let at = first + r * p.inner;
    total += {term};
  }}
  total = sum(t, lane, total);
  for (var r = lane; r < end; r += p.lanes) {{
    let at = first + r * p.inner;
    store(at, {value});
  }}
"
        );
        let kernel = lines(self.name(), self.0.fold(x[0].shape())?, &statements);
        Ok(kernel.input("y", 0, x).input("dy", 1, x).result(0).into())
    }
}

/// `log(softmax(x))` over `dim`.
pub fn log_softmax_of(x: &Tensor, dim: usize) -> Result<Tensor> {
    apply(Softmax { dim: dim as i64, log: true }, &[x])
}

pub fn operations() -> Vec<Operation> {
    let op = |name, log| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| Ok(Rc::new(Softmax { dim: args.int("dim")?, log }))),
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[3, 5])], &[-1.0]),
                Sample::new(vec![sample::floats(&[2, 3, 4])], &[1.0]),
                Sample::new(vec![sample::floats(&[])], &[0.0]),
            ]
        },
    };
    vec![op("softmax", false), op("log_softmax", true)]
}
