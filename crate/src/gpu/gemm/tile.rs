//! The kernel through workgroup memory: a workgroup computes a tile of the output, a thread a block of it in
//! registers. Each round of the loop brings `depth` columns of `a` and rows of `b` into workgroup memory.
use std::fmt::Write;

use super::{head, quad, Along, Gemm, PUT_QUAD};

#[derive(Debug, PartialEq)]
pub struct Tile {
    pub rows: usize,
    pub columns: usize,
    depth: usize,
    /// Rows of a thread's block; it has four columns.
    block: usize,
    /// What a multiply-add costs here, relative to the largest tile: smaller ones load more for each.
    pub cost: f64,
}

/// The large one has twice the work for what a thread reads, and fills a GPU only with large products. The flat
/// ones are for few channels. Each takes at most 9 KiB, so that several workgroups share a core.
pub static TILES: [Tile; 4] = [
    Tile { rows: 64, columns: 64, depth: 16, block: 8, cost: 1.0 },
    Tile { rows: 32, columns: 32, depth: 16, block: 4, cost: 1.35 },
    Tile { rows: 16, columns: 64, depth: 8, block: 4, cost: 1.6 },
    Tile { rows: 64, columns: 16, depth: 8, block: 4, cost: 1.6 },
];

impl Tile {
    pub fn threads(&self) -> usize {
        self.rows / self.block * (self.columns / 4)
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Outputs of a thread.
    pub fn outputs(&self) -> usize {
        self.block * 4
    }

    /// `main` with what it needs. With `split`, a workgroup has a part of k, and sums go to `part`.
    pub fn body(&self, gemm: &Gemm, split: bool) -> String {
        let Tile { rows, columns, depth, .. } = *self;
        let threads = self.threads();
        let a = Load::new("a", rows, gemm.a, self);
        let b = Load::new("b", columns, gemm.b, self);
        let mut s = format!(
            "var<workgroup> a_tile: array<vec4<f32>, {}>;\nvar<workgroup> b_tile: array<vec4<f32>, {}>;\n{PUT_QUAD}",
            depth * a.pitch(),
            depth * b.pitch()
        );
        s += &head(threads, rows, columns);
        s += if split {
            "  let batch = batch_of(z / p.splits);
  let first = z % p.splits * p.chunk;
  let end = min(batch.k, first + p.chunk);
  let part_at = z % p.splits * p.outputs;\n"
        } else {
            "  let batch = batch_of(z);\n  let first = 0u;\n  let end = batch.k;\n"
        };
        // A batch may be smaller than the largest.
        s += "  if (row0 >= batch.m || column0 >= max(batch.n, 1u)) { return; }\n";
        s += &a.lines();
        s += &b.lines();
        for r in 0..self.block {
            let _ = writeln!(s, "  var sum{r} = vec4<f32>();");
        }
        let sums = if gemm.row_sums { a.line_quads() } else { 0 };
        for j in 0..sums {
            let _ = writeln!(s, "  var a_sum{j} = vec4<f32>();");
        }
        let _ = writeln!(s, "  let x = t % {0}u;\n  let y = t / {0}u;", columns / 4);
        let _ = writeln!(s, "  for (var k0 = first; k0 < end; k0 += {depth}u) {{");
        s += &a.load(gemm.row_sums);
        s += &b.load(false);
        s += "    workgroupBarrier();\n";
        s += &self.multiply(&a, &b);
        s += "    workgroupBarrier();\n  }\n";
        let part = if split { " + part_at" } else { "" };
        let _ = write!(s, "  let column = column0 + x * 4;\n  let row = row0 + y * {};\n", self.block);
        let _ = writeln!(
            s,
            "  let at = {}{};",
            quad("c_column", "column", "n"),
            if split { " + vec4<u32>(part_at)" } else { "" }
        );
        for r in 0..self.block {
            let _ = writeln!(s, "  put_quad(batch, row + {r}, column, at, sum{r});");
        }
        if gemm.row_sums {
            s += &a.store_sums();
            let target = if split {
                format!("part[p.elements{part} + batch.first_row + row0 + t]")
            } else {
                "row_sums[batch.first_row + row0 + t]".into()
            };
            let _ = write!(
                s,
                "  workgroupBarrier();
  if (column0 == 0 && t < {rows} && row0 + t < batch.m) {{
    var total = 0.0;
    for (var slot = 0u; slot < {}u; slot++) {{ total += a_tile[slot * {}u + t / 4][t % 4]; }}
    {target} = total;
  }}\n",
                a.slots(),
                a.pitch()
            );
        }
        s + "}\n"
    }

    fn multiply(&self, a: &Load, b: &Load) -> String {
        let mut s = format!("    for (var k = 0u; k < {}u; k++) {{\n", self.depth);
        let _ = writeln!(s, "      let b = b_tile[k * {}u + x];", b.pitch());
        for q in 0..self.block / 4 {
            let _ =
                writeln!(s, "      let a{q} = a_tile[k * {}u + y * {}u + {q}];", a.pitch(), self.block / 4);
        }
        for r in 0..self.block {
            let (q, c) = (r / 4, ["x", "y", "z", "w"][r % 4]);
            let _ = writeln!(s, "      sum{r} = fma(vec4<f32>(a{q}.{c}), b, sum{r});");
        }
        s + "    }\n"
    }
}

/// How the threads bring a factor's part of a round into workgroup memory: quads of four neighbouring lines of
/// one k. A thread has the same lines in every round.
struct Load {
    name: &'static str,
    along: Along,
    quads: usize,
    depth: usize,
    threads: usize,
}

impl Load {
    fn new(name: &'static str, lines: usize, along: Along, tile: &Tile) -> Self {
        Load { name, along, quads: lines / 4, depth: tile.depth, threads: tile.threads() }
    }

    /// Quads from one k to the next. One more than there are, so that threads next to each other along k write
    /// to different banks.
    fn pitch(&self) -> usize {
        self.quads + 1
    }

    /// Quads of a thread.
    fn count(&self) -> usize {
        (self.quads * self.depth).div_ceil(self.threads)
    }

    /// Quads of a thread that are of different lines.
    fn line_quads(&self) -> usize {
        if self.along == Along::K {
            self.count()
        } else {
            1
        }
    }

    /// How many threads read the same lines.
    fn slots(&self) -> usize {
        if self.along == Along::K {
            self.depth
        } else {
            self.depth.min(self.threads / self.quads)
        }
    }

    /// The k, from the start of the round, and the quad of lines of this thread's quad `j`.
    fn place(&self, j: usize) -> (String, String) {
        let Load { quads, depth, threads, .. } = *self;
        match self.along {
            Along::K => (format!("t % {depth}"), format!("t / {depth} + {}", j * threads / depth)),
            Along::Lines => (format!("t / {quads} + {}", j * threads / quads), format!("t % {quads}")),
        }
    }

    /// Where the thread's lines are.
    fn lines(&self) -> String {
        let name = self.name;
        let (origin, size) = if name == "a" { ("row0", "m") } else { ("column0", "n") };
        let mut s = String::new();
        for j in 0..self.line_quads() {
            let quad = self.place(j).1;
            for c in 0..4 {
                // What is behind the last line is computed from it, and not stored.
                let _ = writeln!(
                    s,
                    "  let {name}_line{} = {name}_line(batch, min({origin} + ({quad}) * 4 + {c}, max(batch.{size}, 1u) - 1));",
                    4 * j + c
                );
            }
        }
        s
    }

    fn load(&self, sum: bool) -> String {
        let name = self.name;
        let mut s = String::new();
        let few = self.quads * self.depth < self.threads;
        let _ = writeln!(
            s,
            "    {}{{",
            if few { format!("if (t < {}) ", self.quads * self.depth) } else { String::new() }
        );
        for j in 0..self.count() {
            let (k, quad) = self.place(j);
            let line = if self.along == Along::K { j } else { 0 };
            let each = |c: usize| format!("{name}_at({name}_line{}, step)", 4 * line + c);
            let _ = write!(
                s,
                "      var quad{j} = vec4<f32>();
      if (k0 + {k} < end) {{
        let step = {name}_step(batch, k0 + {k});
        quad{j} = vec4<f32>({}, {}, {}, {});
      }}
      {name}_tile[({k}) * {} + {quad}] = quad{j};\n",
                each(0),
                each(1),
                each(2),
                each(3),
                self.pitch()
            );
            if sum {
                let _ = writeln!(s, "      a_sum{line} += quad{j};");
            }
        }
        s + "    }\n"
    }

    /// The threads' own sums of lines, into workgroup memory.
    fn store_sums(&self) -> String {
        let few = self.quads * self.depth < self.threads;
        let mut s = format!("  if (t < {}) {{\n", if few { self.quads * self.depth } else { self.threads });
        for j in 0..self.line_quads() {
            let (slot, quad) = self.place(j);
            let _ = writeln!(s, "    a_tile[({slot}) * {} + {quad}] = a_sum{j};", self.pitch());
        }
        s + "  }\n"
    }
}
