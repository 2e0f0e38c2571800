//! Adam and AdamW, as `torch.optim.Adam` and `torch.optim.AdamW`.
use super::flat::{self, Step};
use super::{on_gpu, parameters};
use crate::args::Args;
use crate::error::Result;
use crate::tensor::Tensor;

/// The numbers of one step for one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    pub lr: f64,
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    pub amsgrad: bool,
    /// Whether weights decay by themselves (AdamW), not through the gradient.
    pub decoupled: bool,
    pub maximize: bool,
    /// Counted from 1.
    pub step: f64,
}

/// What a step writes: the running averages of the gradient and of its square, and the largest of the latter, which
/// is empty without `amsgrad`.
pub struct AdamState<'a> {
    pub average: &'a mut [f32],
    pub square: &'a mut [f32],
    pub largest: &'a mut [f32],
}

/// One pass over a parameter, its gradient and its state.
pub fn adam(step: AdamStep, param: &mut [f32], grad: &[f32], state: AdamState) {
    let sign = if step.maximize { -1.0 } else { 1.0 };
    let decay = step.weight_decay as f32;
    let keep = (1.0 - step.lr * step.weight_decay) as f32;
    // A loop for each case, so that none of them decides anything for each element.
    match (step.weight_decay != 0.0, step.decoupled) {
        (false, _) => with_gradient(step, param, grad, state, |p, g| (p, sign * g)),
        (true, false) => with_gradient(step, param, grad, state, |p, g| (p, sign * g + decay * p)),
        (true, true) => with_gradient(step, param, grad, state, |p, g| (p * keep, sign * g)),
    }
}

/// `start(p, g)`: the parameter and the gradient that the step begins with.
fn with_gradient(
    step: AdamStep,
    param: &mut [f32],
    grad: &[f32],
    state: AdamState,
    start: impl Fn(f32, f32) -> (f32, f32),
) {
    let [beta1, beta2] = step.betas;
    let (keep2, share2) = (beta2 as f32, (1.0 - beta2) as f32);
    let rate = -(step.lr / (1.0 - beta1.powf(step.step))) as f32;
    let root = (1.0 - beta2.powf(step.step)).sqrt() as f32;
    let eps = step.eps as f32;

    let average = lerp((1.0 - beta1) as f32);
    let moments = |m: &mut f32, v: &mut f32, g: f32| {
        *m = average(*m, g);
        *v = *v * keep2 + share2 * g * g;
    };
    let next = |p: f32, m: f32, v: f32| p + rate * m / (v.sqrt() / root + eps);

    let tensors = param.iter_mut().zip(grad).zip(state.average).zip(state.square);
    if step.amsgrad {
        for ((((p, &g), m), v), l) in tensors.zip(state.largest) {
            let (q, g) = start(*p, g);
            moments(m, v, g);
            *l = if (*v > *l) | v.is_nan() { *v } else { *l };
            *p = next(q, *m, *l);
        }
    } else {
        for (((p, &g), m), v) in tensors {
            let (q, g) = start(*p, g);
            moments(m, v, g);
            *p = next(q, *m, *v);
        }
    }
}

/// Interpolation as PyTorch computes it, from the nearer end.
fn lerp(weight: f32) -> impl Fn(f32, f32) -> f32 {
    let near = weight.abs() < 0.5;
    move |from, to| if near { from + weight * (to - from) } else { to - (to - from) * (1.0 - weight) }
}

/// The same in WGSL.
fn wgsl(step: AdamStep) -> Step {
    let [beta1, beta2] = step.betas;
    let weight = (1.0 - beta1) as f32;
    let mut statements = String::from("  var value = param[i];\n  var g = p.sign * grad[i];\n");
    statements += match (step.weight_decay != 0.0, step.decoupled) {
        (false, _) => "",
        (true, false) => "  g += p.decay * value;\n",
        (true, true) => "  value *= p.keep;\n",
    };
    statements += if weight.abs() < 0.5 {
        "  let m = average[i] + p.weight * (g - average[i]);\n"
    } else {
        "  let m = g - (g - average[i]) * (1.0 - p.weight);\n"
    };
    statements += "  average[i] = m;\n  let v = square[i] * p.keep2 + p.share2 * g * g;\n  square[i] = v;\n";
    statements += if step.amsgrad {
        "  let l = select(largest[i], v, v > largest[i] || is_nan(v));\n  largest[i] = l;\n"
    } else {
        "  let l = v;\n"
    };
    statements += "  param[i] = value + p.rate * m / (sqrt(l) / p.root + p.eps);";
    Step {
        name: "adam",
        states: if step.amsgrad { &["average", "square", "largest"] } else { &["average", "square"] },
        statements,
        numbers: vec![
            ("sign", if step.maximize { -1.0 } else { 1.0 }),
            ("decay", step.weight_decay as f32),
            ("keep", (1.0 - step.lr * step.weight_decay) as f32),
            ("weight", weight),
            ("keep2", beta2 as f32),
            ("share2", (1.0 - beta2) as f32),
            ("rate", -(step.lr / (1.0 - beta1.powf(step.step))) as f32),
            ("root", (1.0 - beta2.powf(step.step)).sqrt() as f32),
            ("eps", step.eps as f32),
        ],
    }
}

pub(super) fn update(tensors: &[Tensor], args: &mut Args) -> Result<()> {
    let common = AdamStep {
        lr: args.float("lr")?,
        betas: [args.float("beta1")?, args.float("beta2")?],
        eps: args.float("eps")?,
        weight_decay: args.float("weightDecay")?,
        amsgrad: args.flag("amsgrad")?,
        decoupled: args.flag("decoupled")?,
        maximize: args.flag("maximize")?,
        step: 0.0,
    };
    let parameters = parameters(tensors, 2 + common.amsgrad as usize, args)?;
    if on_gpu(&parameters)? {
        return flat::run(&parameters, |step| wgsl(AdamStep { step, ..common }));
    }
    for parameter in parameters {
        let step = AdamStep { step: parameter.step, ..common };
        parameter.run(|grad, written| {
            let [param, average, square, rest @ ..] = written else { return };
            let largest = match rest {
                [largest] => &mut **largest,
                _ => &mut [],
            };
            adam(step, param, grad, AdamState { average, square, largest });
        })?;
    }
    Ok(())
}
