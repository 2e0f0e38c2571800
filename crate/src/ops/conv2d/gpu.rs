//! Convolution and its gradients on the GPU as products of matrices, of which one is read from the image in place.
//!
//! An element of a patch is found by a sum of two triples (offset, row, column): of the window and of the tap
//! within it. A thread computes one of the two once and the other once a round, so that no division is left in
//! the inner loop.
use crate::gpu::gemm::{Along, Bias, Gemm};
use crate::gpu::kernel::{Kernel, Plan};
use crate::kernels::conv::ConvDims;
use crate::op::GpuInput;
use crate::shape::Window;
use crate::tensor::Meta;

pub fn taps(d: &ConvDims) -> usize {
    d.rows.kernel * d.columns.kernel
}

pub fn positions(d: &ConvDims) -> usize {
    d.h_out * d.w_out
}

/// Whether a patch is a pixel.
fn is_pointwise(d: &ConvDims) -> bool {
    let unit = |w: Window| w.kernel == 1 && w.stride == 1 && w.padding == 0;
    unit(d.rows) && unit(d.columns)
}

/// The sizes, as numbers of a kernel.
pub fn add_sizes(kernel: Kernel, d: &ConvDims) -> Kernel {
    let mut kernel = kernel
        .u32("c", d.c)
        .u32("h", d.h)
        .u32("w", d.w)
        .u32("o", d.o)
        .u32("h_out", d.h_out)
        .u32("w_out", d.w_out)
        .u32("c_group", d.c / d.groups)
        .u32("o_group", d.o / d.groups);
    for (axis, window) in [("h", d.rows), ("w", d.columns)] {
        kernel = kernel
            .u32(format!("kernel_{axis}"), window.kernel)
            .u32(format!("stride_{axis}"), window.stride)
            .u32(format!("padding_{axis}"), window.padding)
            .u32(format!("dilation_{axis}"), window.dilation);
    }
    kernel
}

/// Reading patches of `x`.
pub const PATCHES: &str = "
// Where the window of an output position of all images begins: its first channel's offset, row and column.
fn window(position: u32, channel: u32) -> vec3<i32> {
  let positions = p.h_out * p.w_out;
  let image = position / positions;
  let at = position % positions;
  let row = i32(at / p.w_out * p.stride_h) - i32(p.padding_h);
  let column = i32(at % p.w_out * p.stride_w) - i32(p.padding_w);
  return vec3<i32>(i32((image * p.c + channel) * p.h * p.w), row, column);
}
// What a channel and tap of the kernel add to it.
fn tap(i: u32) -> vec3<i32> {
  let taps = p.kernel_h * p.kernel_w;
  let at = i % taps;
  return vec3<i32>(vec3<u32>(i / taps * p.h * p.w, at / p.kernel_w * p.dilation_h, at % p.kernel_w * p.dilation_w));
}
// Zero in the padding.
fn pixel(at: vec3<i32>) -> f32 {
  if (u32(at.y) >= p.h || u32(at.z) >= p.w) { return 0.0; }
  return x[u32(at.x + at.y * i32(p.w) + at.z)];
}
";

/// For 1 x 1 kernels, where a patch is a pixel: offsets alone.
const PIXELS: &str = "
fn window(position: u32, channel: u32) -> u32 {
  let positions = p.h_out * p.w_out;
  return (position / positions * p.c + channel) * positions + position % positions;
}
fn tap(i: u32) -> u32 { return i * p.h_out * p.w_out; }
fn pixel(at: u32) -> f32 { return x[at]; }
";

/// What a group has: its filters are rows of all filters.
const GROUP: &str = "
struct Batch { m: u32, n: u32, k: u32, first_row: u32, channel: u32 }
fn batch_of(i: u32) -> Batch { return Batch(p.m, p.n, p.k, i * p.o_group, i * p.c_group); }
";

/// Filters times patches.
const FORWARD: &str = "
fn a_line(batch: Batch, row: u32) -> u32 { return (batch.first_row + row) * p.k; }
fn a_step(batch: Batch, k: u32) -> u32 { return k; }
fn a_at(line: u32, step: u32) -> f32 { return weight[line + step]; }
fn c_row(batch: Batch, row: u32) -> u32 { return (batch.first_row + row) * p.h_out * p.w_out; }
fn c_column(batch: Batch, column: u32) -> u32 {
  let positions = p.h_out * p.w_out;
  return column / positions * p.o * positions + column % positions;
}
";

pub fn conv2d(d: &ConvDims, x: &[GpuInput], out: &[Meta]) -> Plan {
    let gemm = Gemm {
        name: "conv2d",
        m: d.o / d.groups,
        n: d.n * positions(d),
        k: d.c / d.groups * taps(d),
        batches: d.groups,
        a: Along::K,
        b: Along::Lines,
        functions: [GROUP, FORWARD, &b_functions(d, "window(column, batch.channel)", "tap(k)")].concat(),
        bias: x.get(2).map(|_| Bias {
            input: 2,
            index: "batch.first_row + row",
            inner: positions(d),
            len: d.o,
        }),
        row_sums: false,
    };
    gemm.plan(x, out, |kernel| add_sizes(kernel.input("x", 0, x).input("weight", 1, x), d))
}

/// dy times patches, summed over the positions of all images.
const GRAD_WEIGHT: &str = "
fn a_line(batch: Batch, row: u32) -> u32 { return (batch.first_row + row) * p.h_out * p.w_out; }
fn a_step(batch: Batch, k: u32) -> u32 {
  let positions = p.h_out * p.w_out;
  return k / positions * p.o * positions + k % positions;
}
fn a_at(line: u32, step: u32) -> f32 { return dy[line + step]; }
fn c_row(batch: Batch, row: u32) -> u32 { return (batch.first_row + row) * p.n; }
fn c_column(batch: Batch, column: u32) -> u32 { return column; }
";

/// From x and dy: dw, and the sums of dy where there is a second output.
pub fn grad_weight(d: &ConvDims, x: &[GpuInput], out: &[Meta]) -> Plan {
    let gemm = Gemm {
        name: "conv2d_grad_weight",
        m: d.o / d.groups,
        n: d.c / d.groups * taps(d),
        k: d.n * positions(d),
        batches: d.groups,
        a: Along::K,
        b: Along::K,
        functions: [GROUP, GRAD_WEIGHT, &b_functions(d, "tap(column)", "window(k, batch.channel)")].concat(),
        bias: None,
        row_sums: out.len() > 1,
    };
    gemm.plan(x, out, |kernel| add_sizes(kernel.input("x", 0, x).input("dy", 1, x), d))
}

/// Where the elements of the patches lie.
fn b_functions(d: &ConvDims, line: &str, step: &str) -> String {
    let (kind, patches) = if is_pointwise(d) { ("u32", PIXELS) } else { ("vec3<i32>", PATCHES) };
    format!(
        "fn b_line(batch: Batch, column: u32) -> {kind} {{ return {line}; }}
fn b_step(batch: Batch, k: u32) -> {kind} {{ return {step}; }}
fn b_at(line: {kind}, step: {kind}) -> f32 {{ return pixel(line + step); }}
{patches}"
    )
}

/// Turned filters times dy. With a stride, an input position meets only some of the taps. Those that are a
/// multiple of the stride apart meet the same ones: they are a phase, and a batch.
const GRAD_INPUT: &str = "
struct Batch {
  m: u32, n: u32, k: u32, first_row: u32,
  o: u32,
  // The first input position, and how many there are.
  row: u32, column: u32, rows: u32, columns: u32,
  // The first tap, and how many there are.
  tap_h: u32, tap_w: u32, taps_h: u32, taps_w: u32,
}
// The first tap at which a position in the padded image is a multiple of the stride away from an output.
fn first_tap(position: u32, taps: u32, dilation: u32, stride: u32) -> u32 {
  var tap = 0u;
  while (tap < taps && (i32(position) - i32(tap * dilation)) % i32(stride) != 0) { tap++; }
  return tap;
}
fn batch_of(i: u32) -> Batch {
  let group = i / (p.phases_h * p.phases_w);
  let row = i / p.phases_w % p.phases_h;
  let column = i % p.phases_w;
  let rows = (p.h - row + p.stride_h - 1) / p.stride_h;
  let columns = (p.w - column + p.stride_w - 1) / p.stride_w;
  let tap_h = first_tap(row + p.padding_h, p.kernel_h, p.dilation_h, p.stride_h);
  let tap_w = first_tap(column + p.padding_w, p.kernel_w, p.dilation_w, p.stride_w);
  let taps_h = (p.kernel_h - tap_h + p.period_h - 1) / p.period_h;
  let taps_w = (p.kernel_w - tap_w + p.period_w - 1) / p.period_w;
  let k = p.o_group * taps_h * taps_w;
  return Batch(
    p.m, p.images * rows * columns, k, group * p.c_group, group * p.o_group,
    row, column, rows, columns, tap_h, tap_w, taps_h, taps_w,
  );
}
fn a_line(batch: Batch, row: u32) -> u32 { return (batch.o * p.c_group + row) * p.kernel_h * p.kernel_w; }
fn a_step(batch: Batch, k: u32) -> u32 {
  let o = k / (batch.taps_h * batch.taps_w);
  let tap_h = batch.tap_h + k / batch.taps_w % batch.taps_h * p.period_h;
  let tap_w = batch.tap_w + k % batch.taps_w * p.period_w;
  return (o * p.c_group * p.kernel_h + tap_h) * p.kernel_w + tap_w;
}
fn a_at(line: u32, step: u32) -> f32 { return weight[line + step]; }
fn b_line(batch: Batch, column: u32) -> vec3<i32> {
  let image = column / (batch.rows * batch.columns);
  let row = column / batch.columns % batch.rows;
  let offset = (image * p.o + batch.o) * p.h_out * p.w_out;
  return vec3<i32>(vec3<u32>(offset, row, column % batch.columns));
}
fn b_step(batch: Batch, k: u32) -> vec3<i32> {
  let o = k / (batch.taps_h * batch.taps_w);
  let tap_h = batch.tap_h + k / batch.taps_w % batch.taps_h * p.period_h;
  let tap_w = batch.tap_w + k % batch.taps_w * p.period_w;
  // Multiples of the stride.
  let row = i32(batch.row + p.padding_h) - i32(tap_h * p.dilation_h);
  let column = i32(batch.column + p.padding_w) - i32(tap_w * p.dilation_w);
  return vec3<i32>(i32(o * p.h_out * p.w_out), row / i32(p.stride_h), column / i32(p.stride_w));
}
// Zero where no window is.
fn b_at(line: vec3<i32>, step: vec3<i32>) -> f32 {
  let at = line + step;
  if (u32(at.y) >= p.h_out || u32(at.z) >= p.w_out) { return 0.0; }
  return dy[u32(at.x + at.y * i32(p.w_out) + at.z)];
}
fn c_row(batch: Batch, row: u32) -> u32 { return (batch.first_row + row) * p.h * p.w; }
fn c_column(batch: Batch, column: u32) -> u32 {
  let image = column / (batch.rows * batch.columns);
  let row = batch.row + column / batch.columns % batch.rows * p.stride_h;
  return image * p.c * p.h * p.w + row * p.w + batch.column + column % batch.columns * p.stride_w;
}
";

/// As [`GRAD_INPUT`], for 1 x 1 kernels.
const GRAD_PIXELS: &str = "
struct Batch { m: u32, n: u32, k: u32, first_row: u32, o: u32 }
fn batch_of(i: u32) -> Batch { return Batch(p.m, p.n, p.k, i * p.c_group, i * p.o_group); }
fn a_line(batch: Batch, row: u32) -> u32 { return batch.o * p.m + row; }
fn a_step(batch: Batch, k: u32) -> u32 { return k * p.m; }
fn a_at(line: u32, step: u32) -> f32 { return weight[line + step]; }
fn b_line(batch: Batch, column: u32) -> u32 {
  let positions = p.h * p.w;
  return (column / positions * p.o + batch.o) * positions + column % positions;
}
fn b_step(batch: Batch, k: u32) -> u32 { return k * p.h * p.w; }
fn b_at(line: u32, step: u32) -> f32 { return dy[line + step]; }
fn c_row(batch: Batch, row: u32) -> u32 { return (batch.first_row + row) * p.h * p.w; }
fn c_column(batch: Batch, column: u32) -> u32 {
  let positions = p.h * p.w;
  return column / positions * p.c * positions + column % positions;
}
";

/// The phases of an axis, and from one tap to the next that a phase meets.
fn phases(size: usize, window: Window) -> (usize, usize) {
    let (mut gcd, mut rest) = (window.stride, window.dilation);
    while rest > 0 {
        (gcd, rest) = (rest, gcd % rest);
    }
    (window.stride.min(size), window.stride / gcd)
}

/// dx from dy and the weight.
pub fn grad_input(d: &ConvDims, x: &[GpuInput], out: &[Meta]) -> Plan {
    let (phases_h, period_h) = phases(d.h, d.rows);
    let (phases_w, period_w) = phases(d.w, d.columns);
    let taps_of_phase = d.rows.kernel.div_ceil(period_h) * d.columns.kernel.div_ceil(period_w);
    let gemm = Gemm {
        name: "conv2d_grad_input",
        m: d.c / d.groups,
        n: d.n * d.h.div_ceil(d.rows.stride) * d.w.div_ceil(d.columns.stride),
        k: d.o / d.groups * taps_of_phase,
        batches: d.groups * phases_h * phases_w,
        a: if is_pointwise(d) { Along::Lines } else { Along::K },
        b: Along::Lines,
        functions: if is_pointwise(d) { GRAD_PIXELS } else { GRAD_INPUT }.into(),
        bias: None,
        row_sums: false,
    };
    gemm.plan(x, out, |kernel| {
        let kernel = add_sizes(kernel.input("dy", 0, x).input("weight", 1, x), d).u32("images", d.n);
        let kernel = kernel.u32("phases_h", phases_h).u32("phases_w", phases_w);
        kernel.u32("period_h", period_h).u32("period_w", period_w)
    })
}
