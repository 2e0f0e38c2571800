//! 2-D convolution and its gradients as matrix multiplies whose patches are packed straight into the panels.
use super::gemm::{with_left, Matrix, Right, Start, NR};
use crate::error::Result;
use crate::shape::{checked_numel, Window};
use crate::storage::scratch;

/// Sizes of a convolution: `n` images of `c` channels, `o` filters, windows along h and w.
#[derive(Clone, Copy, Debug)]
pub struct ConvDims {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub o: usize,
    pub rows: Window,
    pub columns: Window,
    pub groups: usize,
    pub h_out: usize,
    pub w_out: usize,
}

impl ConvDims {
    /// Input and output channels of a group.
    fn group(&self) -> (usize, usize) {
        (self.c / self.groups, self.o / self.groups)
    }
    fn taps(&self) -> usize {
        self.rows.kernel * self.columns.kernel
    }
    fn image(&self) -> usize {
        self.h * self.w
    }
    fn positions(&self) -> usize {
        self.h_out * self.w_out
    }
    /// Whether a patch is one element, so that the image is the matrix already.
    fn is_pointwise(&self) -> bool {
        let unit = |w: Window| w.kernel == 1 && w.stride == 1 && w.padding == 0;
        unit(self.rows) && unit(self.columns)
    }
}

/// One axis of a padded image whose positions are dealt out to `stride` phases.
///
/// Position i goes to phase i % stride: with this layout a strided convolution reads consecutive elements.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    stride: usize,
    /// Zeros in front; negative where the image is cropped.
    before: isize,
    /// Positions of a phase.
    phase: usize,
}

impl Axis {
    fn new(size: usize, stride: usize, before: isize, after: isize) -> Self {
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
}

/// How an image of several channels lies in memory as padded phases, and where the taps of a window read.
struct Layout {
    rows: Axis,
    columns: Axis,
    channels: usize,
    /// Offset of each (channel, tap) from a window's first element.
    offsets: Vec<usize>,
    w_out: usize,
}

impl Layout {
    fn new(channels: usize, rows: (Axis, Window), columns: (Axis, Window), w_out: usize) -> Result<Self> {
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
        Ok(Layout { rows: y, columns: x, channels, offsets, w_out })
    }

    /// Elements of a laid out image, with room behind for vectors that read past a row.
    fn len(&self) -> usize {
        self.channels * self.rows.stride * self.rows.phase * self.columns.stride * self.columns.phase + NR
    }

    /// Offset of the window at output position `p`.
    fn base(&self, p: usize) -> usize {
        p / self.w_out * self.columns.phase + p % self.w_out
    }

    /// Calls `row(image range, laid out start, step of the image)` for every run of an image row in a phase.
    fn runs(&self, mut run: impl FnMut(usize, usize, usize, usize)) {
        let plane = self.rows.phase * self.columns.phase;
        let x = self.columns;
        for c in 0..self.channels {
            for iy in 0..self.rows.size {
                let Some((py, y)) = self.rows.place(iy) else { continue };
                for first in 0..x.stride.min(x.size) {
                    // The first image column of this phase that is not cropped away.
                    let cropped =
                        usize::try_from(-x.before).unwrap_or(0).saturating_sub(first).div_ceil(x.stride);
                    let ix = first + cropped * x.stride;
                    let Some((px, at)) = x.place(ix).filter(|_| ix < x.size) else { continue };
                    let count = (x.size - ix).div_ceil(x.stride).min(x.phase - at);
                    let start = ((c * self.rows.stride + py) * x.stride + px) * plane + y * x.phase + at;
                    run((c * self.rows.size + iy) * x.size + ix, start, x.stride, count);
                }
            }
        }
    }

    /// Lays an image out; `padded` holds zeros wherever no earlier image was written.
    fn fill(&self, image: &[f32], padded: &mut [f32]) {
        self.runs(|from, to, step, count| {
            let target = &mut padded[to..to + count];
            if step == 1 {
                target.copy_from_slice(&image[from..from + count]);
            } else {
                for (t, s) in target.iter_mut().zip(image[from..].iter().step_by(step)) {
                    *t = *s;
                }
            }
        });
    }

    /// The way back: an image from its padded phases.
    fn extract(&self, padded: &[f32], image: &mut [f32]) {
        self.runs(|to, from, step, count| {
            for (t, s) in image[to..].iter_mut().step_by(step).zip(&padded[from..from + count]) {
                *t = *s;
            }
        });
    }
}

/// The patches of one laid out image: row = (channel, tap), column = output position.
struct Patches<'a> {
    layout: &'a Layout,
    padded: &'a [f32],
}

impl Right for Patches<'_> {
    fn pack(&self, k0: usize, kc: usize, j0: usize, width: usize, panel: &mut [f32]) {
        let offsets = &self.layout.offsets[k0..k0 + kc];
        let bases: [usize; NR] = std::array::from_fn(|j| self.layout.base(j0 + j.min(width - 1)));
        // Positions in one row of the output lie behind each other in the image.
        let run = (1..width).find(|&j| bases[j] != bases[0] + j).unwrap_or(width);
        if run == width {
            for (row, offset) in panel.chunks_exact_mut(NR).zip(offsets) {
                let start = bases[0] + offset;
                row.copy_from_slice(&self.padded[start..start + NR]);
            }
            return;
        }
        if bases[width - 1] == bases[run] + (width - 1 - run) {
            // Two rows of the output: whole vectors from both, the second over the end of the first.
            for (k, offset) in offsets.iter().enumerate() {
                let (first, second) = (bases[0] + offset, bases[run] + offset);
                let row = &mut panel[k * NR..];
                row[..NR].copy_from_slice(&self.padded[first..first + NR]);
                if let Some(behind) = row.get_mut(run..run + NR) {
                    // What reaches into the next row of the panel is overwritten there.
                    behind.copy_from_slice(&self.padded[second..second + NR]);
                } else {
                    row[run..NR].copy_from_slice(&self.padded[second..second + NR - run]);
                }
            }
            return;
        }
        let reach = bases[NR - 1] + offsets.iter().max().copied().unwrap_or(0);
        assert!(reach < self.padded.len());
        for (row, offset) in panel.chunks_exact_mut(NR).zip(offsets) {
            for (value, base) in row.iter_mut().zip(bases) {
                // SAFETY: the bases rise, so that no sum exceeds the one asserted above.
                *value = unsafe { *self.padded.get_unchecked(base + offset) };
            }
        }
    }
}

/// The same patches transposed: row = output position, column = (channel, tap).
struct PatchesTransposed<'a>(Patches<'a>);

impl Right for PatchesTransposed<'_> {
    fn pack(&self, k0: usize, kc: usize, j0: usize, width: usize, panel: &mut [f32]) {
        let Patches { layout, padded } = &self.0;
        let offsets: [usize; NR] = std::array::from_fn(|j| layout.offsets[j0 + j.min(width - 1)]);
        let (mut column, mut base) = (k0 % layout.w_out, layout.base(k0));
        let reach = layout.base(k0 + kc - 1) + offsets.iter().max().copied().unwrap_or(0);
        assert!(reach < padded.len());
        for row in panel.chunks_exact_mut(NR).take(kc) {
            for (value, offset) in row.iter_mut().zip(offsets) {
                // SAFETY: the base rises to that of the last position, whose sums are bounded above.
                *value = unsafe { *padded.get_unchecked(base + offset) };
            }
            column += 1;
            base += 1;
            if column == layout.w_out {
                column = 0;
                base += layout.columns.phase - layout.w_out;
            }
        }
    }
}

fn forward_layout(d: &ConvDims) -> Result<Layout> {
    let rows = (Axis::of(d.h, d.rows), d.rows);
    let columns = (Axis::of(d.w, d.columns), d.columns);
    Layout::new(d.c / d.groups, rows, columns, d.w_out)
}

/// `y[n, o, h_out, w_out]` from `x[n, c, h, w]`, `weight[o, c / groups, kh, kw]` and a bias an output channel.
pub fn conv2d(d: &ConvDims, x: &[f32], weight: &[f32], bias: Option<&[f32]>, y: &mut [f32]) -> Result<()> {
    let (cg, og) = d.group();
    let (taps, positions) = (cg * d.taps(), d.positions());
    let layout = forward_layout(d)?;
    let mut padded = scratch(layout.len())?;
    for g in 0..d.groups {
        let filters = Matrix::rows(&weight[g * og * taps..(g + 1) * og * taps], taps);
        let start = bias.map_or(Start::Zero, |b| Start::RowBias(&b[g * og..(g + 1) * og]));
        with_left(og, taps, filters, |left| {
            for n in 0..d.n {
                let image = &x[(n * d.c + g * cg) * d.image()..][..cg * d.image()];
                let out = &mut y[(n * d.o + g * og) * positions..][..og * positions];
                if d.is_pointwise() {
                    left.multiply(positions, &Matrix::rows(image, positions), out, positions, start);
                } else {
                    layout.fill(image, &mut padded);
                    let patches = Patches { layout: &layout, padded: &padded };
                    left.multiply(positions, &patches, out, positions, start);
                }
            }
        })?;
    }
    Ok(())
}

/// `dx[n, c, h, w]` from `dy[n, o, h_out, w_out]` and the weight.
pub fn conv2d_grad_input(d: &ConvDims, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<()> {
    if d.is_pointwise() {
        grad_input_pointwise(d, dy, weight, dx)
    } else if d.rows.stride == 1 && d.columns.stride == 1 {
        grad_input_stride_1(d, dy, weight, dx)
    } else {
        grad_input_strided(d, dy, weight, dx)
    }
}

fn grad_input_pointwise(d: &ConvDims, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<()> {
    let (cg, og) = d.group();
    let positions = d.positions();
    for g in 0..d.groups {
        let filters = Matrix::rows(&weight[g * og * cg..(g + 1) * og * cg], cg).transposed();
        with_left(cg, og, filters, |left| {
            for n in 0..d.n {
                let dy = &dy[(n * d.o + g * og) * positions..][..og * positions];
                let dx = &mut dx[(n * d.c + g * cg) * positions..][..cg * positions];
                left.multiply(positions, &Matrix::rows(dy, positions), dx, positions, Start::Zero);
            }
        })?;
    }
    Ok(())
}

/// A convolution of dy with the filters turned by 180 degrees and input and output channels exchanged.
fn grad_input_stride_1(d: &ConvDims, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<()> {
    let (cg, og) = d.group();
    let taps = d.taps();
    let axis = |window: Window, size_out: usize| {
        let around = ((window.kernel - 1) * window.dilation) as isize - window.padding as isize;
        (Axis::new(size_out, 1, around, around), window)
    };
    let layout = Layout::new(og, axis(d.rows, d.h_out), axis(d.columns, d.w_out), d.w)?;
    let mut padded = scratch(layout.len())?;
    let mut turned = scratch(cg * og * taps)?;
    for g in 0..d.groups {
        for o in 0..og {
            for c in 0..cg {
                let filter = &weight[((g * og + o) * cg + c) * taps..][..taps];
                let target = &mut turned[(c * og + o) * taps..][..taps];
                for (t, w) in target.iter_mut().zip(filter.iter().rev()) {
                    *t = *w;
                }
            }
        }
        with_left(cg, og * taps, Matrix::rows(&turned, og * taps), |left| {
            for n in 0..d.n {
                layout.fill(&dy[(n * d.o + g * og) * d.positions()..][..og * d.positions()], &mut padded);
                let patches = Patches { layout: &layout, padded: &padded };
                let dx = &mut dx[(n * d.c + g * cg) * d.image()..][..cg * d.image()];
                left.multiply(d.image(), &patches, dx, d.image(), Start::Zero);
            }
        })?;
    }
    Ok(())
}

/// The gradient of every patch, added where the patch was read.
fn grad_input_strided(d: &ConvDims, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<()> {
    let (cg, og) = d.group();
    let (taps, positions) = (cg * d.taps(), d.positions());
    let layout = forward_layout(d)?;
    let mut padded = scratch(layout.len())?;
    let mut patches = scratch(checked_numel(&[taps, positions])?)?;
    for g in 0..d.groups {
        let filters = Matrix::rows(&weight[g * og * taps..(g + 1) * og * taps], taps).transposed();
        with_left(taps, og, filters, |left| {
            for n in 0..d.n {
                let dy = &dy[(n * d.o + g * og) * positions..][..og * positions];
                left.multiply(positions, &Matrix::rows(dy, positions), &mut patches, positions, Start::Zero);
                padded.fill(0.0);
                for (patch, offset) in patches.chunks_exact(positions).zip(&layout.offsets) {
                    for (y, row) in patch.chunks_exact(d.w_out).enumerate() {
                        let start = offset + y * layout.columns.phase;
                        for (t, v) in padded[start..start + d.w_out].iter_mut().zip(row) {
                            *t += v;
                        }
                    }
                }
                let dx = &mut dx[(n * d.c + g * cg) * d.image()..][..cg * d.image()];
                // Rows and columns that no window reaches are laid out too, as zeros.
                layout.extract(&padded, dx);
            }
        })?;
    }
    Ok(())
}

/// `dw[o, c / groups, kh, kw]` from x and dy, summed over the images.
pub fn conv2d_grad_weight(d: &ConvDims, x: &[f32], dy: &[f32], dw: &mut [f32]) -> Result<()> {
    let (cg, og) = d.group();
    let (taps, positions) = (cg * d.taps(), d.positions());
    let layout = forward_layout(d)?;
    let mut padded = scratch(layout.len())?;
    dw.fill(0.0);
    for g in 0..d.groups {
        let dw = &mut dw[g * og * taps..(g + 1) * og * taps];
        for n in 0..d.n {
            let image = &x[(n * d.c + g * cg) * d.image()..][..cg * d.image()];
            let dy = Matrix::rows(&dy[(n * d.o + g * og) * positions..][..og * positions], positions);
            with_left(og, positions, dy, |left| {
                if d.is_pointwise() {
                    left.multiply(taps, &Matrix::rows(image, positions).transposed(), dw, taps, Start::C);
                } else {
                    layout.fill(image, &mut padded);
                    let patches = PatchesTransposed(Patches { layout: &layout, padded: &padded });
                    left.multiply(taps, &patches, dw, taps, Start::C);
                }
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn naive(d: &ConvDims, x: &[f32], weight: &[f32]) -> Vec<f64> {
        let (cg, og) = d.group();
        let mut y = vec![];
        for n in 0..d.n {
            for o in 0..d.o {
                for p in 0..d.positions() {
                    let (oy, ox) = (p / d.w_out, p % d.w_out);
                    let mut sum = 0.0;
                    for c in 0..cg {
                        for t in 0..d.taps() {
                            let iy = oy * d.rows.stride + t / d.columns.kernel * d.rows.dilation;
                            let ix = ox * d.columns.stride + t % d.columns.kernel * d.columns.dilation;
                            let inside = iy >= d.rows.padding
                                && ix >= d.columns.padding
                                && iy - d.rows.padding < d.h
                                && ix - d.columns.padding < d.w;
                            if inside {
                                let (iy, ix) = (iy - d.rows.padding, ix - d.columns.padding);
                                let at = ((n * d.c + o / og * cg + c) * d.h + iy) * d.w + ix;
                                sum += x[at] as f64 * weight[(o * cg + c) * d.taps() + t] as f64;
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
        y
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| a as f64 * b as f64).sum()
    }

    /// The gradients are the adjoints of the convolution: <conv(x, w), dy> = <x, dx> = <w, dw>.
    #[test]
    fn agrees_with_plain_loops_and_its_adjoints() {
        let mut cases = 0;
        for (kh, kw) in [(1, 1), (3, 3), (2, 5), (5, 1)] {
            for (sh, sw) in [(1, 1), (2, 1), (2, 3), (4, 4)] {
                for (ph, pw) in [(0, 0), (1, 1), (3, 0), (0, 4)] {
                    for dilation in [1, 2] {
                        for (c, o, groups) in [(1, 6, 1), (4, 6, 2), (3, 3, 3), (9, 5, 1)] {
                            let window =
                                |kernel, stride, padding| Window { kernel, stride, padding, dilation };
                            let (rows, columns) = (window(kh, sh, ph), window(kw, sw, pw));
                            let (h, w) = (9, 13);
                            let Ok(h_out) = rows.output(h, false) else { continue };
                            let Ok(w_out) = columns.output(w, false) else { continue };
                            let d = ConvDims { n: 2, c, h, w, o, rows, columns, groups, h_out, w_out };
                            let x = values(2 * c * h * w, 1);
                            let weight = values(o * c / groups * kh * kw, 2);
                            let dy = values(2 * o * h_out * w_out, 3);
                            let mut y = vec![f32::NAN; dy.len()];
                            conv2d(&d, &x, &weight, None, &mut y).unwrap();
                            for (a, b) in y.iter().zip(naive(&d, &x, &weight)) {
                                assert!((*a as f64 - b).abs() < 1e-4, "{d:?}");
                            }
                            let mut dx = vec![f32::NAN; x.len()];
                            conv2d_grad_input(&d, &dy, &weight, &mut dx).unwrap();
                            let mut dw = vec![f32::NAN; weight.len()];
                            conv2d_grad_weight(&d, &x, &dy, &mut dw).unwrap();
                            let expected = dot(&y, &dy);
                            assert!(
                                (dot(&x, &dx) - expected).abs() < 1e-3 * (1.0 + expected.abs()),
                                "dx {d:?}"
                            );
                            assert!(
                                (dot(&weight, &dw) - expected).abs() < 1e-3 * (1.0 + expected.abs()),
                                "dw {d:?}"
                            );
                            cases += 1;
                        }
                    }
                }
            }
        }
        assert!(cases > 400, "{cases}");
    }
}
