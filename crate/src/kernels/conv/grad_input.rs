//! The gradient of a convolution's input.
use super::correlate::correlate;
use super::layout::{Axis, Layout};
use super::{group, group_mut, ConvDims};
use crate::error::Result;
use crate::kernels::gemm::{with_left, Matrix, Start};
use crate::shape::{checked_numel, Window};
use crate::storage::scratch;

/// `dx[n, c, h, w]` from `dy[n, o, h_out, w_out]` and the weight.
pub fn conv2d_grad_input(d: &ConvDims, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<()> {
    if dy.is_empty() || dx.is_empty() {
        dx.fill(0.0);
        return Ok(());
    }
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
    let layout = Layout::new(og, axis(d.rows, d.h_out), axis(d.columns, d.w_out), [d.h, d.w])?;
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
        let images = group(dy, d.o * d.positions(), g * og * d.positions(), og * d.positions());
        let outputs = group_mut(dx, d.c * d.image(), g * cg * d.image(), cg * d.image());
        correlate(&layout, cg, &turned, Start::Zero, images.zip(outputs))?;
    }
    Ok(())
}

/// The gradient of every patch, added where the patch was read.
fn grad_input_strided(d: &ConvDims, dy: &[f32], weight: &[f32], dx: &mut [f32]) -> Result<()> {
    let (cg, og) = d.group();
    let (taps, positions) = (cg * d.taps(), d.positions());
    let layout = Layout::of(d)?;
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
