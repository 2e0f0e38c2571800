//! The convolution itself.
use super::correlate::correlate;
use super::layout::Layout;
use super::{group, group_mut, ConvDims};
use crate::error::Result;
use crate::kernels::gemm::{with_left, Matrix, Start};

/// `y[n, o, h_out, w_out]` from `x[n, c, h, w]`, `weight[o, c / groups, kh, kw]` and a bias an output channel.
pub fn conv2d(d: &ConvDims, x: &[f32], weight: &[f32], bias: Option<&[f32]>, y: &mut [f32]) -> Result<()> {
    let (cg, og) = d.group();
    let (taps, positions) = (cg * d.taps(), d.positions());
    if taps == 0 {
        fill_with_bias(d, bias, y);
        return Ok(());
    }
    let layout = Layout::of(d)?;
    for g in 0..d.groups {
        let filters = &weight[g * og * taps..(g + 1) * og * taps];
        let start = bias.map_or(Start::Zero, |b| Start::RowBias(&b[g * og..(g + 1) * og]));
        let images = group(x, d.c * d.image(), g * cg * d.image(), cg * d.image());
        let outputs = group_mut(y, d.o * positions, g * og * positions, og * positions);
        if d.is_pointwise() {
            with_left(og, taps, Matrix::rows(filters, taps), |left| {
                for (image, out) in images.zip(outputs) {
                    left.multiply(positions, &Matrix::rows(image, positions), out, positions, start);
                }
            })?;
        } else {
            correlate(&layout, og, filters, start, images.zip(outputs))?;
        }
    }
    Ok(())
}

/// What is left of a convolution without input channels.
fn fill_with_bias(d: &ConvDims, bias: Option<&[f32]>, y: &mut [f32]) {
    for (i, plane) in y.chunks_exact_mut(d.positions().max(1)).enumerate() {
        plane.fill(bias.map_or(0.0, |bias| bias[i % d.o]));
    }
}
