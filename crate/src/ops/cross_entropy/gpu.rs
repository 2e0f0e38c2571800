//! The kernels of cross_entropy and nll_loss: one dispatch for a small batch, two for a large one, one backward.
use super::{check_label, fold_of, Loss, Reduction};
use crate::error::Result;
use crate::gpu::kernel::{Kernel, Plan};
use crate::op::GpuInput;
use crate::ops::reduce::gpu::{tree, tree_of_all, Threads, LANE_AND_COLUMN, LINE_START};
use crate::ops::reduce::Fold;
use crate::tensor::Meta;

/// Elements that one workgroup takes on alone.
const SMALL: usize = 1 << 14;
/// Workgroups of a large batch, at most; one more adds up what they give.
const GROUPS: usize = 1024;

const MAIN: &str = "@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
";

/// Writes the softmax of each line and leaves what the loss takes from it: `top`, the largest element, and
/// `log_total`, the logarithm of the sum of exponentials of the distances from it.
const SOFTMAX: &str = "    let end = select(0u, p.terms, o < p.results);
    var top = p.low;
    for (var r = lane; r < end; r += p.lanes) { top = max(top, x[first + r * p.inner]); }
    top = largest(t, lane, top);
    var total = 0.0;
    for (var r = lane; r < end; r += p.lanes) { total += exp(x[first + r * p.inner] - top); }
    total = sum(t, lane, total);
    for (var r = lane; r < end; r += p.lanes) {
      let at = first + r * p.inner;
      probabilities[at] = exp(x[at] - top) / total;
    }
    let log_total = log(total);
";

/// `all`: the sum of -w[c] lp[c] over the classes.
const SMOOTHING: &str = "    var all = 0.0;
    for (var r = lane; r < end; r += p.lanes) {
      all -= weight_of(r) * (x[first + r * p.inner] - top - log_total);
    }
    all = sum(t, lane, all);
";

impl Loss {
    /// The loss, the sum of weights and, from logits, their softmax.
    pub(super) fn kernels(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let fold = fold_of(x[0].shape());
        if let Some((least, most)) = x[1].range {
            // Of labels that are not ignored only these two are known; the kernel looks at the others.
            for label in [least, most].into_iter().filter(|&label| label as i64 != self.ignore_index) {
                check_label(label, fold.reduced)?;
            }
        }
        let threads = if self.log_input { Threads::single(fold.results()) } else { Threads::of_lines(fold) };
        let work = if self.log_input { fold.results() } else { fold.len() };
        let groups = if work <= SMALL { 1 } else { threads.groups().min(GROUPS) };
        let outputs = |kernel: Kernel| match self.reduction {
            Reduction::None => kernel,
            _ => kernel.result(0),
        };
        let body = self.body(groups == 1);
        let mut losses =
            self.with_labels(Kernel::new(self.kernel_name(), body, [groups, 1, 1]), fold, x.get(2));
        losses = threads.add_to(losses).u32("blocks", threads.groups()).u32("groups", groups);
        losses = losses.input("x", 0, x).input("labels", 1, x);
        if x.len() > 2 {
            losses = losses.input("weight", 2, x);
        }
        if !self.log_input {
            losses = losses
                .with(&tree("largest", "f32", "max(a, b)"))
                .with(&tree("sum", "f32", "a + b"))
                .f32("low", f32::NEG_INFINITY)
                .output("probabilities", 2, out);
        }
        losses = losses.with(&tree_of_all("sum_of_all", "vec2<f32>", "a + b")).with(LINE_START);
        if self.reduction == Reduction::None {
            losses = losses.result(0);
        }
        if groups == 1 {
            return Ok(outputs(losses.output("total_weight", 1, out)).into());
        }
        let total = format!(
            "{MAIN}  var own = vec2<f32>(0.0, 0.0);
  for (var r = t; r < p.groups; r += 256u) {{ own += parts[r]; }}
  let both = sum_of_all(t, t, own);
  if (t == 0u) {{
{}  }}
}}
",
            self.finish()
        );
        let total = Kernel::new("total", total, [1, 1, 1])
            .with(&tree_of_all("sum_of_all", "vec2<f32>", "a + b"))
            .u32("groups", groups)
            .scratch("parts", "vec2<f32>", 0, false)
            .output("total_weight", 1, out);
        let losses = losses.scratch("parts", "vec2<f32>", 0, true);
        Ok(Plan::Kernels { kernels: vec![losses, outputs(total)], scratch: vec![2 * groups] })
    }

    fn kernel_name(&self) -> &'static str {
        if self.log_input {
            "nll_loss"
        } else {
            "cross_entropy"
        }
    }

    fn body(&self, alone: bool) -> String {
        let smooth = self.label_smoothing > 0.0;
        let softmax = if self.log_input { "" } else { SOFTMAX };
        let smoothing = if smooth { SMOOTHING } else { "" };
        let log_probability = match self.log_input {
            true => "x[first + class_of * p.inner]",
            false => "(x[first + class_of * p.inner] - top - log_total)",
        };
        let mixed = if smooth { "loss = p.hard * loss + p.soft * all;" } else { "" };
        let store = if self.reduction == Reduction::None { "store(o, loss);" } else { "" };
        let end = if alone { self.finish() } else { "    parts[group.x] = both;\n" };
        // No thread leaves the loop before the others: they meet at barriers.
        format!(
            "{MAIN}{LANE_AND_COLUMN}  var own = vec2<f32>(0.0, 0.0);
  for (var block = group.x; block < p.blocks; block += p.groups) {{
    let o = block * columns + column;
    let first = line_start(o);
{softmax}{smoothing}    if (lane == 0u && o < p.results) {{
      var loss = 0.0;
      let label = labels[o];
      if (label != p.ignored) {{
        if (label < 0 || label >= i32(p.terms)) {{
          // Labels that were computed on the GPU cannot be refused.
          loss = p.nan;
        }} else {{
          let class_of = u32(label);
          let w = weight_of(class_of);
          loss = -w * {log_probability};
          {mixed}
          own.y += w;
        }}
        own.x += loss;
      }}
      {store}
    }}
  }}
  let both = sum_of_all(t, t, own);
  if (t == 0u) {{
{end}  }}
}}
"
        )
    }

    /// Writes the results from `both`, the sums of losses and weights.
    fn finish(&self) -> &'static str {
        match self.reduction {
            Reduction::None => "    total_weight[0] = both.y;\n",
            Reduction::Sum => "    total_weight[0] = both.y;\n    store(0u, both.x);\n",
            Reduction::Mean => "    total_weight[0] = both.y;\n    store(0u, both.x / both.y);\n",
        }
    }

    /// What both directions know of a call.
    fn with_labels(&self, kernel: Kernel, fold: Fold, weight: Option<&GpuInput>) -> Kernel {
        let weight_of = match weight {
            Some(_) => "fn weight_of(c: u32) -> f32 { return weight[c]; }\n",
            None => "fn weight_of(c: u32) -> f32 { return 1.0; }\n",
        };
        kernel
            .with(weight_of)
            .u32("terms", fold.reduced)
            .u32("inner", fold.inner)
            .i32("ignored", self.ignore_index as i32)
            .f32("hard", 1.0 - self.label_smoothing)
            .f32("soft", self.label_smoothing / fold.reduced as f32)
            .f32("nan", f32::NAN)
    }

    /// dx from dy, the sum of weights, the labels, the softmax (unless the input is logarithmic), and maybe weights.
    pub(super) fn backward_kernel(&self, input: &Meta, x: &[GpuInput]) -> Plan {
        let fold = fold_of(&input.shape);
        let weight = x.get(if self.log_input { 3 } else { 4 });
        let dy = match self.reduction {
            Reduction::None => "dy[line]",
            Reduction::Sum => "dy[0]",
            Reduction::Mean => "dy[0] / total_weight[0]",
        };
        let weights = match weight {
            Some(_) => "for (var k = 0u; k < p.terms; k++) { all += weight[k]; }",
            None => "all = f32(p.terms);",
        };
        let gradient = match (self.log_input, self.label_smoothing > 0.0) {
            (true, _) => "dx = select(0.0, -hard * g, c == class_of);".to_string(),
            (false, false) => "dx = g * hard * softmax[i] - select(0.0, g * hard, c == class_of);".to_string(),
            (false, true) => format!(
                "var all = 0.0;
      {weights}
      dx = g * (hard + p.soft * all) * softmax[i] - g * p.soft * weight_of(c) - select(0.0, g * hard, c == class_of);"
            ),
        };
        let statements = format!(
            "  let line = i / (p.terms * p.inner) * p.inner + i % p.inner;
  let c = i / p.inner % p.terms;
  let label = labels[line];
  var dx = 0.0;
  if (label != p.ignored) {{
    if (label < 0 || label >= i32(p.terms)) {{
      dx = p.nan;
    }} else {{
      let class_of = u32(label);
      let g = {dy};
      let hard = p.hard * weight_of(class_of);
      {gradient}
    }}
  }}
  store(i, dx);"
        );
        let mut kernel = self.with_labels(
            Kernel::elementwise("cross_entropy_backward", input.numel(), &statements),
            fold,
            weight,
        );
        kernel = kernel.input("dy", 0, x).input("total_weight", 1, x).input("labels", 2, x);
        if !self.log_input {
            kernel = kernel.input("softmax", 3, x);
        }
        if weight.is_some() {
            kernel = kernel.input("weight", x.len() - 1, x);
        }
        kernel.result(0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::sample;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn dispatches(batch: usize, classes: usize) -> usize {
        let x = [sample::floats(&[batch, classes]), sample::ints(&vec![0; batch], &[batch])];
        let loss =
            Loss { reduction: Reduction::Mean, ignore_index: -100, label_smoothing: 0.0, log_input: false };
        let inputs: Vec<GpuInput> = x.iter().map(GpuInput::new).collect();
        let outputs = [Meta::f32(vec![]), Meta::f32(vec![]), x[0].meta().clone()];
        match loss.kernels(&inputs, &outputs).unwrap() {
            Plan::Kernels { kernels, .. } => kernels.len(),
            _ => 0,
        }
    }

    #[test]
    fn a_small_batch_is_one_dispatch() {
        assert_eq!(dispatches(64, 10), 1);
        assert_eq!(dispatches(5000, 10), 2);
    }
}
