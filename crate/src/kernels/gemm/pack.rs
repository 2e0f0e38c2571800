//! Packing both factors of a product into panels.
use super::{Matrix, Right, KC, MR, NR};
use crate::kernels::simd::F32x4;

impl Right for Matrix<'_> {
    fn pack(&self, k0: usize, kc: usize, j0: usize, width: usize, panel: &mut [f32]) {
        let panel = &mut panel[..kc * NR];
        if self.column == 1 {
            for (k, row) in panel.chunks_exact_mut(NR).enumerate() {
                let start = (k0 + k) * self.row + j0;
                // A copy of unknown length would be a call out of the WASM.
                if width == NR {
                    row.copy_from_slice(&self.data[start..start + NR]);
                } else {
                    let source = &self.data[start..start + width];
                    for (j, value) in row.iter_mut().enumerate() {
                        *value = source[j.min(width - 1)];
                    }
                }
            }
            return;
        }
        let columns: [&[f32]; NR] =
            std::array::from_fn(|j| &self.data[k0 * self.row + (j0 + j.min(width - 1)) * self.column..]);
        interleave(columns, self.row, panel);
    }
}

/// A in blocks of k, each as panels of up to `MR` rows, each `[k][rows]`.
pub fn pack_left(m: usize, k: usize, a: Matrix, mut packed: &mut [f32]) {
    for k0 in (0..k).step_by(KC) {
        let kc = KC.min(k - k0);
        for i0 in (0..m).step_by(MR) {
            let rows = MR.min(m - i0);
            let (panel, rest) = std::mem::take(&mut packed).split_at_mut(rows * kc);
            packed = rest;
            pack_rows(rows, k0, i0, a, panel);
        }
    }
}

/// Rows from `i0` of A, from column `k0` for as long as `panel` has room: `[k][rows]`, at most `MR` rows.
pub fn pack_rows(rows: usize, k0: usize, i0: usize, a: Matrix, panel: &mut [f32]) {
    if rows == MR && a.row == 1 {
        for (k, target) in panel.chunks_exact_mut(MR).enumerate() {
            let start = (k0 + k) * a.column + i0;
            target.copy_from_slice(&a.data[start..start + MR]);
        }
        return;
    }
    let row = |i: usize| &a.data[(i0 + i) * a.row + k0 * a.column..];
    match rows {
        4 => interleave(std::array::from_fn::<_, 4, _>(row), a.column, panel),
        3 => interleave(std::array::from_fn::<_, 3, _>(row), a.column, panel),
        2 => interleave(std::array::from_fn::<_, 2, _>(row), a.column, panel),
        _ => interleave(std::array::from_fn::<_, 1, _>(row), a.column, panel),
    }
}

/// `panel[k][i] = lines[i][k * step]`, written in order.
fn interleave<const N: usize>(lines: [&[f32]; N], step: usize, panel: &mut [f32]) {
    let length = panel.len() / N;
    let whole = if step == 1 && N.is_multiple_of(4) { length - length % 4 } else { 0 };
    let (blocks, rest) = panel.split_at_mut(whole * N);
    assert!(lines.iter().all(|line| line.len() >= whole));
    for (block, k) in blocks.chunks_exact_mut(4 * N).zip((0..whole).step_by(4)) {
        for i in (0..N).step_by(4) {
            // SAFETY: the lines have `whole` elements, and a block has four rows of N.
            unsafe {
                let square = std::array::from_fn(|j| F32x4::load(lines[i + j].as_ptr().add(k)));
                for (j, row) in F32x4::transpose(square).into_iter().enumerate() {
                    row.store(block.as_mut_ptr().add(j * N + i));
                }
            }
        }
    }
    for (k, row) in rest.chunks_exact_mut(N).enumerate() {
        for (value, line) in row.iter_mut().zip(lines) {
            *value = line[(whole + k) * step];
        }
    }
}
