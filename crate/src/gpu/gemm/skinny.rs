//! The kernel for few outputs of a long k, a matrix times a vector among them: the threads of a workgroup share
//! k, and each has a block of 4 x 4 outputs in registers. They are added in workgroup memory.
use super::{head, quad, Along, PUT_QUAD};

pub struct Skinny {
    /// Blocks of a workgroup, along rows and columns.
    rows: usize,
    columns: usize,
    /// Threads for each block.
    slices: usize,
}

impl Skinny {
    /// Threads next to each other read what lies next to each other.
    pub fn new(a: Along, b: Along) -> Self {
        let (rows, columns, slices) = match (a, b) {
            (Along::K, Along::K) => (1, 1, 64),
            (Along::K, Along::Lines) => (1, 8, 16),
            (Along::Lines, Along::K) => (8, 1, 16),
            (Along::Lines, Along::Lines) => (4, 4, 8),
        };
        Skinny { rows, columns, slices }
    }

    pub fn tile(&self) -> [usize; 2] {
        [4 * self.rows, 4 * self.columns]
    }

    /// `main` with what it needs.
    pub fn body(&self) -> String {
        let Skinny { rows, columns, slices } = *self;
        let blocks = rows * columns;
        let threads = blocks * slices;
        let lines = |name: &str, first: &str, size: &str| -> String {
            let line = |c: usize| {
                format!("  let {name}{c} = {name}_line(batch, min({first} + {c}, batch.{size} - 1));\n")
            };
            (0..4).map(line).collect()
        };
        let factor = |name: &str| {
            format!(
                "    let {name}_k = {name}_step(batch, k);
    let {name} = vec4<f32>({name}_at({name}0, {name}_k), {name}_at({name}1, {name}_k), {name}_at({name}2, {name}_k), {name}_at({name}3, {name}_k));\n"
            )
        };
        format!(
            "var<workgroup> sums: array<vec4<f32>, {total}>;
{PUT_QUAD}
{head}  let batch = batch_of(z);
  if (row0 >= batch.m || column0 >= batch.n) {{ return; }}
  let block = t % {blocks};
  let row = row0 + block / {columns} * 4;
  let column = column0 + block % {columns} * 4;
{a_lines}{b_lines}  var sum0 = vec4<f32>();
  var sum1 = vec4<f32>();
  var sum2 = vec4<f32>();
  var sum3 = vec4<f32>();
  for (var k = t / {blocks}; k < batch.k; k += {slices}u) {{
{a}{b}    sum0 = fma(vec4<f32>(a.x), b, sum0);
    sum1 = fma(vec4<f32>(a.y), b, sum1);
    sum2 = fma(vec4<f32>(a.z), b, sum2);
    sum3 = fma(vec4<f32>(a.w), b, sum3);
  }}
  sums[t] = sum0;
  sums[t + {threads}] = sum1;
  sums[t + {twice}] = sum2;
  sums[t + {thrice}] = sum3;
  workgroupBarrier();
  // Row t % {quads} of all blocks: first some slices, then the rest.
  let at = t % {quads} / {blocks} * {threads} + t % {blocks};
  var sum = sums[at + t / {quads} * {blocks}];
  for (var s = t / {quads} + {shares}; s < {slices}; s += {shares}u) {{ sum += sums[at + s * {blocks}]; }}
  workgroupBarrier();
  sums[t] = sum;
  workgroupBarrier();
  if (t < {quads}) {{
    for (var s = 1u; s < {shares}; s++) {{ sum += sums[t + s * {quads}]; }}
    let row = row0 + block / {columns} * 4 + t / {blocks};
    put_quad(batch, row, column, {at}, sum);
  }}
}}
",
            total = 4 * threads,
            head = head(threads, 4 * rows, 4 * columns),
            a_lines = lines("a", "row", "m"),
            b_lines = lines("b", "column", "n"),
            a = factor("a"),
            b = factor("b"),
            twice = 2 * threads,
            thrice = 3 * threads,
            quads = 4 * blocks,
            shares = threads / (4 * blocks),
            at = quad("c_column", "column", "n"),
        )
    }
}
