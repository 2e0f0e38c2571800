//! Filters times the patches of images: the convolution, and the gradient of its input where the stride is 1.
use super::direct::Direct;
use super::layout::Layout;
use super::patches::Patches;
use crate::error::Result;
use crate::kernels::gemm::{with_left, Matrix, Start};
use crate::storage::scratch;

/// `out[m, h_out, w_out] (+)= filters[m, taps] patches[taps, h_out * w_out]` for each pair of image and output.
pub fn correlate<'a>(
    layout: &Layout,
    m: usize,
    filters: &[f32],
    start: Start,
    pairs: impl Iterator<Item = (&'a [f32], &'a mut [f32])>,
) -> Result<()> {
    let mut padded = scratch(layout.len())?;
    if Direct::suits(layout, m) {
        let direct = Direct::new(layout, m, filters)?;
        for (image, out) in pairs {
            layout.fill(image, &mut padded);
            direct.multiply(&padded, start, out);
        }
        return Ok(());
    }
    let (taps, positions) = (layout.offsets.len(), layout.h_out * layout.w_out);
    with_left(m, taps, Matrix::rows(filters, taps), |left| {
        for (image, out) in pairs {
            layout.fill(image, &mut padded);
            left.multiply(positions, &Patches { layout, padded: &padded }, out, positions, start);
        }
    })
}
