//! The gradient of a convolution's weight: dot products of dy with the padded image, shifted by each tap.
use std::ops::Range;

use super::layout::Layout;
use super::{row_blocks, ConvDims};
use crate::error::Result;
use crate::kernels::simd::F32x4;
use crate::storage::scratch;

/// Positions of a vector.
const LANES: usize = 4;
/// Vectors of a span: those of four rows of dy (16 KiB) stay in the first-level cache.
const SPAN: usize = 256;
/// Elements of padded images that are swept together, where single ones are too small for a span.
const BATCH: usize = 1 << 18;

/// `dw[o, c / groups, kh, kw]` from x and dy, summed over the images.
pub fn conv2d_grad_weight(d: &ConvDims, x: &[f32], dy: &[f32], dw: &mut [f32]) -> Result<()> {
    if dw.is_empty() {
        return Ok(());
    }
    let (cg, og) = d.group();
    let (taps, positions) = (cg * d.taps(), d.positions());
    let layout = Layout::of(d)?;
    let (length, runs) = layout.position_runs();
    let vectors = runs.count() * length.div_ceil(LANES);
    let batch = SPAN.div_ceil(vectors.max(1)).min(BATCH / layout.len()).clamp(1, d.n.max(1));
    let mut padded = scratch(batch * layout.len())?;
    let mut arranged = scratch(og * batch * vectors * LANES)?;
    dw.fill(0.0);
    let mut sweep = Sweep::new(&layout, batch)?;
    for g in 0..d.groups {
        let dw = &mut dw[g * og * taps..(g + 1) * og * taps];
        for first in (0..d.n).step_by(batch) {
            let images = batch.min(d.n - first);
            if sweep.images != images {
                sweep = Sweep::new(&layout, images)?;
            }
            for (i, padded) in padded.chunks_exact_mut(layout.len()).take(images).enumerate() {
                let image = &x[((first + i) * d.c + g * cg) * d.image()..][..cg * d.image()];
                layout.fill(image, padded);
            }
            let dy = &dy[first * d.o * positions..(first + images) * d.o * positions];
            sweep.arrange(dy, d.o * positions, positions, g * og..(g + 1) * og, &mut arranged);
            sweep.add(&layout.offsets, &padded, &arranged, og, dw);
        }
    }
    Ok(())
}

/// The output positions of some images as vectors: first the whole ones, then those that run over the end of a row.
struct Sweep {
    images: usize,
    /// Byte offsets of the vectors in the padded images.
    bases: Vec<u32>,
    /// Image and position of each vector.
    positions: Vec<(usize, usize)>,
    /// How many vectors are whole.
    whole: usize,
    /// Positions in each of the others.
    rest: usize,
}

impl Sweep {
    fn new(layout: &Layout, images: usize) -> Result<Self> {
        let (length, runs) = layout.position_runs();
        let rest = length % LANES;
        let count = images * runs.count() * length.div_ceil(LANES);
        let (mut bases, mut positions) = (scratch(count)?, scratch(count)?);
        bases.clear();
        positions.clear();
        let mut whole = 0;
        for range in [0..length - rest, length - rest..length] {
            whole = bases.len();
            for image in 0..images {
                for (position, base) in layout.position_runs().1 {
                    for i in range.clone().step_by(LANES) {
                        bases.push(((image * layout.len() + base + i) * size_of::<f32>()) as u32);
                        positions.push((image, position + i));
                    }
                }
            }
        }
        Ok(Sweep { images, bases, positions, whole, rest })
    }

    /// Lays dy out as the loops read it: for each block of rows `[vector][row][lane]`, zero beyond the end of a row.
    fn arrange(
        &self,
        dy: &[f32],
        image: usize,
        channel: usize,
        channels: Range<usize>,
        arranged: &mut [f32],
    ) {
        for (row, rows) in row_blocks(channels.len()) {
            let block = &mut arranged[row * self.bases.len() * LANES..];
            for (i, target) in block.chunks_exact_mut(rows * LANES).take(self.bases.len()).enumerate() {
                let (n, position) = self.positions[i];
                let start = n * image + (channels.start + row) * channel + position;
                for (r, target) in target.chunks_exact_mut(LANES).enumerate() {
                    let dy = &dy[start + r * channel..];
                    if i < self.whole {
                        target.copy_from_slice(&dy[..LANES]);
                    } else {
                        for (lane, value) in target.iter_mut().enumerate() {
                            *value = if lane < self.rest { dy[lane] } else { 0.0 };
                        }
                    }
                }
            }
        }
    }

    /// `dw[o, taps] += dy x`, in spans.
    fn add(&self, offsets: &[usize], padded: &[f32], dy: &[f32], o: usize, dw: &mut [f32]) {
        let spans = |range: Range<usize>| {
            let end = range.end;
            range.step_by(SPAN).map(move |start| start..end.min(start + SPAN))
        };
        let reach = self.bases.iter().max().map_or(0, |&base| base as usize / size_of::<f32>())
            + offsets.iter().max().copied().unwrap_or(0);
        assert!(padded.len() >= reach + LANES || self.bases.is_empty());
        for span in spans(0..self.whole).chain(spans(self.whole..self.bases.len())) {
            // A vector that runs over the end of a row must not see what lies behind, which may be NaN.
            let lanes = if span.start < self.whole { LANES } else { self.rest };
            let mask = F32x4::from_array(std::array::from_fn(|lane| {
                f32::from_bits(if lane < lanes { !0 } else { 0 })
            }));
            for (row, rows) in row_blocks(o) {
                let at = (row * self.bases.len() + span.start * rows) * LANES;
                let part = Part {
                    bases: &self.bases[span.clone()],
                    dy: &dy[at..at + span.len() * rows * LANES],
                    offsets,
                    padded,
                    mask,
                };
                let dw = &mut dw[row * offsets.len()..(row + rows) * offsets.len()];
                match (rows, lanes == LANES) {
                    (4, true) => part.add::<4, 2, false>(dw),
                    (4, false) => part.add::<4, 2, true>(dw),
                    (3, true) => part.add::<3, 2, false>(dw),
                    (3, false) => part.add::<3, 2, true>(dw),
                    (2, true) => part.add::<2, 4, false>(dw),
                    (2, false) => part.add::<2, 4, true>(dw),
                    (_, true) => part.add::<1, 5, false>(dw),
                    (_, false) => part.add::<1, 5, true>(dw),
                }
            }
        }
    }
}

/// A span of vectors, for a block of dy's channels.
struct Part<'a> {
    bases: &'a [u32],
    dy: &'a [f32],
    offsets: &'a [usize],
    padded: &'a [f32],
    mask: F32x4,
}

impl Part<'_> {
    /// Adds to `R` rows of dw, in tiles of `T` taps.
    fn add<const R: usize, const T: usize, const MASKED: bool>(&self, dw: &mut [f32]) {
        let taps = self.offsets.len();
        assert!(self.dy.len() >= self.bases.len() * R * LANES && dw.len() >= R * taps);
        for first in (0..taps).step_by(T) {
            // What is missing in the last tile is done twice, and dropped.
            let tile: [usize; T] = std::array::from_fn(|t| self.offsets[(first + t).min(taps - 1)]);
            let mut sum = [[F32x4::splat(0.0); T]; R];
            // SAFETY: `Sweep::add` has asserted that every base and offset lies in `padded`.
            unsafe {
                let shifted = tile.map(|offset| self.padded.as_ptr().add(offset));
                let mut dy = self.dy.as_ptr();
                for &base in self.bases {
                    let mut x = shifted.map(|x| F32x4::load(x.byte_add(base as usize)));
                    if MASKED {
                        x = x.map(|x| x.and(self.mask));
                    }
                    for (r, sum) in sum.iter_mut().enumerate() {
                        let dy = F32x4::load(dy.add(r * LANES));
                        for (sum, x) in sum.iter_mut().zip(x) {
                            *sum = sum.add_product(dy, x);
                        }
                    }
                    dy = dy.add(R * LANES);
                }
            }
            for (r, sum) in sum.iter().enumerate() {
                for (dw, sum) in dw[r * taps + first..(r + 1) * taps].iter_mut().zip(sum) {
                    *dw += sum.sum();
                }
            }
        }
    }
}
