//! Reductions on the GPU: one kernel for all shapes, in which as many threads share a result as pay.
use super::Fold;
use crate::gpu::kernel::{Kernel, Plan, GROUPS_X, THREADS};
use crate::gpu::strided::Axes;
use crate::op::GpuInput;
use crate::shape::Layout;
use crate::tensor::DType;

/// So many threads keep a GPU busy.
const BUSY: usize = 65_536;
/// Neighbouring results that a workgroup computes at least where their terms lie side by side, for whole
/// lines of memory.
const COLUMNS: usize = 16;

/// How the threads of workgroups share results: `lanes` threads (a power of two) have one result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threads {
    pub lanes: usize,
    /// Neighbouring threads read neighbouring elements: terms of one result (`along`), or those of neighbouring
    /// results.
    along: bool,
    results: usize,
}

impl Threads {
    pub fn new(results: usize, terms: usize, along: bool) -> Self {
        let most = if along { THREADS } else { THREADS / results.clamp(1, COLUMNS).next_power_of_two() };
        let mut lanes = 1;
        while lanes < most {
            let each = terms / lanes;
            let idle = results.saturating_mul(lanes) < BUSY;
            // Along memory few lanes waste lines of the cache, so that there more of them pay always.
            if each <= 8 || !(along || idle || each > 256) {
                break;
            }
            lanes *= 2;
        }
        Threads { lanes, along, results }
    }

    /// One thread a result.
    pub fn single(results: usize) -> Self {
        Threads { lanes: 1, along: false, results }
    }

    /// For the lines of a fold, from which [`LINE_START`] finds the elements.
    pub fn of_lines(fold: Fold) -> Self {
        Threads::new(fold.results(), fold.reduced, fold.inner == 1)
    }

    /// Results of a workgroup.
    pub fn columns(&self) -> usize {
        THREADS / self.lanes
    }

    /// Workgroups for all results.
    pub fn groups(&self) -> usize {
        self.results.div_ceil(self.columns())
    }

    fn grid(&self) -> [usize; 3] {
        let groups = self.groups();
        [groups.min(GROUPS_X), groups.div_ceil(GROUPS_X), 1]
    }

    /// The numbers that [`tree`], [`scan`] and [`Threads::kernel`] read.
    pub fn add_to(&self, kernel: Kernel) -> Kernel {
        let (lane_step, column_step) = if self.along { (1, self.lanes) } else { (self.columns(), 1) };
        kernel
            .u32("lanes", self.lanes)
            .u32("lane_step", lane_step)
            .u32("column_step", column_step)
            .u32("results", self.results)
    }

    /// A kernel whose threads run `statements`, with their number `t` in the workgroup, their `lane`, and the
    /// result `o`, which may lie beyond the last: no thread may leave before a barrier.
    pub fn kernel(&self, name: &'static str, statements: &str) -> Kernel {
        self.kernel_of_parts(name, statements, 1)
    }

    fn kernel_of_parts(&self, name: &'static str, statements: &str, parts: usize) -> Kernel {
        let body = format!(
            "@compute @workgroup_size({THREADS})\n\
             fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {{\n\
             {LANE_AND_COLUMN}\
             \x20 let o = (group.x + group.y * {GROUPS_X}u) * columns + column;\n{statements}}}\n"
        );
        let [x, y, _] = self.grid();
        self.add_to(Kernel::new(name, body, [x, y, parts]))
    }
}

/// Which of the threads of its result a thread is, and the result among those of the workgroup.
pub const LANE_AND_COLUMN: &str = "  let columns = 256u / p.lanes;
  let lane = (t / p.lane_step) % p.lanes;
  let column = (t / p.column_step) % columns;
";
/// Where the terms of a line begin in `[outer, terms, inner]`; each lies `p.inner` elements after the one before.
pub const LINE_START: &str = "fn line_start(o: u32) -> u32 {
  return o / p.inner * p.terms * p.inner + o % p.inner;
}
";
const _: () = assert!(THREADS == 256);

/// `fn NAME(t, lane, value)`: the values of all lanes of a result, combined in a tree, for each of them.
/// `combine` is an expression of `a` and `b`.
pub fn tree(name: &str, kind: &str, combine: &str) -> String {
    tree_of(name, kind, combine, "p.lanes", "p.lane_step")
}

/// As [`tree`], over all threads of a workgroup, with `t` as the lane.
pub fn tree_of_all(name: &str, kind: &str, combine: &str) -> String {
    tree_of(name, kind, combine, "256u", "1u")
}

fn tree_of(name: &str, kind: &str, combine: &str, lanes: &str, step: &str) -> String {
    format!(
        "var<workgroup> {name}_parts: array<{kind}, 256>;
fn {name}(t: u32, lane: u32, value: {kind}) -> {kind} {{
  var a = value;
  workgroupBarrier();
  {name}_parts[t] = a;
  for (var half = {lanes} / 2u; half > 0u; half /= 2u) {{
    workgroupBarrier();
    if (lane < half) {{
      let b = {name}_parts[t + half * {step}];
      a = {combine};
      {name}_parts[t] = a;
    }}
  }}
  workgroupBarrier();
  return {name}_parts[t - lane * {step}];
}}
"
    )
}

/// `fn NAME(t, lane, value)`: the values of the lanes before this one, combined in their order; `start` for the
/// first lane.
pub fn scan(name: &str, kind: &str, start: &str, combine: &str) -> String {
    format!(
        "var<workgroup> {name}_parts: array<{kind}, 256>;
fn {name}(t: u32, lane: u32, value: {kind}) -> {kind} {{
  var b = value;
  workgroupBarrier();
  {name}_parts[t] = b;
  for (var step = 1u; step < p.lanes; step *= 2u) {{
    workgroupBarrier();
    if (lane >= step) {{
      let a = {name}_parts[t - step * p.lane_step];
      b = {combine};
    }}
    workgroupBarrier();
    {name}_parts[t] = b;
  }}
  workgroupBarrier();
  if (lane == 0u) {{
    return {start};
  }}
  return {name}_parts[t - p.lane_step];
}}
"
    )
}

/// How terms become a result, in WGSL.
pub struct Reduction {
    pub name: &'static str,
    /// The type of a partial result.
    pub kind: &'static str,
    /// The partial result of no terms.
    pub start: &'static str,
    /// The partial result of the element `v`, which is term `r` of result `o`.
    pub term: &'static str,
    /// The partial result of two of them, `a` and `b`.
    pub combine: &'static str,
    /// Statements that write result `o` from `a`.
    pub finish: &'static str,
    /// Functions that these call.
    pub functions: String,
}

/// The kernels of reductions over the same dimensions of a contiguous `x`.
pub struct Reducer {
    kept: Axes,
    reduced: Axes,
    results: usize,
    terms: usize,
    along: bool,
    kernels: Vec<Kernel>,
    scratch: Vec<usize>,
}

impl Reducer {
    /// Over `dims` of `shape`.
    pub fn new(shape: &[usize], dims: &[usize]) -> Self {
        let whole = Layout::contiguous(shape.to_vec());
        let part = |goes: bool| {
            let of = (0..shape.len()).filter(|d| dims.contains(d) == goes);
            let (shape, strides) = of.map(|d| (shape[d], whole.strides[d])).unzip();
            Layout { offset: 0, shape, strides }
        };
        let (kept, reduced) = (part(false), part(true));
        let innermost = (0..shape.len()).rev().find(|&d| shape[d] != 1);
        Reducer {
            results: kept.numel(),
            terms: reduced.numel(),
            along: innermost.is_none_or(|d| dims.contains(&d)),
            kept: Axes::new(&kept.shape, &[&kept]),
            reduced: Axes::new(&reduced.shape, &[&reduced]),
            kernels: vec![],
            scratch: vec![],
        }
    }

    /// Scratch memory of a word a result, to be bound by number.
    pub fn word_a_result(&mut self) -> usize {
        self.scratch.push(self.results);
        self.scratch.len() - 1
    }

    /// Adds a reduction. `reads` binds `x` and whatever else it reads, `writes` what `finish` writes.
    pub fn reduce(
        &mut self,
        reduction: &Reduction,
        reads: impl Fn(Kernel) -> Kernel,
        writes: impl Fn(Kernel) -> Kernel,
    ) {
        let Reduction { name, kind, start, term, combine, finish, functions } = reduction;
        let threads = Threads::new(self.results, self.terms, self.along);
        let parts = self.parts(&threads);
        let each = format!(
            "  var a: {kind} = {start};
  let end = select(0u, min((group.z + 1u) * p.share, p.terms), o < p.results);
  let base = kept_at(o);
  for (var r = group.z * p.share + lane; r < end; r += p.lanes) {{
    let v = x[base + terms_at(r)];
    let b: {kind} = {term};
    a = {combine};
  }}
  a = all_lanes(t, lane, a);
"
        );
        let write =
            |statements: &str| format!("  if (lane == 0u && o < p.results) {{\n    {statements}\n  }}\n");
        let finish_kernel = |kernel: Kernel| writes(self.addresses(reads(kernel), kind, combine, functions));
        if parts == 1 {
            let kernel = threads.kernel(name, &(each + &write(finish)));
            self.kernels.push(finish_kernel(kernel.u32("terms", self.terms).u32("share", self.terms)));
            return;
        }
        let partial = self.scratch.len();
        let words = if kind.starts_with("vec2") { 2 } else { 1 };
        let share = self.terms.div_ceil(parts);
        let first = threads
            .kernel_of_parts(name, &(each + &write("partial[group.z * p.results + o] = a;")), parts)
            .u32("terms", self.terms)
            .u32("share", share)
            .scratch("partial", kind, partial, true);
        let first = self.addresses(reads(first), kind, combine, functions);

        let combining = format!(
            "  var a: {kind} = {start};
  let end = select(0u, p.parts, o < p.results);
  for (var r = lane; r < end; r += p.lanes) {{
    let b = partial[r * p.results + o];
    a = {combine};
  }}
  a = all_lanes(t, lane, a);
"
        );
        let last = Threads::new(self.results, parts, self.results == 1)
            .kernel("parts", &(combining + &write(finish)))
            .u32("parts", parts)
            .scratch("partial", kind, partial, false);
        let last = finish_kernel(last);
        self.scratch.push(words * parts * self.results);
        self.kernels.extend([first, last]);
    }

    /// Into how many parts the terms are cut: several where the results are too few for a GPU.
    fn parts(&self, threads: &Threads) -> usize {
        let busy = self.results.saturating_mul(threads.lanes);
        if self.terms / threads.lanes <= 64 || 2 * busy > BUSY {
            return 1;
        }
        let parts = self.terms.div_ceil(16 * threads.lanes).min(BUSY / busy.max(1));
        // Without a part that is empty.
        self.terms.div_ceil(self.terms.div_ceil(parts))
    }

    fn addresses(&self, kernel: Kernel, kind: &str, combine: &str, functions: &str) -> Kernel {
        let kernel = kernel.with(functions).with(&tree("all_lanes", kind, combine));
        self.reduced.add_to(self.kept.add_to(kernel, &["kept"]), &["terms"])
    }

    pub fn plan(self) -> Plan {
        Plan::Kernels { kernels: self.kernels, scratch: self.scratch }
    }
}

/// `fn key(v) -> u32`, larger for elements that are better (larger for `max`, else smaller), NaN before all
/// others, and `fn value_of(key)`. Integers compare fast, and no compiler may assume that they are not NaN.
pub fn keys(dtype: DType, max: bool) -> String {
    let turn = if max { "" } else { "~" };
    match dtype {
        DType::F32 => format!(
            "fn key(v: f32) -> u32 {{
  let bits = bitcast<u32>(v);
  if (is_nan(v)) {{ return 0xffffffffu; }}
  // Both zeros are equal.
  if (bits == 0x80000000u) {{ return {turn}0x80000000u; }}
  return {turn}select(bits | 0x80000000u, ~bits, bits > 0x80000000u);
}}
fn value_of(key: u32) -> f32 {{
  let k = {turn}key;
  return bitcast<f32>(select(~k, k & 0x7fffffffu, k >= 0x80000000u));
}}
"
        ),
        DType::I32 => format!(
            "fn key(v: i32) -> u32 {{ return {turn}(bitcast<u32>(v) ^ 0x80000000u); }}
fn value_of(key: u32) -> i32 {{ return bitcast<i32>({turn}key ^ 0x80000000u); }}
"
        ),
        DType::Bool => format!(
            "fn key(v: u32) -> u32 {{ return {turn}v; }}
fn value_of(key: u32) -> u32 {{ return {turn}key; }}
"
        ),
    }
}

/// The input of a reduction as `x`.
pub fn read<'a>(x: &'a [GpuInput<'a>]) -> impl Fn(Kernel) -> Kernel + 'a {
    |kernel| kernel.input("x", 0, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn threads_fit_shapes() {
        // A thread a result where results are many and short; a workgroup where terms are many.
        assert_eq!(Threads::new(100_000, 8, true).lanes, 1);
        assert_eq!(Threads::new(100_000, 100, false).lanes, 1);
        assert_eq!(Threads::new(10, 100_000, true).lanes, 256);
        // Whole lines of memory, also where results are few.
        assert_eq!(Threads::new(120, 1000, false).columns(), COLUMNS);
        assert_eq!(Threads::new(1, 1000, false).lanes, 128);
    }

    #[test]
    fn no_part_is_empty() {
        for terms in [0, 1, 16_385, 50_176, 1_000_003, 1 << 28] {
            for results in [1, 6, 1000, 100_000] {
                let reducer = Reducer::new(&[results, terms], &[1]);
                let parts = reducer.parts(&Threads::new(results, terms, true));
                let share = terms.div_ceil(parts);
                assert!((1..=65_535).contains(&parts), "{terms} {results}");
                assert!(parts == 1 || (parts - 1) * share < terms, "{terms} {results}");
            }
        }
    }
}
