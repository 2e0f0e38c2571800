//! How convolution lays images out: padded, and dealt out to the phases of the stride.
use super::ConvDims;
use crate::error::{Error, Result};
use crate::kernels::gemm::NR;
use crate::kernels::simd::F32x4;
use crate::shape::Window;
use crate::storage::scratch;

/// Positions of an image that are consecutive in a phase.
#[derive(Clone, Copy)]
struct Run {
    /// The first position in the image.
    first: usize,
    /// Where it is laid out, from the start of a channel.
    start: usize,
    count: usize,
}

fn room_for_runs(count: usize) -> Result<Vec<Run>> {
    let mut runs = vec![];
    let failed = |_| Error::memory(format!("out of memory: the layout of {count} rows or columns"));
    runs.try_reserve_exact(count).map_err(failed)?;
    Ok(runs)
}

/// One axis of a padded image whose positions are dealt out to `stride` phases.
///
/// Position i goes to phase i % stride: with this layout a strided convolution reads consecutive elements.
#[derive(Clone, Copy)]
pub struct Axis {
    size: usize,
    stride: usize,
    /// Zeros in front; negative where the image is cropped.
    before: isize,
    /// Positions of a phase.
    pub phase: usize,
}

impl Axis {
    pub fn new(size: usize, stride: usize, before: isize, after: isize) -> Self {
        let padded = (size as isize + before + after).max(0) as usize;
        Axis { size, stride, before, phase: padded.div_ceil(stride) }
    }

    fn of(size: usize, window: Window) -> Self {
        Self::new(size, window.stride, window.padding as isize, window.padding as isize)
    }

    /// Phase and place in it, for an input position; `None` where it is cropped.
    fn place(&self, i: usize) -> Option<(usize, usize)> {
        let i = usize::try_from(i as isize + self.before).ok()?;
        let (phase, at) = (i % self.stride, i / self.stride);
        (at < self.phase).then_some((phase, at))
    }

    /// Every position that is not cropped away, for itself.
    fn singles(&self, phase_step: usize, step: usize) -> Result<Vec<Run>> {
        let mut runs = room_for_runs(self.size)?;
        for first in 0..self.size {
            if let Some((phase, at)) = self.place(first) {
                runs.push(Run { first, start: phase * phase_step + at * step, count: 1 });
            }
        }
        Ok(runs)
    }

    /// The same positions, those of a phase together.
    fn runs(&self, phase_step: usize) -> Result<Vec<Run>> {
        let mut runs = room_for_runs(self.stride.min(self.size))?;
        for phase in 0..self.stride.min(self.size) {
            // The first position of this phase that is not cropped away.
            let cropped =
                usize::try_from(-self.before).unwrap_or(0).saturating_sub(phase).div_ceil(self.stride);
            let first = phase + cropped * self.stride;
            if let Some((phase, at)) = self.place(first).filter(|_| first < self.size) {
                let count = (self.size - first).div_ceil(self.stride).min(self.phase - at);
                runs.push(Run { first, start: phase * phase_step + at, count });
            }
        }
        Ok(runs)
    }
}

/// How an image of several channels lies in memory as padded phases, and where the taps of a window read.
pub struct Layout {
    rows: Axis,
    pub columns: Axis,
    channels: usize,
    /// Rows of an image, one by one, and runs along a row.
    row_runs: Vec<Run>,
    column_runs: Vec<Run>,
    /// Offset of each (channel, tap) from a window's first element.
    pub offsets: Vec<usize>,
    pub h_out: usize,
    pub w_out: usize,
}

impl Layout {
    /// The input of a convolution, for one group.
    pub fn of(d: &ConvDims) -> Result<Self> {
        let rows = (Axis::of(d.h, d.rows), d.rows);
        let columns = (Axis::of(d.w, d.columns), d.columns);
        Self::new(d.c / d.groups, rows, columns, [d.h_out, d.w_out])
    }

    pub fn new(
        channels: usize,
        rows: (Axis, Window),
        columns: (Axis, Window),
        [h_out, w_out]: [usize; 2],
    ) -> Result<Self> {
        let (y, window_y) = rows;
        let (x, window_x) = columns;
        let plane = y.phase * x.phase;
        let mut offsets: Vec<usize> = scratch(channels * window_y.kernel * window_x.kernel)?;
        offsets.clear();
        for c in 0..channels {
            for ky in 0..window_y.kernel {
                for kx in 0..window_x.kernel {
                    let (dy, dx) = (ky * window_y.dilation, kx * window_x.dilation);
                    let phase = (c * y.stride + dy % y.stride) * x.stride + dx % x.stride;
                    offsets.push(phase * plane + dy / y.stride * x.phase + dx / x.stride);
                }
            }
        }
        let (row_runs, column_runs) = (y.singles(x.stride * plane, x.phase)?, x.runs(plane)?);
        Ok(Layout { rows: y, columns: x, channels, row_runs, column_runs, offsets, h_out, w_out })
    }

    /// Elements of a laid out image, with room behind for vectors that read past a row.
    pub fn len(&self) -> usize {
        self.channels * self.rows.stride * self.rows.phase * self.columns.stride * self.columns.phase + NR
    }

    /// Offset of the window at output position `p`.
    pub fn base(&self, p: usize) -> usize {
        p / self.w_out * self.columns.phase + p % self.w_out
    }

    /// Output positions as runs of consecutive ones whose windows are consecutive too: (first position, offset of its
    /// window) of each, all of the same length.
    pub fn position_runs(&self) -> (usize, impl Iterator<Item = (usize, usize)>) {
        // Where nothing lies between two rows they are one.
        let whole = self.columns.phase == self.w_out;
        let (runs, length) = if whole { (1, self.h_out * self.w_out) } else { (self.h_out, self.w_out) };
        let step = self.columns.phase;
        (length, (0..runs).map(move |y| (y * length, y * step)))
    }

    /// Calls `run(image start, laid out start, step of the image, count)` for every run of an image row in a phase.
    fn runs(&self, mut run: impl FnMut(usize, usize, usize, usize)) {
        let channel = self.rows.stride * self.columns.stride * self.rows.phase * self.columns.phase;
        for c in 0..self.channels {
            for row in &self.row_runs {
                for column in &self.column_runs {
                    let image = (c * self.rows.size + row.first) * self.columns.size + column.first;
                    run(image, c * channel + row.start + column.start, self.columns.stride, column.count);
                }
            }
        }
    }

    /// Lays an image out; `padded` holds zeros wherever no earlier image was written.
    pub fn fill(&self, image: &[f32], padded: &mut [f32]) {
        self.runs(|from, to, step, count| {
            let target = &mut padded[to..to + count];
            if step == 1 {
                copy(&image[from..from + count], target);
            } else {
                for (t, s) in target.iter_mut().zip(image[from..].iter().step_by(step)) {
                    *t = *s;
                }
            }
        });
    }

    /// The way back: an image from its padded phases.
    pub fn extract(&self, padded: &[f32], image: &mut [f32]) {
        self.runs(|to, from, step, count| {
            for (t, s) in image[to..].iter_mut().step_by(step).zip(&padded[from..from + count]) {
                *t = *s;
            }
        });
    }
}

/// A copy of a row in vectors, of which the last one overlaps the one before: rows are short, and what the compiler
/// makes of a plain copy is a call out of the WASM.
fn copy(source: &[f32], target: &mut [f32]) {
    const LANES: usize = 4;
    let n = target.len();
    assert_eq!(n, source.len());
    if n < LANES {
        return target.copy_from_slice(source);
    }
    for i in (0..n).step_by(LANES).map(|i| i.min(n - LANES)) {
        // SAFETY: four elements follow in both.
        unsafe { F32x4::load(source.as_ptr().add(i)).store(target.as_mut_ptr().add(i)) };
    }
}
