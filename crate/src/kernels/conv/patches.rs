//! The patches of an image as the right factor of a product.
use super::layout::Layout;
use crate::kernels::gemm::{Right, NR};

/// The patches of one laid out image: row = (channel, tap), column = output position.
pub struct Patches<'a> {
    pub layout: &'a Layout,
    pub padded: &'a [f32],
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
