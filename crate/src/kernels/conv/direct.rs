//! Filters times patches that are read where they lie in the padded image.
//!
//! For few filters packing a patch costs more than multiplying it. Here the micro-kernel takes vectors of four output
//! positions at the image's own addresses: a window's first element, plus an offset for each tap.
use super::layout::Layout;
use super::row_blocks;
use crate::error::Result;
use crate::kernels::gemm::{pack_rows, Matrix, Start};
use crate::kernels::simd::F32x4;
use crate::storage::scratch;

/// More filters than this pay for packing the patches.
const FEW_FILTERS: usize = 16;
/// Elements of a padded image that are read again and again from a near cache.
const SMALL_IMAGE: usize = 1 << 14;
/// Positions of a vector.
const LANES: usize = 4;

/// Packed filters, and where the vectors of a padded image lie.
pub struct Direct {
    m: usize,
    positions: usize,
    /// For each block of rows `[taps][rows]`.
    filters: Vec<f32>,
    /// Bytes from a window's first element to each tap.
    offsets: Vec<u32>,
    vectors: Vec<Vector>,
    /// Elements that a padded image must have.
    reach: usize,
}

/// Four consecutive output positions.
#[derive(Clone, Copy)]
struct Vector {
    position: usize,
    /// Where the first one's window starts.
    base: usize,
}

impl Direct {
    /// Whether this is faster than packing.
    pub fn suits(layout: &Layout, m: usize) -> bool {
        let (length, _) = layout.position_runs();
        // The last vector of a run overlaps the one before: a short run computes much twice.
        let few_twice = length >= LANES && (m <= LANES || 10 * length >= 7 * length.next_multiple_of(LANES));
        m <= FEW_FILTERS && layout.len() <= SMALL_IMAGE && few_twice
    }

    pub fn new(layout: &Layout, m: usize, filters: &[f32]) -> Result<Self> {
        let taps = layout.offsets.len();
        let mut packed = scratch(m * taps)?;
        for (i, rows) in row_blocks(m) {
            let panel = &mut packed[i * taps..(i + rows) * taps];
            pack_rows(rows, 0, i, Matrix::rows(filters, taps), panel);
        }
        let (length, runs) = layout.position_runs();
        let mut vectors = Vec::with_capacity(length.div_ceil(LANES) * layout.h_out);
        for (position, base) in runs {
            for i in (0..length).step_by(LANES).map(|i| i.min(length - LANES)) {
                vectors.push(Vector { position: position + i, base: base + i });
            }
        }
        let last = vectors.iter().map(|v| v.base).max().unwrap_or(0);
        let reach = last + layout.offsets.iter().max().copied().unwrap_or(0) + LANES;
        let offsets = layout.offsets.iter().map(|offset| (offset * size_of::<f32>()) as u32).collect();
        Ok(Direct { m, positions: layout.h_out * layout.w_out, filters: packed, offsets, vectors, reach })
    }

    /// `out[m, positions] = filters patches`, from `start`, which does not read `out`.
    pub fn multiply(&self, padded: &[f32], start: Start, out: &mut [f32]) {
        assert!(padded.len() >= self.reach && out.len() >= self.m * self.positions);
        let taps = self.offsets.len();
        for (row, rows) in row_blocks(self.m) {
            let filters = &self.filters[row * taps..(row + rows) * taps];
            let out = &mut out[row * self.positions..(row + rows) * self.positions];
            let start = std::array::from_fn(|i| match start {
                Start::RowBias(bias) if i < rows => bias[row + i],
                _ => 0.0,
            });
            match rows {
                4 => self.rows::<4, 2>(filters, padded, start, out),
                3 => self.rows::<3, 2>(filters, padded, start, out),
                2 => self.rows::<2, 4>(filters, padded, start, out),
                _ => self.rows::<1, 6>(filters, padded, start, out),
            }
        }
    }

    /// A block of rows, in tiles of `V` vectors.
    fn rows<const R: usize, const V: usize>(
        &self,
        filters: &[f32],
        padded: &[f32],
        start: [f32; 4],
        out: &mut [f32],
    ) {
        assert!(filters.len() >= R * self.offsets.len() && out.len() >= R * self.positions);
        for tile in self.vectors.chunks(V) {
            // What is missing in the last tile is done twice.
            let tile: [Vector; V] = std::array::from_fn(|v| tile[v.min(tile.len() - 1)]);
            let mut sum: [[F32x4; V]; R] = std::array::from_fn(|r| [F32x4::splat(start[r]); V]);
            // SAFETY: `multiply` has asserted that every base and offset lies in `padded`; a position is followed by
            // three others of the same row.
            unsafe {
                let bases = tile.map(|vector| padded.as_ptr().add(vector.base));
                let mut filter = filters.as_ptr();
                for &offset in &self.offsets {
                    let x = bases.map(|base| F32x4::load(base.byte_add(offset as usize)));
                    for (r, sum) in sum.iter_mut().enumerate() {
                        let w = F32x4::load_splat(filter.add(r));
                        for (sum, x) in sum.iter_mut().zip(x) {
                            *sum = sum.add_product(w, x);
                        }
                    }
                    filter = filter.add(R);
                }
                for (r, sum) in sum.iter().enumerate() {
                    for (sum, vector) in sum.iter().zip(tile) {
                        sum.store(out.as_mut_ptr().add(r * self.positions + vector.position));
                    }
                }
            }
        }
    }
}
