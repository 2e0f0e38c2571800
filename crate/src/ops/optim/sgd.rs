//! Stochastic gradient descent, with momentum, as `torch.optim.SGD`.
use super::flat::{self, Step};
use super::{on_gpu, parameters};
use crate::args::Args;
use crate::error::Result;
use crate::tensor::Tensor;

/// The numbers of one step for one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    pub lr: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub maximize: bool,
    /// At the first step the momentum buffer becomes the gradient.
    pub first: bool,
}

/// One pass over a parameter, its gradient and its momentum buffer, which is empty without momentum.
pub fn sgd(step: SgdStep, param: &mut [f32], grad: &[f32], buffer: &mut [f32]) {
    let sign = if step.maximize { -1.0 } else { 1.0 };
    let decay = step.weight_decay as f32;
    if decay != 0.0 {
        with_gradient(step, param, grad, buffer, |p, g| sign * g + decay * p);
    } else {
        with_gradient(step, param, grad, buffer, |_, g| sign * g);
    }
}

/// `gradient(p, g)`: the gradient that the step begins with.
fn with_gradient(
    step: SgdStep,
    param: &mut [f32],
    grad: &[f32],
    buffer: &mut [f32],
    gradient: impl Fn(f32, f32) -> f32,
) {
    let rate = -step.lr as f32;
    if step.momentum == 0.0 {
        param.iter_mut().zip(grad).for_each(|(p, &g)| *p += rate * gradient(*p, g));
        return;
    }
    let (momentum, share) = (step.momentum as f32, (1.0 - step.dampening) as f32);
    // A loop for each case, so that none of them decides anything for each element.
    macro_rules! run {
        (|$b:ident, $d:ident| $next:expr, $direction:expr) => {
            for ((p, &g), b) in param.iter_mut().zip(grad).zip(buffer) {
                let ($b, $d) = (*b, gradient(*p, g));
                let $b = {
                    let _ = $b;
                    $next
                };
                *b = $b;
                *p += rate * $direction;
            }
        };
    }
    match (step.first, step.nesterov) {
        (true, false) => run!(|b, d| d, b),
        (true, true) => run!(|b, d| d, (d + momentum * b)),
        (false, false) => run!(|b, d| b * momentum + share * d, b),
        (false, true) => run!(|b, d| b * momentum + share * d, (d + momentum * b)),
    }
}

/// The same in WGSL.
fn wgsl(step: SgdStep) -> Step {
    let mut statements = String::from("  var g = p.sign * grad[i];\n");
    if step.weight_decay != 0.0 {
        statements += "  g += p.decay * param[i];\n";
    }
    if step.momentum != 0.0 {
        statements +=
            if step.first { "  let b = g;\n" } else { "  let b = buffer[i] * p.momentum + p.share * g;\n" };
        statements += "  buffer[i] = b;\n";
        statements += if step.nesterov { "  g += p.momentum * b;\n" } else { "  g = b;\n" };
    }
    statements += "  param[i] += p.rate * g;";
    Step {
        name: "sgd",
        states: if step.momentum != 0.0 { &["buffer"] } else { &[] },
        statements,
        numbers: vec![
            ("sign", if step.maximize { -1.0 } else { 1.0 }),
            ("decay", step.weight_decay as f32),
            ("momentum", step.momentum as f32),
            ("share", (1.0 - step.dampening) as f32),
            ("rate", -step.lr as f32),
        ],
    }
}

pub(super) fn update(tensors: &[Tensor], args: &mut Args) -> Result<()> {
    let common = SgdStep {
        lr: args.float("lr")?,
        momentum: args.float("momentum")?,
        dampening: args.float("dampening")?,
        weight_decay: args.float("weightDecay")?,
        nesterov: args.flag("nesterov")?,
        maximize: args.flag("maximize")?,
        first: false,
    };
    let states = (common.momentum != 0.0) as usize;
    let parameters = parameters(tensors, states, args)?;
    if on_gpu(&parameters)? {
        return flat::run(&parameters, |step| wgsl(SgdStep { first: step == 1.0, ..common }));
    }
    for parameter in parameters {
        let step = SgdStep { first: parameter.step == 1.0, ..common };
        parameter.run(|grad, written| match written {
            [param, buffer] => sgd(step, param, grad, buffer),
            [param] => sgd(step, param, grad, &mut []),
            _ => {}
        })?;
    }
    Ok(())
}
