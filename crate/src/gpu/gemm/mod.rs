//! Products of matrices on the GPU: `c[row, column]` = the sum over k of `a[row, k] b[k, column]`, for each of
//! several batches.
//!
//! An operation says in WGSL where elements lie; the kernels here are the same for all: [`tile`] goes through
//! workgroup memory, [`skinny`] is for few outputs of a long k, [`direct`] for little work, [`sum`] adds what the
//! splits of a long k gave, and [`choose`] picks by shape. Convolution is such a product too: its `b_at` reads the image.
mod choose;
mod direct;
mod skinny;
mod sum;
mod tile;

use choose::Variant;

use super::kernel::{Kernel, Plan, GROUPS_X};
use crate::op::GpuInput;
use crate::tensor::Meta;

/// Along what the neighbours of a factor's element lie in memory: threads next to each other read these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    K,
    /// Rows of `a`, columns of `b`.
    Lines,
}

/// An input of as many elements as the output has rows or columns, which is added to them.
#[derive(Clone, Copy)]
pub struct Bias {
    pub input: usize,
    /// The element for `row` and `column` of `batch`, in WGSL.
    pub index: &'static str,
    /// The element for output `i` is `i / inner % len`.
    pub inner: usize,
    pub len: usize,
}

/// A product whose result is output 0.
pub struct Gemm {
    pub name: &'static str,
    /// The sizes of the largest batch.
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub batches: usize,
    pub a: Along,
    pub b: Along,
    /// WGSL:
    /// - `struct Batch`, of which `m`, `n`, `k` and `first_row` (of all batches, for bias and row sums) are
    ///   read here, and `fn batch_of(i: u32) -> Batch`;
    /// - `a_line(batch, row)`, `a_step(batch, k)` and `a_at(line, step) -> f32`: the element `a[row, k]`, in
    ///   parts because a thread computes the first once and the second once for four rows. A line and a step
    ///   are of whatever type;
    /// - `b_line(batch, column)`, `b_step(batch, k)` and `b_at(line, step)`;
    /// - `c_row(batch, row) -> u32` and `c_column(batch, column) -> u32`, whose sum is the place of an output.
    pub functions: String,
    pub bias: Option<Bias>,
    /// Whether the sums of the rows of `a` over k are output 1: the gradient of a bias.
    pub row_sums: bool,
}

impl Gemm {
    /// The kernels. `bind` adds the inputs and numbers that `functions` name, but `p.m`, `p.n` and `p.k`.
    pub fn plan(&self, x: &[GpuInput], out: &[Meta], bind: impl Fn(Kernel) -> Kernel) -> Plan {
        let outputs = out.iter().map(Meta::numel).sum();
        let product = |kernel: Kernel| {
            let kernel = kernel.with(&self.functions);
            bind(kernel.u32("m", self.m).u32("n", self.n).u32("k", self.k))
        };
        // Row sums are wanted even where there is no column.
        let columns = if self.row_sums { self.n.max(1) } else { self.n };
        let tiled = |body: String, tile: [usize; 2], splits: usize| {
            let tiles = Tiles::new([self.m, columns], tile, self.batches * splits);
            tiles.add_to(product(Kernel::new(self.name, body, fold(tiles.count))))
        };
        match choose::choose(self) {
            Variant::Direct => self.finish(product(direct::kernel(self)), x, out).into(),
            Variant::Skinny(shape) => self.finish(tiled(shape.body(), shape.tile(), 1), x, out).into(),
            Variant::Tiled { tile, splits: 1, .. } => {
                let kernel = tiled(tile.body(self, false), [tile.rows, tile.columns], 1);
                self.finish(kernel, x, out).into()
            }
            Variant::Tiled { tile, splits, chunk } => {
                let parts = tiled(tile.body(self, true), [tile.rows, tile.columns], splits);
                let parts = parts.u32("splits", splits).u32("chunk", chunk);
                let parts = parts.u32("outputs", outputs).u32("elements", out[0].numel());
                let parts = parts.with("fn put(batch: Batch, row: u32, column: u32, at: u32, value: f32) { part[at] = value; }\n");
                let sum = self.sum_of_parts(x, out, splits);
                Plan::Kernels {
                    kernels: vec![parts.scratch("part", "f32", 0, true), sum],
                    scratch: vec![outputs * splits],
                }
            }
        }
    }

    /// Adds what the last kernel does with a sum: `put`.
    fn finish(&self, mut kernel: Kernel, x: &[GpuInput], out: &[Meta]) -> Kernel {
        let mut value = "value".to_string();
        if let Some(bias) = self.bias {
            value += &format!(" + bias[{}]", bias.index);
            kernel = kernel.input("bias", bias.input, x);
        }
        kernel = kernel.result(0);
        if self.row_sums {
            kernel = kernel.output("row_sums", 1, out);
        }
        kernel.with(&format!(
            "fn put(batch: Batch, row: u32, column: u32, at: u32, value: f32) {{ store(at, {value}); }}\n"
        ))
    }
}

/// The tiles of the output, one a workgroup: rows first, so that neighbours read the same columns of `b`.
struct Tiles {
    rows: usize,
    columns: usize,
    count: usize,
}

impl Tiles {
    fn new(size: [usize; 2], tile: [usize; 2], batches: usize) -> Self {
        let (rows, columns) = (size[0].div_ceil(tile[0]), size[1].div_ceil(tile[1]));
        Tiles { rows, columns, count: rows.saturating_mul(columns).saturating_mul(batches) }
    }

    fn add_to(&self, kernel: Kernel) -> Kernel {
        kernel.u32("tiles", self.count).u32("tile_rows", self.rows).u32("tile_columns", self.columns)
    }
}

fn fold(groups: usize) -> [usize; 3] {
    [groups.min(GROUPS_X), groups.div_ceil(GROUPS_X), 1]
}

/// The head of `main`: which tile this workgroup has. `z` counts batches and splits.
fn head(threads: usize, rows: usize, columns: usize) -> String {
    format!(
        "@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {{
  let tile = group.x + group.y * {GROUPS_X}u;
  if (tile >= p.tiles) {{ return; }}
  let row0 = tile % p.tile_rows * {rows}u;
  let column0 = tile / p.tile_rows % p.tile_columns * {columns}u;
  let z = tile / p.tile_rows / p.tile_columns;
"
    )
}

/// Writes four neighbours of a row.
const PUT_QUAD: &str = "
fn put_quad(batch: Batch, row: u32, column: u32, at: vec4<u32>, values: vec4<f32>) {
  if (row >= batch.m) { return; }
  let start = c_row(batch, row);
  if (column < batch.n) { put(batch, row, column, start + at.x, values.x); }
  if (column + 1 < batch.n) { put(batch, row, column + 1, start + at.y, values.y); }
  if (column + 2 < batch.n) { put(batch, row, column + 2, start + at.z, values.z); }
  if (column + 3 < batch.n) { put(batch, row, column + 3, start + at.w, values.w); }
}
";

/// `vec4(f(batch, i), ...)` for four neighbours, the last one of `size` instead of those behind it.
fn quad(function: &str, first: &str, size: &str) -> String {
    let each = |i: usize| format!("{function}(batch, min({first} + {i}, batch.{size} - 1))");
    format!("vec4<u32>({}, {}, {}, {})", each(0), each(1), each(2), each(3))
}
