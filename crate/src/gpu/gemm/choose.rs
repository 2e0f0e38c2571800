//! Which kernel a product gets, by its shape.
use super::skinny::Skinny;
use super::tile::{Tile, TILES};
use super::Gemm;

pub enum Variant {
    Direct,
    Tiled {
        tile: &'static Tile,
        /// Parts of k, each of `chunk` or less.
        splits: usize,
        chunk: usize,
    },
    Skinny(Skinny),
}

/// So many threads keep a GPU busy: small ones have room for a few thousand, large ones for a hundred thousand.
const BUSY: usize = 8_192;
/// With so few a GPU is mostly idle.
const IDLE: usize = 2_048;
/// A part of a k that is split has at least so many elements.
const CHUNK: usize = 128;
/// A k that is worth a second dispatch for the sum of its parts; weight gradients are split sooner.
const LONG_K: usize = 1_024;
/// A k that the threads of a workgroup may share among themselves. A longer one is split, unless it is for a
/// vector that keeps a GPU busy by itself.
const SHARED_K: std::ops::Range<usize> = 64..4_096;
/// A row or column of tiles with so few outputs across is mostly empty.
const THIN: usize = 4;
/// Elements of a vector that keep a GPU busy.
const VECTOR: usize = 512;
/// So few outputs of a k that is not long are no work for tiles.
const SMALL: usize = 4_096;

pub fn choose(gemm: &Gemm) -> Variant {
    let thin = gemm.m.min(gemm.n) <= THIN;
    let small = gemm.m.saturating_mul(gemm.n).saturating_mul(gemm.batches) <= SMALL;
    if !gemm.row_sums && (thin || small) && gemm.k < SHARED_K.start {
        return Variant::Direct;
    }
    let most = if gemm.row_sums || gemm.k >= LONG_K { (gemm.k / CHUNK).max(1) } else { 1 };
    // Work, by how many threads share it.
    let cost = |tile: &Tile| {
        let threads = threads(gemm, tile) as f64;
        threads * tile.outputs() as f64 * tile.cost / (threads * most as f64).min(BUSY as f64)
    };
    let (mut tile, mut least) = (&TILES[0], f64::INFINITY);
    for candidate in &TILES {
        let cost = cost(candidate);
        if cost < least {
            (tile, least) = (candidate, cost);
        }
    }
    let threads = threads(gemm, tile);
    let vector = thin && gemm.m.max(gemm.n).saturating_mul(gemm.batches) >= VECTOR;
    if !gemm.row_sums && (vector || ((thin || threads <= IDLE) && SHARED_K.contains(&gemm.k))) {
        return Variant::Skinny(Skinny::new(gemm.a, gemm.b));
    }
    let splits = if threads <= BUSY { (2 * BUSY / threads.max(1)).clamp(1, most) } else { 1 };
    let chunk = gemm.k.div_ceil(splits).max(1).next_multiple_of(tile.depth());
    Variant::Tiled { tile, splits: gemm.k.div_ceil(chunk).max(1), chunk }
}

/// Threads that compute the whole product with a tile.
fn threads(gemm: &Gemm, tile: &Tile) -> usize {
    let tiles = gemm.m.div_ceil(tile.rows).saturating_mul(gemm.n.div_ceil(tile.columns));
    tiles.saturating_mul(gemm.batches).saturating_mul(tile.threads())
}
