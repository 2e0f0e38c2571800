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

#[cfg(test)]
mod tests {
    use super::super::{Along, Bias};
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn choice(m: usize, n: usize, k: usize, batches: usize, row_sums: bool) -> String {
        let (functions, bias): (_, Option<Bias>) = (String::new(), None);
        let (a, b) = (Along::K, Along::Lines);
        match choose(&Gemm { name: "", m, n, k, batches, a, b, functions, bias, row_sums }) {
            Variant::Direct => "direct".into(),
            Variant::Skinny(_) => "skinny".into(),
            Variant::Tiled { tile, splits, chunk } => {
                assert!(
                    chunk * splits >= k && chunk * splits.saturating_sub(1) < k.max(1),
                    "{chunk} {splits}"
                );
                format!("{} x {} / {splits}", tile.rows, tile.columns)
            }
        }
    }

    #[test]
    fn a_kernel_for_each_shape() {
        // Filters of a group, positions, channels times taps: the layers of LeNet, VGG and ResNet.
        assert_eq!(choice(6, 64 * 784, 75, 1, false), "16 x 64 / 1");
        assert_eq!(choice(16, 64 * 100, 150, 1, false), "16 x 64 / 1");
        assert_eq!(choice(64, 32 * 1024, 576, 1, false), "64 x 64 / 1");
        assert_eq!(choice(512, 64 * 49, 4608, 1, false), "64 x 64 / 1");
        assert_eq!(choice(512, 49, 4608, 1, false), "64 x 64 / 16");
        assert_eq!(choice(3, 64 * 784, 27, 1, false), "direct");
        // Their weight gradients.
        assert_eq!(choice(6, 75, 64 * 784, 1, true), "16 x 64 / 128");
        assert_eq!(choice(512, 4608, 64 * 49, 1, true), "64 x 64 / 1");
        // Dense layers and their weight gradients.
        assert_eq!(choice(64, 10, 512, 1, false), "skinny");
        assert_eq!(choice(1, 4096, 25_088, 1, false), "skinny");
        assert_eq!(choice(1000, 1000, 1000, 1, false), "64 x 64 / 1");
        assert_eq!(choice(10_000, 10, 512, 1, false), "64 x 16 / 1");
        assert_eq!(choice(120, 400, 64, 1, true), "32 x 32 / 1");
        // Many small products.
        assert_eq!(choice(2, 2, 2, 100_000, false), "direct");
        assert_eq!(choice(64, 64, 64, 100, false), "64 x 64 / 1");
        // Nothing to add.
        assert_eq!(choice(100, 100, 0, 1, true), "32 x 32 / 1");
    }
}
