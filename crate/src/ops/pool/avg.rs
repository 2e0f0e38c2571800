//! avg_pool2d.
use std::rc::Rc;

use super::{place, Axis, Pooling, Tap, Windows, AXIS};
use crate::args::Args;
use crate::error::Result;
use crate::gpu::kernel::{Kernel, Plan};
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{sample, Call, Operation, Sample};
use crate::storage::scratch;
use crate::tape::{apply, Context};
use crate::tensor::{Meta, Tensor};

/// What a window's sum is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Divisor {
    /// How many of its elements lie in the input or its padding.
    WithPadding,
    /// How many lie in the input.
    Inside,
    Number(f32),
}

impl Divisor {
    /// The divisor's factor for window `o` of an axis.
    fn factor(self, axis: &Axis, o: usize) -> f32 {
        let start = axis.position(o, 0);
        let end = (start + axis.window.kernel as i64).min((axis.size + axis.window.padding) as i64);
        match self {
            Divisor::WithPadding => (end - start) as f32,
            Divisor::Inside => (end.min(axis.size as i64) - start.max(0)) as f32,
            Divisor::Number(_) => 1.0,
        }
    }

    /// [`Divisor::factor`] of a window that starts at `start`.
    fn wgsl(self) -> &'static str {
        match self {
            Divisor::WithPadding => {
                "fn factor(start: i32, kernel: i32, size: i32, padding: i32) -> f32 {
  return f32(min(start + kernel, size + padding) - start);
}
"
            }
            Divisor::Inside => {
                "fn factor(start: i32, kernel: i32, size: i32, padding: i32) -> f32 {
  return f32(min(start + kernel, size) - max(start, 0));
}
"
            }
            Divisor::Number(_) => {
                "fn factor(start: i32, kernel: i32, size: i32, padding: i32) -> f32 { return 1.0; }
"
            }
        }
    }

    fn whole(self) -> f32 {
        match self {
            Divisor::Number(number) => number,
            _ => 1.0,
        }
    }
}

/// The mean of every window.
pub fn avg_pool2d(pooling: &Pooling, divisor: Divisor, x: &[f32], out: &mut [f32]) -> Result<()> {
    let Pooling { rows, columns, .. } = pooling;
    let (factors, taps) = (factors(columns, divisor)?, columns.taps());
    let mut phases = scratch(columns.phases())?;
    for (x, out) in x.chunks_exact(pooling.input()).zip(out.chunks_exact_mut(pooling.output())) {
        for (o, out) in out.chunks_exact_mut(columns.outputs).enumerate() {
            out.fill(0.0);
            for k in rows.kernel(o) {
                let row = &x[rows.position(o, k) as usize * columns.size..][..columns.size];
                let row = columns.split(row, &mut phases);
                for Tap { windows, phase, .. } in &taps {
                    out[windows.clone()].iter_mut().zip(&row[*phase..]).for_each(|(o, &v)| *o += v);
                }
            }
            let height = divisor.factor(rows, o) * divisor.whole();
            out.iter_mut().zip(&factors).for_each(|(o, width)| *o /= height * width);
        }
    }
    Ok(())
}

/// dx: every element of a window gets an equal part of its gradient.
pub fn avg_pool2d_backward(pooling: &Pooling, divisor: Divisor, dy: &[f32], dx: &mut [f32]) -> Result<()> {
    let Pooling { rows, columns, .. } = pooling;
    let (factors, taps) = (factors(columns, divisor)?, columns.taps());
    let mut part = scratch::<f32>(columns.outputs)?;
    dx.fill(0.0);
    for (dx, dy) in dx.chunks_exact_mut(pooling.input()).zip(dy.chunks_exact(pooling.output())) {
        for (o, dy) in dy.chunks_exact(columns.outputs).enumerate() {
            let height = divisor.factor(rows, o) * divisor.whole();
            part.iter_mut().zip(dy).zip(&factors).for_each(|((p, &dy), width)| *p = dy / (height * width));
            for k in rows.kernel(o) {
                let row = &mut dx[rows.position(o, k) as usize * columns.size..][..columns.size];
                for Tap { windows, position, .. } in &taps {
                    let (row, part) = (&mut row[*position..], &part[windows.clone()]);
                    match columns.window.stride {
                        1 => row.iter_mut().zip(part).for_each(|(dx, &p)| *dx += p),
                        2 => row.chunks_mut(2).zip(part).for_each(|(dx, &p)| dx[0] += p),
                        stride => row.chunks_mut(stride).zip(part).for_each(|(dx, &p)| dx[0] += p),
                    }
                }
            }
        }
    }
    Ok(())
}

/// The divisor's factor for each column of the output.
fn factors(columns: &Axis, divisor: Divisor) -> Result<Vec<f32>> {
    let mut factors = scratch::<f32>(columns.outputs)?;
    factors.iter_mut().enumerate().for_each(|(j, f)| *f = divisor.factor(columns, j));
    Ok(factors)
}

#[derive(Clone, Copy)]
struct AvgPool {
    windows: Windows,
    divisor: Divisor,
}

impl AvgPool {
    fn from(args: &mut Args) -> Result<Self> {
        let windows = Windows::from(args, false)?;
        let count_include_pad = args.flag("countIncludePad")?;
        let divisor = match args.int("divisorOverride")? {
            0 if count_include_pad => Divisor::WithPadding,
            0 => Divisor::Inside,
            number => Divisor::Number(number as f32),
        };
        Ok(AvgPool { windows, divisor })
    }
}

impl Op for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::f32(self.windows.output(x[0])?)])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        avg_pool2d(&self.windows.pooling(x[0].shape())?, self.divisor, x[0].f32(), out[0].f32())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let place = place("oh", "ow");
        let statements = format!(
            "{place}  let image = i / p.out_image * p.image;
  let top = row * p.sh - p.ph;
  let left = column * p.sw - p.pw;
  let k_end = end_inside(top, p.h, p.kh, p.dh);
  let l_start = first_inside(left, p.dw);
  let l_end = end_inside(left, p.w, p.kw, p.dw);
  var sum = 0.0;
  for (var k = first_inside(top, p.dh); k < k_end; k++) {{
    let line = image + u32((top + k) * p.w);
    var part = 0.0;
    for (var l = l_start; l < l_end; l++) {{ part += x[line + u32(left + l)]; }}
    sum += part;
  }}
  store(i, sum / (factor(top, p.kh, p.h, p.ph) * factor(left, p.kw, p.w, p.pw) * p.whole));"
        );
        let kernel = Kernel::elementwise("avg_pool2d", out[0].numel(), &statements)
            .with(self.divisor.wgsl())
            .with(AXIS)
            .f32("whole", self.divisor.whole())
            .input("x", 0, x)
            .result(0);
        Ok(self.windows.pooling(x[0].shape())?.add_to(kernel)?.into())
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(apply(AvgPoolGrad { pool: *self, input: ctx.meta(0).clone() }, &[dy])?)])
    }
}

/// dx from dy.
struct AvgPoolGrad {
    pool: AvgPool,
    input: Meta,
}

impl Op for AvgPoolGrad {
    fn name(&self) -> &'static str {
        "avg_pool2d_backward"
    }
    fn outputs(&self, _: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![self.input.clone()])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let pooling = self.pool.windows.pooling(&self.input.shape)?;
        avg_pool2d_backward(&pooling, self.pool.divisor, x[0].f32(), out[0].f32())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let AvgPool { windows, divisor } = self.pool;
        let place = place("h", "w");
        let statements = format!(
            "{place}  let image = i / p.image * p.out_image;
  let o_end = last_window(row, p.sh, p.ph, p.oh);
  let j_start = first_window(column, p.kw, p.sw, p.pw, p.dw);
  let j_end = last_window(column, p.sw, p.pw, p.ow);
  var dx = 0.0;
  for (var o = first_window(row, p.kh, p.sh, p.ph, p.dh); o <= o_end; o++) {{
    let height = factor(o * p.sh - p.ph, p.kh, p.h, p.ph) * p.whole;
    for (var j = j_start; j <= j_end; j++) {{
      dx += dy[image + u32(o * p.ow + j)] / (height * factor(j * p.sw - p.pw, p.kw, p.w, p.pw));
    }}
  }}
  store(i, dx);"
        );
        let kernel = Kernel::elementwise("avg_pool2d_backward", out[0].numel(), &statements)
            .with(divisor.wgsl())
            .with(AXIS)
            .f32("whole", divisor.whole())
            .input("dy", 0, x)
            .result(0);
        Ok(windows.pooling(&self.input.shape)?.add_to(kernel)?.into())
    }
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "avg_pool2d",
        inputs: 1..=1,
        call: Call::op(|args| Ok(Rc::new(AvgPool::from(args)?))),
        samples: || {
            let pool = |shape: &[usize], args: &[f64]| Sample::new(vec![sample::floats(shape)], args);
            vec![
                // kernel, stride, padding, ceilMode, countIncludePad, divisorOverride
                pool(&[2, 2, 4, 6], &[2., 2., 2., 2., 0., 0., 0., 1., 0.]),
                pool(&[3, 5, 7], &[3., 3., 1., 1., 1., 1., 0., 0., 0.]),
                pool(&[1, 2, 6, 5], &[3., 2., 2., 3., 1., 1., 1., 1., 0.]),
                pool(&[1, 2, 6, 5], &[3., 2., 2., 3., 1., 1., 1., 0., 0.]),
                pool(&[1, 1, 6, 6], &[2., 3., 2., 2., 0., 0., 0., 1., 5.]),
            ]
        },
    }]
}
