//! Convolution with few channels in each group (depthwise) on the GPU: too little for products of matrices, so
//! that every output is a loop of its own.
use super::gpu::{add_sizes, positions, taps, PATCHES};
use crate::gpu::kernel::{Kernel, Plan, GROUPS_X, THREADS};
use crate::kernels::conv::ConvDims;
use crate::op::GpuInput;
use crate::tensor::Meta;

/// Channels of a group, in and out, at most.
const FEW: usize = 4;

pub fn is_few(d: &ConvDims) -> bool {
    d.groups > 1 && d.c / d.groups <= FEW && d.o / d.groups <= FEW
}

pub fn conv2d(d: &ConvDims, x: &[GpuInput], out: &[Meta]) -> Plan {
    let start = if x.len() > 2 { "bias[o]" } else { "0.0" };
    let statements = format!(
        "  let positions = p.h_out * p.w_out;
  let o = i / positions % p.o;
  let channel = o / p.o_group * p.c_group;
  var at = window(i / (positions * p.o) * positions + i % positions, channel);
  var k = o * p.c_group * p.kernel_h * p.kernel_w;
  var sum = {start};
  for (var c = 0u; c < p.c_group; c++) {{
    for (var h = 0u; h < p.kernel_h; h++) {{
      for (var w = 0u; w < p.kernel_w; w++) {{
        sum = fma(weight[k], pixel(at + vec3<i32>(vec3<u32>(0, h * p.dilation_h, w * p.dilation_w))), sum);
        k++;
      }}
    }}
    at.x += i32(p.h * p.w);
  }}
  store(i, sum);"
    );
    let kernel = Kernel::elementwise("conv2d", out[0].numel(), &statements).with(PATCHES);
    let mut kernel = add_sizes(kernel.input("x", 0, x).input("weight", 1, x), d);
    if x.len() > 2 {
        kernel = kernel.input("bias", 2, x);
    }
    kernel.result(0).into()
}

const GRAD_INPUT: &str = "  let c = i / (p.h * p.w) % p.c;
  let group = c / p.c_group;
  let row = i32(i / p.w % p.h + p.padding_h);
  let column = i32(i % p.w + p.padding_w);
  let stride = vec2<i32>(vec2<u32>(p.stride_h, p.stride_w));
  var image = (i / (p.h * p.w * p.c) * p.o + group * p.o_group) * p.h_out * p.w_out;
  var k = (group * p.o_group * p.c_group + c % p.c_group) * p.kernel_h * p.kernel_w;
  var sum = 0.0;
  for (var o = 0u; o < p.o_group; o++) {
    for (var h = 0u; h < p.kernel_h; h++) {
      let y = row - i32(h * p.dilation_h);
      if (y < 0 || y % stride.x != 0 || y / stride.x >= i32(p.h_out)) { continue; }
      for (var w = 0u; w < p.kernel_w; w++) {
        let x = column - i32(w * p.dilation_w);
        if (x < 0 || x % stride.y != 0 || x / stride.y >= i32(p.w_out)) { continue; }
        sum = fma(weight[k + h * p.kernel_w + w], dy[image + u32(y / stride.x) * p.w_out + u32(x / stride.y)], sum);
      }
    }
    image += p.h_out * p.w_out;
    k += p.c_group * p.kernel_h * p.kernel_w;
  }
  store(i, sum);";

pub fn grad_input(d: &ConvDims, x: &[GpuInput], out: &[Meta]) -> Plan {
    let kernel = Kernel::elementwise("conv2d_grad_input", out[0].numel(), GRAD_INPUT);
    add_sizes(kernel.input("dy", 0, x).input("weight", 1, x), d).result(0).into()
}

/// A workgroup for each element of dw and, with a second output, one for each of db behind those of its filter.
pub fn grad_weight(d: &ConvDims, x: &[GpuInput], out: &[Meta]) -> Plan {
    let bias = out.len() > 1;
    let per_filter = d.c / d.groups * taps(d);
    let groups = d.o * (per_filter + bias as usize);
    let body = format!(
        "var<workgroup> sums: array<f32, {THREADS}>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {{
  let i = group.x + group.y * {GROUPS_X}u;
  if (i >= p.groups) {{ return; }}
  let o = i / p.each;
  let k = i % p.each;
  let at = tap(k);
  let channel = o / p.o_group * p.c_group;
  let positions = p.h_out * p.w_out;
  var sum = 0.0;
  for (var j = t; j < p.positions; j += {THREADS}u) {{
    let value = dy[(j / positions * p.o + o) * positions + j % positions];
    if (k == p.taps) {{ sum += value; }} else {{ sum = fma(value, pixel(window(j, channel) + at), sum); }}
  }}
  sums[t] = sum;
  for (var half = {}u; half > 0; half /= 2) {{
    workgroupBarrier();
    if (t < half) {{ sums[t] += sums[t + half]; }}
  }}
  if (t == 0) {{ {} }}
}}
",
        THREADS / 2,
        if bias {
            "if (k == p.taps) { db[o] = sums[0]; } else { store(o * p.taps + k, sums[0]); }"
        } else {
            "store(i, sums[0]);"
        }
    );
    let grid = [groups.min(GROUPS_X), groups.div_ceil(GROUPS_X), 1];
    let kernel = Kernel::new("conv2d_grad_weight", body, grid).with(PATCHES);
    let kernel = add_sizes(kernel.input("x", 0, x).input("dy", 1, x), d)
        .u32("groups", groups)
        .u32("each", per_filter + bias as usize)
        .u32("taps", per_filter)
        .u32("positions", d.n * positions(d))
        .result(0);
    if bias {
        kernel.output("db", 1, out).into()
    } else {
        kernel.into()
    }
}
