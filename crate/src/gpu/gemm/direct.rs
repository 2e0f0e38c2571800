//! The kernel for little work an output: a thread computes one by itself. Tiles would be mostly empty.
use super::{fold, Gemm, GROUPS_X};
use crate::gpu::kernel::{Kernel, THREADS};

/// `main`, and its grid.
pub fn kernel(gemm: &Gemm) -> Kernel {
    let outputs = gemm.m.saturating_mul(gemm.n).saturating_mul(gemm.batches);
    let body = format!(
        "@compute @workgroup_size({THREADS})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
  let i = id.x + id.y * {}u;
  if (i >= p.outputs) {{ return; }}
  let batch = batch_of(i / (p.m * p.n));
  let row = i / p.n % p.m;
  let column = i % p.n;
  if (row >= batch.m || column >= batch.n) {{ return; }}
  let a = a_line(batch, row);
  let b = b_line(batch, column);
  var sum = 0.0;
  for (var k = 0u; k < batch.k; k++) {{ sum = fma(a_at(a, a_step(batch, k)), b_at(b, b_step(batch, k)), sum); }}
  put(batch, row, column, c_row(batch, row) + c_column(batch, column), sum);
}}
",
        GROUPS_X * THREADS
    );
    Kernel::new(gemm.name, body, fold(outputs.div_ceil(THREADS))).u32("outputs", outputs)
}
