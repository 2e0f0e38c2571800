//! Pooling over windows of images: what both kinds share.
mod avg;
mod max;

pub use avg::{avg_pool2d, avg_pool2d_backward, Divisor};
pub use max::{max_pool2d, max_pool2d_backward};

use std::ops::Range;

use super::Operation;
use crate::args::Args;
use crate::error::{Error, Result};
use crate::gpu::kernel::Kernel;
use crate::shape::{Shape, Window};
use crate::tensor::Meta;

/// One axis of a pool over `size` input positions, with `outputs` windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    pub window: Window,
    pub size: usize,
    pub outputs: usize,
}

impl Axis {
    /// The input position of kernel element `k` in window `o`, which may lie in the padding.
    fn position(&self, o: usize, k: usize) -> i64 {
        let Window { stride, padding, dilation, .. } = self.window;
        o as i64 * stride as i64 + k as i64 * dilation as i64 - padding as i64
    }

    /// The elements of the kernel that lie inside the input for window `o`.
    fn kernel(&self, o: usize) -> Range<usize> {
        let start = self.position(o, 0);
        let dilation = self.window.dilation as i64;
        let first = (-start).max(0).div_ceil_to(dilation);
        let last = (self.size as i64 - start).max(0).div_ceil_to(dilation);
        first..last.min(self.window.kernel).max(first)
    }

    /// The elements of the kernel that lie inside the input for any window.
    fn kernel_of_all(&self) -> Range<usize> {
        match self.outputs.checked_sub(1) {
            Some(last) => self.kernel(last).start..self.kernel(0).end,
            None => 0..0,
        }
    }

    /// Elements of a row that [`Axis::split`] writes.
    fn phases(&self) -> usize {
        self.window.stride.min(self.size) * self.phase_length()
    }

    fn phase_length(&self) -> usize {
        self.size.div_ceil(self.window.stride)
    }

    /// Where [`Axis::split`] puts an element of a row; the elements at further strides follow it.
    fn phase(&self, position: usize) -> usize {
        position % self.window.stride * self.phase_length() + position / self.window.stride
    }

    /// A row with the elements that lie a stride apart side by side, so that loops over windows are loops over
    /// neighbours. `phases` is memory for it.
    fn split<'a>(&self, row: &'a [f32], phases: &'a mut [f32]) -> &'a [f32] {
        if self.window.stride == 1 {
            return row;
        }
        let length = self.phase_length();
        if self.window.stride == 2 {
            let (even, odd) = phases.split_at_mut(length);
            let pairs = row.chunks_exact(2);
            if let ([last], Some(slot)) = (pairs.remainder(), even.last_mut()) {
                *slot = *last;
            }
            for ((even, odd), pair) in even.iter_mut().zip(odd).zip(pairs) {
                (*even, *odd) = (pair[0], pair[1]);
            }
            return phases;
        }
        for (p, phase) in phases.chunks_exact_mut(length).enumerate() {
            let elements = row[p..].iter().step_by(self.window.stride);
            phase.iter_mut().zip(elements).for_each(|(o, &v)| *o = v);
        }
        phases
    }

    /// What each element of the kernel reads.
    fn taps(&self) -> Vec<Tap> {
        let taps = self.kernel_of_all().filter_map(|k| {
            let windows = self.windows(k);
            let first = windows.clone().next()?;
            let position = self.position(first, k) as usize;
            Some(Tap { windows, position, phase: self.phase(position) })
        });
        taps.collect()
    }

    /// The windows whose kernel element `k` lies inside the input.
    fn windows(&self, k: usize) -> Range<usize> {
        let start = self.position(0, k);
        let stride = self.window.stride as i64;
        let first = (-start).max(0).div_ceil_to(stride).min(self.outputs);
        let last = (self.size as i64 - start).max(0).div_ceil_to(stride);
        first..last.min(self.outputs).max(first)
    }
}

/// One element of a kernel along an axis: the windows for which it lies inside the input, and where for the first.
/// For each further window it lies a stride further.
#[derive(Clone, Debug)]
struct Tap {
    windows: Range<usize>,
    position: usize,
    /// The position where [`Axis::split`] puts what lies at `position`.
    phase: usize,
}

trait DivCeil {
    /// The quotient rounded up, for numbers that are not negative.
    fn div_ceil_to(self, by: i64) -> usize;
}

impl DivCeil for i64 {
    fn div_ceil_to(self, by: i64) -> usize {
        ((self + by - 1) / by) as usize
    }
}

/// A pool over `planes` images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    pub planes: usize,
    pub rows: Axis,
    pub columns: Axis,
}

impl Pooling {
    /// Elements of an input image.
    fn input(&self) -> usize {
        self.rows.size * self.columns.size
    }

    /// Elements of an output image.
    fn output(&self) -> usize {
        self.rows.outputs * self.columns.outputs
    }

    /// Whether windows of 2 x 2 lie side by side from the corner on.
    fn is_halving(&self) -> bool {
        let halving = Window { kernel: 2, stride: 2, padding: 0, dilation: 1 };
        [self.rows, self.columns].iter().all(|a| a.window == halving && a.outputs * 2 <= a.size)
    }
}

/// Sums of these and of sizes fit into 32 bits.
const MOST_ON_GPU: usize = 1 << 30;

impl Pooling {
    /// The numbers that kernels read: `h, w` of the input, `oh, ow` of the output; of each axis the kernel `k`,
    /// stride `s`, padding `p` and dilation `d`; and the elements of an input and an output image.
    fn add_to(&self, kernel: Kernel) -> Result<Kernel> {
        let mut kernel = kernel.u32("image", self.input()).u32("out_image", self.output());
        for (axis, names) in [
            (self.rows, ["h", "oh", "kh", "sh", "ph", "dh"]),
            (self.columns, ["w", "ow", "kw", "sw", "pw", "dw"]),
        ] {
            let Window { kernel: size, stride, padding, dilation } = axis.window;
            let span = axis.window.span().filter(|&span| span <= MOST_ON_GPU).ok_or_else(|| {
                Error::argument(format!(
                    "expected a kernel that spans at most {MOST_ON_GPU} elements on \"webgpu\", got {size} with dilation {dilation}"
                ))
            })?;
            // What no second window or element uses may be larger than a number of the GPU.
            let stride = if axis.outputs > 1 { stride } else { 1 };
            let dilation = if span > 1 { dilation } else { 1 };
            let values = [axis.size, axis.outputs, size, stride, padding, dilation];
            for (name, value) in names.into_iter().zip(values) {
                kernel = kernel.i32(name, value as i32);
            }
        }
        Ok(kernel)
    }
}

/// WGSL: the place `i` in an image of `w` columns and `h` rows.
fn place(h: &str, w: &str) -> String {
    format!("  let column = i32(i) % p.{w};\n  let row = i32(i) / p.{w} % p.{h};\n")
}

/// WGSL functions of an axis: the first kernel element inside the input for a window that starts at `start`,
/// the one behind the last, and the first and last window that may cover an input position.
const AXIS: &str = "fn first_inside(start: i32, dilation: i32) -> i32 {
  return (max(-start, 0) + dilation - 1) / dilation;
}
fn end_inside(start: i32, size: i32, kernel: i32, dilation: i32) -> i32 {
  return min((max(size - start, 0) + dilation - 1) / dilation, kernel);
}
fn first_window(position: i32, kernel: i32, stride: i32, padding: i32, dilation: i32) -> i32 {
  return (max(position + padding - (kernel - 1) * dilation, 0) + stride - 1) / stride;
}
fn last_window(position: i32, stride: i32, padding: i32, windows: i32) -> i32 {
  return min((position + padding) / stride, windows - 1);
}
";

/// The parameters of a pool, rows first.
#[derive(Clone, Copy, Debug)]
struct Windows {
    axes: [Window; 2],
    ceil: bool,
}

impl Windows {
    /// Kernel, stride, padding and, for max pools, dilation; and whether the last window may stick out.
    fn from(args: &mut Args, dilated: bool) -> Result<Self> {
        let mut pair =
            |least: usize, name: &str| Ok([args.at_least(least, name)?, args.at_least(least, name)?]);
        let (kernel, stride, padding) = (pair(1, "kernelSize")?, pair(1, "stride")?, pair(0, "padding")?);
        let dilation = if dilated { pair(1, "dilation")? } else { [1, 1] };
        let axes = std::array::from_fn(|i| Window {
            kernel: kernel[i],
            stride: stride[i],
            padding: padding[i],
            dilation: dilation[i],
        });
        Ok(Windows { axes, ceil: args.flag("ceilMode")? })
    }

    fn pooling(&self, x: &[usize]) -> Result<Pooling> {
        let (3 | 4, Some((&columns, rest))) = (x.len(), x.split_last()) else {
            return Err(Error::shape(format!("expected an input [N, C, H, W] or [C, H, W], got {x:?}")));
        };
        // Only the batch may be empty.
        if x[x.len() - 3..].contains(&0) {
            return Err(Error::shape(format!(
                "expected an input without empty dimensions but the batch, got {x:?}"
            )));
        }
        let axis = |window: Window, size: usize| {
            let span = window.span().unwrap_or(usize::MAX);
            if window.padding > span / 2 {
                return Err(Error::argument(format!(
                    "padding should be at most half of the kernel size, got padding {} for a kernel of {} with dilation {}",
                    window.padding, window.kernel, window.dilation
                )));
            }
            Ok(Axis { window, size, outputs: window.output(size, self.ceil)? })
        };
        Ok(Pooling {
            planes: rest[..rest.len() - 1].iter().product(),
            rows: axis(self.axes[0], rest[rest.len() - 1])?,
            columns: axis(self.axes[1], columns)?,
        })
    }

    fn output(&self, x: &Meta) -> Result<Shape> {
        x.require_float()?;
        let pooling = self.pooling(&x.shape)?;
        let mut shape = x.shape.clone();
        let rank = shape.len();
        shape[rank - 2] = pooling.rows.outputs;
        shape[rank - 1] = pooling.columns.outputs;
        Ok(shape)
    }
}

pub fn operations() -> Vec<Operation> {
    max::operations().into_iter().chain(avg::operations()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn kernels_and_windows_inside_the_input() {
        for kernel in 1..4 {
            for stride in 1..4 {
                for dilation in 1..4 {
                    for size in 1..9 {
                        for padding in 0..=(kernel - 1) * dilation / 2 {
                            let window = Window { kernel, stride, padding, dilation };
                            let Ok(outputs) = window.output(size, true) else { continue };
                            let axis = Axis { window, size, outputs };
                            let inside = |o, k| (0..size as i64).contains(&axis.position(o, k));
                            for o in 0..outputs {
                                let expected: Vec<_> = (0..kernel).filter(|&k| inside(o, k)).collect();
                                assert_eq!(axis.kernel(o).collect::<Vec<_>>(), expected, "{axis:?} {o}");
                                assert!(expected.iter().all(|k| axis.kernel_of_all().contains(k)));
                            }
                            for k in 0..kernel {
                                let expected: Vec<_> = (0..outputs).filter(|&o| inside(o, k)).collect();
                                assert_eq!(axis.windows(k).collect::<Vec<_>>(), expected, "{axis:?} {k}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_huge_kernel_costs_no_more_than_its_input() {
        let window = Window { kernel: 1_000_000_000, stride: 1, padding: 500_000_000, dilation: 1 };
        let axis = Axis { window, size: 4, outputs: window.output(4, false).unwrap() };
        assert!(axis.kernel_of_all().len() < 16);
    }
}
