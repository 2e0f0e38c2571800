//! The second pass of a product whose k was split: the parts are added, always in the same order.
use super::{fold, Gemm};
use crate::gpu::kernel::Kernel;
use crate::op::GpuInput;
use crate::tensor::Meta;

/// Outputs of a workgroup, and threads that share the parts of each.
const OUTPUTS: usize = 32;
const SLICES: usize = 8;

impl Gemm {
    pub(super) fn sum_of_parts(&self, x: &[GpuInput], out: &[Meta], splits: usize) -> Kernel {
        let outputs: usize = out.iter().map(Meta::numel).sum();
        let bias = self.bias.map_or("", |_| " + bias[i / p.bias_inner % p.bias_len]");
        let put = if self.row_sums {
            format!("if (i < p.elements) {{ store(i, value{bias}); }} else {{ row_sums[i - p.elements] = value; }}")
        } else {
            format!("store(i, value{bias});")
        };
        let body = format!(
            "var<workgroup> sums: array<f32, {threads}>;
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {{
  let i = (group.x + group.y * {groups}u) * {OUTPUTS} + t % {OUTPUTS};
  var sum = 0.0;
  if (i < p.outputs) {{
    for (var s = t / {OUTPUTS}; s < p.splits; s += {SLICES}u) {{ sum += part[s * p.outputs + i]; }}
  }}
  sums[t] = sum;
  workgroupBarrier();
  if (t < {OUTPUTS} && i < p.outputs) {{
    var value = sum;
    for (var s = 1u; s < {SLICES}u; s++) {{ value += sums[t + s * {OUTPUTS}]; }}
    {put}
  }}
}}
",
            threads = OUTPUTS * SLICES,
            groups = super::GROUPS_X,
        );
        let mut kernel = Kernel::new("sum of parts", body, fold(outputs.div_ceil(OUTPUTS)))
            .u32("outputs", outputs)
            .u32("elements", out[0].numel())
            .u32("splits", splits)
            .scratch("part", "f32", 0, false);
        if let Some(bias) = self.bias {
            kernel =
                kernel.u32("bias_inner", bias.inner).u32("bias_len", bias.len).input("bias", bias.input, x);
        }
        kernel = kernel.result(0);
        if self.row_sums {
            kernel.output("row_sums", 1, out)
        } else {
            kernel
        }
    }
}
