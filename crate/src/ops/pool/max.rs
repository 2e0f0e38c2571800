//! max_pool2d.
use std::rc::Rc;

use super::{place, Axis, Pooling, Tap, Windows, AXIS};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{sample, Call, Operation, Sample};
use crate::storage::scratch;
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

/// The largest element of every window, and its index in its image: the first of equal ones, the last NaN.
pub fn max_pool2d(pooling: &Pooling, x: &[f32], out: &mut [f32], indices: &mut [i32]) -> Result<()> {
    let mut columns = Columns::new(&pooling.columns)?;
    let images = x.chunks_exact(pooling.input());
    let outputs = out.chunks_exact_mut(pooling.output()).zip(indices.chunks_exact_mut(pooling.output()));
    for (x, (out, indices)) in images.zip(outputs) {
        if pooling.is_halving() {
            halve(pooling, x, out, indices);
        } else {
            pool_image(pooling, &mut columns, x, out, indices);
        }
    }
    Ok(())
}

/// What is computed once for all images.
struct Columns {
    taps: Vec<Tap>,
    /// The column of the first element of each window that lies inside the input.
    firsts: Vec<i32>,
    /// Memory for a row.
    phases: Vec<f32>,
}

impl Columns {
    fn new(axis: &Axis) -> Result<Self> {
        let mut firsts = scratch(axis.outputs)?;
        for (j, first) in firsts.iter_mut().enumerate() {
            *first = axis.position(j, axis.kernel(j).start) as i32;
        }
        Ok(Columns { taps: axis.taps(), firsts, phases: scratch(axis.phases())? })
    }
}

/// Row by row of the output; for a row kernel element by kernel element, so that the inner loop has no branches.
fn pool_image(pooling: &Pooling, prepared: &mut Columns, x: &[f32], out: &mut [f32], indices: &mut [i32]) {
    let Pooling { rows, columns, .. } = *pooling;
    let (width, stride) = (columns.size, columns.window.stride as i32);
    let outputs = out.chunks_exact_mut(columns.outputs).zip(indices.chunks_exact_mut(columns.outputs));
    for (o, (out, indices)) in outputs.enumerate() {
        let kernel = rows.kernel(o);
        let start_of = |k: usize| rows.position(o, k).max(0) as usize * width;
        // Where nothing is larger than -infinity, the first element counts.
        let start = start_of(kernel.start) as i32;
        out.fill(f32::NEG_INFINITY);
        indices.iter_mut().zip(&prepared.firsts).for_each(|(index, first)| *index = start + first);
        for k in kernel {
            let start = start_of(k);
            let row = columns.split(&x[start..start + width], &mut prepared.phases);
            for Tap { windows, position, phase } in &prepared.taps {
                let (out, indices) = (&mut out[windows.clone()], &mut indices[windows.clone()]);
                take_larger(&row[*phase..], (start + position) as i32, stride, out, indices);
            }
        }
    }
}

/// Replaces outputs by the elements of `row` where those are larger. Their indices are `index`, `index + stride` ...
fn take_larger(row: &[f32], index: i32, stride: i32, out: &mut [f32], indices: &mut [i32]) {
    let mut index = index;
    for ((best, at), &v) in out.iter_mut().zip(indices).zip(row) {
        // With a mask, as the compiler turns a condition into writes of single elements.
        let wins = (((v > *best) | v.is_nan()) as u32).wrapping_neg();
        *best = f32::from_bits((v.to_bits() & wins) | (best.to_bits() & !wins));
        *at = (index & wins as i32) | (*at & !wins as i32);
        index = index.wrapping_add(stride);
    }
}

/// Windows of 2 x 2, side by side.
fn halve(pooling: &Pooling, x: &[f32], out: &mut [f32], indices: &mut [i32]) {
    let (width, half) = (pooling.columns.size, pooling.columns.outputs);
    let rows = x.chunks_exact(2 * width);
    let outputs = out.chunks_exact_mut(half).zip(indices.chunks_exact_mut(half));
    for ((o, pair), (out, indices)) in rows.enumerate().zip(outputs) {
        let (upper, lower) = pair.split_at(width);
        let start = (2 * o * width) as i32;
        let windows = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        for (j, ((best, index), (upper, lower))) in out.iter_mut().zip(indices).zip(windows).enumerate() {
            let (mut max, mut at) = (upper[0], 0);
            for (v, offset) in [(upper[1], 1), (lower[0], width as i32), (lower[1], width as i32 + 1)] {
                // As in `take_larger`.
                let wins = (((v > max) | v.is_nan()) as u32).wrapping_neg();
                max = f32::from_bits((v.to_bits() & wins) | (max.to_bits() & !wins));
                at = (offset & wins as i32) | (at & !wins as i32);
            }
            *best = max;
            *index = start + 2 * j as i32 + at;
        }
    }
}

/// dx: the gradient of each output, at the element that it came from.
pub fn max_pool2d_backward(pooling: &Pooling, indices: &[i32], dy: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let outputs = indices.chunks_exact(pooling.output()).zip(dy.chunks_exact(pooling.output()));
    for (dx, (indices, dy)) in dx.chunks_exact_mut(pooling.input()).zip(outputs) {
        for (&index, &dy) in indices.iter().zip(dy) {
            // A dilated window may miss its input altogether; its index lies outside.
            if let Some(dx) = dx.get_mut(index as usize) {
                *dx += dy;
            }
        }
    }
}

struct MaxPool {
    windows: Windows,
    with_indices: bool,
}

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        if self.with_indices {
            "max_pool2d_with_indices"
        } else {
            "max_pool2d"
        }
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        let shape = self.windows.output(x[0])?;
        Ok(vec![Meta::f32(shape.clone()), Meta::new(shape, DType::I32)])
    }

    fn public_outputs(&self) -> usize {
        if self.with_indices {
            2
        } else {
            1
        }
    }

    fn saves(&self) -> Saves {
        Saves::outputs(0b10)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let [values, indices] = out else {
            return Err(Error::argument("expected two outputs"));
        };
        max_pool2d(&self.windows.pooling(x[0].shape())?, x[0].f32(), values.f32(), indices.i32())
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
  var k = first_inside(top, p.dh);
  // Where nothing is larger than -infinity, the first element counts.
  var best = p.low;
  var index = (top + k * p.dh) * p.w + left + l_start * p.dw;
  for (; k < k_end; k++) {{
    for (var l = l_start; l < l_end; l++) {{
      let at = (top + k * p.dh) * p.w + left + l * p.dw;
      let v = x[image + u32(at)];
      if (is_nan(v) || (v > best && !is_nan(best))) {{
        best = v;
        index = at;
      }}
    }}
  }}
  indices[i] = index;
  store(i, best);"
        );
        let kernel = Kernel::elementwise(self.name(), out[0].numel(), &statements)
            .with(AXIS)
            .f32("low", f32::NEG_INFINITY)
            .input("x", 0, x)
            .output("indices", 1, out)
            .result(0);
        Ok(self.windows.pooling(x[0].shape())?.add_to(kernel)?.into())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let grad = MaxPoolGrad { windows: self.windows, input: ctx.meta(0).clone() };
        Ok(vec![Some(apply(grad, &[&ctx.output(1)?, dy])?)])
    }
}

/// dx from the indices and dy.
struct MaxPoolGrad {
    windows: Windows,
    input: Meta,
}

impl Op for MaxPoolGrad {
    fn name(&self) -> &'static str {
        "max_pool2d_backward"
    }
    fn outputs(&self, _: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![self.input.clone()])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let pooling = self.windows.pooling(&self.input.shape)?;
        max_pool2d_backward(&pooling, x[0].i32(), x[1].f32(), out[0].f32());
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let place = place("h", "w");
        // Each element looks for its index in the windows that may cover it.
        let statements = format!(
            "{place}  let own = row * p.w + column;
  let image = i / p.image * p.out_image;
  let o_end = last_window(row, p.sh, p.ph, p.oh);
  let j_start = first_window(column, p.kw, p.sw, p.pw, p.dw);
  let j_end = last_window(column, p.sw, p.pw, p.ow);
  var dx = 0.0;
  for (var o = first_window(row, p.kh, p.sh, p.ph, p.dh); o <= o_end; o++) {{
    for (var j = j_start; j <= j_end; j++) {{
      let at = image + u32(o * p.ow + j);
      if (indices[at] == own) {{ dx += dy[at]; }}
    }}
  }}
  store(i, dx);"
        );
        let kernel = Kernel::elementwise(self.name(), out[0].numel(), &statements)
            .with(AXIS)
            .input("indices", 0, x)
            .input("dy", 1, x)
            .result(0);
        Ok(self.windows.pooling(&self.input.shape)?.add_to(kernel)?.into())
    }
}

pub fn operations() -> Vec<Operation> {
    let op = |name, with_indices| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| {
            Ok(Rc::new(MaxPool { windows: Windows::from(args, true)?, with_indices }))
        }),
        samples: || {
            let pool = |shape: &[usize], args: &[f64]| Sample::new(vec![sample::floats(shape)], args);
            vec![
                // kernel, stride, padding, dilation, ceilMode
                pool(&[2, 2, 4, 6], &[2., 2., 2., 2., 0., 0., 1., 1., 0.]),
                pool(&[3, 5, 7], &[2., 2., 2., 2., 0., 0., 1., 1., 0.]),
                pool(&[1, 2, 7, 6], &[3., 3., 2., 2., 1., 1., 1., 1., 0.]),
                pool(&[1, 2, 6, 5], &[3., 2., 1., 3., 1., 0., 2., 1., 1.]),
            ]
        },
    };
    vec![op("max_pool2d", false), op("max_pool2d_with_indices", true)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Window;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn pooling(size: usize, window: Window) -> Pooling {
        let axis = Axis { window, size, outputs: window.output(size, false).unwrap() };
        Pooling { planes: 1, rows: axis, columns: axis }
    }

    #[test]
    fn the_fast_path_chooses_as_the_general_one() {
        let halving = pooling(5, Window { kernel: 2, stride: 2, padding: 0, dilation: 1 });
        let nan = f32::NAN;
        let x: Vec<f32> = [
            [1., 1., nan, 0., 9.],
            [1., 1., nan, 5., 9.],
            [-1., -2., 0., 3., nan],
            [0., -0., 3., nan, 1.],
            [9., 9., 9., 9., 9.],
        ]
        .concat();
        assert!(halving.is_halving());
        let (mut fast, mut fast_indices) = ([0.0; 4], [-1; 4]);
        halve(&halving, &x, &mut fast, &mut fast_indices);
        let (mut out, mut indices) = ([0.0; 4], [-1; 4]);
        let mut columns = Columns::new(&halving.columns).unwrap();
        pool_image(&halving, &mut columns, &x, &mut out, &mut indices);
        assert_eq!(fast.map(f32::to_bits), out.map(f32::to_bits));
        assert_eq!(fast_indices, indices);
        assert_eq!(indices, [0, 7, 15, 18]);
    }
}
