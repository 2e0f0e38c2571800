//! Matrix multiply: packed panels, blocked for the caches, with a SIMD micro-kernel.
//!
//! `C[m, n] = A[m, k] B[k, n]`. A is packed once into panels of up to `MR` rows, B block by block into panels of `NR`
//! columns; the micro-kernel keeps an `MR x NR` tile of C in registers while it runs along k. The blocking is that of
//! Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
mod dot;
mod pack;
mod tile;

use std::cell::RefCell;

use self::dot::dot_rows;
use self::pack::pack_left;
pub use self::pack::pack_rows;
use self::tile::Tile;
use crate::error::{Error, Result};

/// Rows of the register tile. Taller or wider ones spill in V8, which has 15 registers for vectors on x86.
const MR: usize = 4;
/// Columns of the register tile: two vectors.
pub const NR: usize = 8;
/// Block of k: a panel of B (16 KiB) stays in the first-level cache.
const KC: usize = 512;
/// Block of m: a block of A (MC x KC, 128 KiB) stays in the second-level cache.
const MC: usize = 64;
/// Block of n: a block of B (KC x NC, 512 KiB) stays there as well.
const NC: usize = 256;

/// A matrix in a slice: element (i, j) lies at `i * row + j * column`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `width` elements, one behind the other.
    pub fn rows(data: &'a [f32], width: usize) -> Self {
        Matrix { data, row: width, column: 1 }
    }

    pub fn transposed(self) -> Self {
        Matrix { data: self.data, row: self.column, column: self.row }
    }
}

/// The right factor, as whatever can be packed: a matrix, or the patches of an image.
pub trait Right {
    /// Writes rows `k0..k0 + kc` of columns `j0..j0 + width` to `panel`, `NR` elements a row.
    /// What lies beyond `width` is multiplied but not used.
    fn pack(&self, k0: usize, kc: usize, j0: usize, width: usize, panel: &mut [f32]);
}

/// Up to this many rows a product of rows with rows is taken as dot products.
const FEW_ROWS: usize = 16;

/// What a product is added to.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// What C holds.
    C,
    /// One number a row.
    RowBias(&'a [f32]),
    /// One number a column.
    ColumnBias(&'a [f32]),
}

thread_local! {
    /// Packing memory, kept between calls.
    static LEFT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static RIGHT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// `C (+)= A B`; C has rows of `ldc` elements, of which the first `n` are written.
#[allow(clippy::too_many_arguments)] // the arguments of BLAS's sgemm
pub fn gemm(
    m: usize,
    n: usize,
    k: usize,
    a: Matrix,
    b: Matrix,
    c: &mut [f32],
    ldc: usize,
    start: Start,
) -> Result<()> {
    if m == 0 || n == 0 {
        return Ok(());
    }
    if m <= FEW_ROWS && a.column == 1 && b.row == 1 && k >= 16 {
        dot_rows(m, n, k, a, b.transposed(), c, ldc, start);
        return Ok(());
    }
    with_left(m, k, a, |left| left.multiply(n, &b, c, ldc, start))
}

/// Packs A and gives it to `f`, for one or many products.
pub fn with_left<R>(m: usize, k: usize, a: Matrix, f: impl FnOnce(&mut Left) -> R) -> Result<R> {
    let (mut data, mut panels) = (LEFT.with(RefCell::take), RIGHT.with(RefCell::take));
    grow(&mut data, m.saturating_mul(k))?;
    grow(&mut panels, NC * KC)?;
    pack_left(m, k, a, &mut data);
    let mut left = Left { m, k, data, panels };
    let result = f(&mut left);
    LEFT.with(|scratch| scratch.replace(left.data));
    RIGHT.with(|scratch| scratch.replace(left.panels));
    Ok(result)
}

/// At least `len` elements, or an error: a failed allocation must not end the program.
fn grow(memory: &mut Vec<f32>, len: usize) -> Result<()> {
    let missing = len.saturating_sub(memory.len());
    let failed = |_| Error::memory(format!("out of memory: packing space for {len} elements"));
    memory.try_reserve_exact(missing).map_err(failed)?;
    memory.resize(memory.len() + missing, 0.0);
    Ok(())
}

/// A packed left factor: for each block of k, panels of up to MR rows, each `[k][rows]`.
pub struct Left {
    m: usize,
    k: usize,
    data: Vec<f32>,
    /// Where blocks of the right factor are packed.
    panels: Vec<f32>,
}

impl Left {
    /// `C (+)= A B` for one B.
    pub fn multiply(&mut self, n: usize, b: &impl Right, c: &mut [f32], ldc: usize, start: Start) {
        if self.m == 0 || n == 0 {
            return;
        }
        assert!(n <= ldc || self.m == 1, "rows of C overlap");
        assert!(c.len() >= (self.m - 1) * ldc + n, "C is too short");
        if self.k == 0 {
            return initialize(self.m, n, c, ldc, start);
        }
        let mut panels = std::mem::take(&mut self.panels);
        for n0 in (0..n).step_by(NC) {
            let nc = NC.min(n - n0);
            for k0 in (0..self.k).step_by(KC) {
                let kc = KC.min(self.k - k0);
                for (j, panel) in panels.chunks_exact_mut(NR * kc).take(nc.div_ceil(NR)).enumerate() {
                    b.pack(k0, kc, n0 + j * NR, NR.min(nc - j * NR), panel);
                }
                let start = if k0 == 0 { start } else { Start::C };
                self.multiply_block(k0, kc, n0, nc, &panels, c, ldc, start);
            }
        }
        self.panels = panels;
    }

    #[allow(clippy::too_many_arguments)] // one block of the loop above
    fn multiply_block(
        &self,
        k0: usize,
        kc: usize,
        n0: usize,
        nc: usize,
        panels: &[f32],
        c: &mut [f32],
        ldc: usize,
        start: Start,
    ) {
        for m0 in (0..self.m).step_by(MC) {
            let mc = MC.min(self.m - m0);
            for j in (0..nc).step_by(NR) {
                let width = NR.min(nc - j);
                let right = &panels[j * kc..(j + NR) * kc];
                for i in (m0..m0 + mc).step_by(MR) {
                    let rows = MR.min(self.m - i);
                    let at = self.m * k0 + i * kc;
                    let left = &self.data[at..at + rows * kc];
                    let tile = Tile { row: i, column: n0 + j, width, ldc, start };
                    match rows {
                        4 => tile.run::<4>(kc, left, right, c),
                        3 => tile.run::<3>(kc, left, right, c),
                        2 => tile.run::<2>(kc, left, right, c),
                        _ => tile.run::<1>(kc, left, right, c),
                    }
                }
            }
        }
    }
}

fn initialize(m: usize, n: usize, c: &mut [f32], ldc: usize, start: Start) {
    for (i, row) in c.chunks_mut(ldc).take(m).enumerate() {
        match start {
            Start::C => {}
            Start::Zero => row[..n].fill(0.0),
            Start::RowBias(bias) => row[..n].fill(bias[i]),
            Start::ColumnBias(bias) => row[..n].copy_from_slice(&bias[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn naive(m: usize, n: usize, k: usize, a: Matrix, b: Matrix) -> Vec<f64> {
        let at = |x: &Matrix, i: usize, j: usize| x.data[i * x.row + j * x.column] as f64;
        (0..m * n).map(|i| (0..k).map(|p| at(&a, i / n, p) * at(&b, p, i % n)).sum()).collect()
    }

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    #[test]
    fn agrees_with_plain_loops_at_tile_edges() {
        for m in [1, 2, 5, 6, 7, 12, 13, 97] {
            for n in [1, 3, 7, 8, 9, 16, 33, 264] {
                for k in [0, 1, 3, 15, 16, 17, 511, 513, 600] {
                    let (a, b) = (values(m * k, 1), values(k * n, 2));
                    for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                        let a = if ta { Matrix::rows(&a, m).transposed() } else { Matrix::rows(&a, k) };
                        let b = if tb { Matrix::rows(&b, k).transposed() } else { Matrix::rows(&b, n) };
                        let mut c = vec![f32::NAN; m * n];
                        let bias = values(m.max(n), 3);
                        gemm(m, n, k, a, b, &mut c, n, Start::ColumnBias(&bias)).unwrap();
                        for (i, expected) in naive(m, n, k, a, b).iter().enumerate() {
                            let expected = expected + bias[i % n] as f64;
                            // Rounding of a float32 sum grows with its k terms.
                            let tolerance = 1e-6 * (k + 4) as f64;
                            let error = (c[i] as f64 - expected).abs();
                            assert!(error < tolerance, "{m} {n} {k} {ta} {tb} at {i}: {error}");
                        }
                    }
                }
            }
        }
    }
}
