//! Optimizer steps: one multi-tensor operation over a group of parameters.
//!
//! Formulas and order of operations are those of `torch.optim` without `foreach`. A step reads and writes each array once.
use crate::args::Args;
use crate::error::{Error, Result};
use crate::ops::copy;
use crate::tape::no_grad;
use crate::tensor::{DType, Tensor};

/// Runs step `name` on tensors `[parameters | gradients | state ...]`, each part as long as the first.
pub fn update(name: &str, tensors: &[Tensor], args: &mut Args) -> Result<()> {
    let step = match name {
        "sgd" => Sgd::step,
        "adam" => Adam::step,
        _ => return Err(Error::argument(format!("there is no optimizer {name}"))),
    };
    no_grad(|| step(tensors, args)).map_err(|e| e.of(name))
}

/// The parts of a group; `steps` counts each parameter's steps from 1.
struct Group<'a> {
    parts: Vec<&'a [Tensor]>,
    steps: Vec<f64>,
}

impl<'a> Group<'a> {
    fn new(tensors: &'a [Tensor], parts: usize, steps: Vec<f64>) -> Result<Self> {
        let count = steps.len();
        if tensors.len() != parts * count {
            return Err(Error::argument(format!(
                "expected {parts} tensors for each of {count} parameters, got {}",
                tensors.len()
            )));
        }
        let parts: Vec<_> = tensors.chunks_exact(count.max(1)).collect();
        for (i, parameter) in parts.first().copied().unwrap_or(&[]).iter().enumerate() {
            if let Some(bad) = parts.iter().map(|part| &part[i]).find(|t| t.meta() != parameter.meta()) {
                return Err(Error::shape(format!(
                    "a parameter of shape {:?} and dtype {} comes with a gradient or state of shape {:?} and dtype {}",
                    parameter.shape(),
                    parameter.dtype().name(),
                    bad.shape(),
                    bad.dtype().name()
                )));
            }
            if parameter.dtype() != DType::F32 {
                return Err(Error::dtype(format!(
                    "expected float32 parameters, got {}",
                    parameter.dtype().name()
                )));
            }
        }
        Ok(Group { parts, steps })
    }

    /// Calls `f(parameter, gradient, state, step)` for each parameter. `N` counts the state tensors.
    fn each<const N: usize>(
        &self,
        mut f: impl FnMut(&mut [f32], &[f32], [&mut [f32]; N], f64),
    ) -> Result<()> {
        for (i, &step) in self.steps.iter().enumerate() {
            let written: [&Tensor; N] = std::array::from_fn(|s| &self.parts[2 + s][i]);
            let parameter = &self.parts[0][i];
            let target = Ordered::new(parameter)?;
            let mut states = Vec::with_capacity(N);
            for state in written {
                states.push(Ordered::new(state)?);
            }
            {
                let gradient = self.parts[1][i].contiguous()?;
                let gradient_words = gradient.storage().words();
                let start = gradient.layout().offset;
                let gradient = &gradient_words[start..start + parameter.numel()];
                let mut words: Vec<_> = states.iter().map(|s| s.ordered.storage().words_mut()).collect();
                let mut slices = words.iter_mut().zip(&states).map(|(words, s)| s.slice(words));
                let state: [&mut [f32]; N] = std::array::from_fn(|_| slices.next().unwrap_or(&mut []));
                let mut words = target.ordered.storage().words_mut();
                f(target.slice(&mut words), bytemuck::cast_slice(gradient), state, step);
            }
            target.finish(parameter)?;
            for (state, tensor) in states.iter().zip(written) {
                state.finish(tensor)?;
            }
        }
        Ok(())
    }
}

/// A tensor that is written to, or a copy in order that is written back.
struct Ordered {
    ordered: Tensor,
}

impl Ordered {
    fn new(tensor: &Tensor) -> Result<Self> {
        Ok(Ordered { ordered: tensor.contiguous()? })
    }

    fn slice<'w>(&self, words: &'w mut [u32]) -> &'w mut [f32] {
        let start = self.ordered.layout().offset;
        bytemuck::cast_slice_mut(&mut words[start..start + self.ordered.numel()])
    }

    fn finish(&self, tensor: &Tensor) -> Result<()> {
        if !tensor.is_contiguous() {
            copy::write(tensor, &self.ordered)?;
        }
        tensor.storage().touch();
        Ok(())
    }
}

/// Stochastic gradient descent, as `torch.optim.SGD`.
struct Sgd {
    lr: f32,
    momentum: f32,
    dampening: f32,
    weight_decay: f32,
    nesterov: bool,
    sign: f32,
}

impl Sgd {
    fn step(tensors: &[Tensor], args: &mut Args) -> Result<()> {
        let sgd = Sgd {
            lr: args.float("lr")? as f32,
            momentum: args.float("momentum")? as f32,
            dampening: args.float("dampening")? as f32,
            weight_decay: args.float("weightDecay")? as f32,
            nesterov: args.flag("nesterov")?,
            sign: if args.flag("maximize")? { -1.0 } else { 1.0 },
        };
        let steps = args.floats();
        if sgd.momentum == 0.0 {
            let group = Group::new(tensors, 2, steps)?;
            return group.each::<0>(|p, g, [], _| {
                for (p, &g) in p.iter_mut().zip(g) {
                    *p -= sgd.lr * sgd.decayed(*p, g);
                }
            });
        }
        let group = Group::new(tensors, 3, steps)?;
        group.each::<1>(|p, g, [buffer], step| {
            // The first step's buffer is the gradient itself, without dampening.
            let (keep, add) = if step <= 1.0 { (0.0, 1.0) } else { (sgd.momentum, 1.0 - sgd.dampening) };
            let ahead = if sgd.nesterov { sgd.momentum } else { 0.0 };
            for ((p, &g), v) in p.iter_mut().zip(g).zip(buffer) {
                let g = sgd.decayed(*p, g);
                *v = *v * keep + add * g;
                let direction = if ahead > 0.0 { g + ahead * *v } else { *v };
                *p -= sgd.lr * direction;
            }
        })
    }

    #[inline(always)]
    fn decayed(&self, p: f32, g: f32) -> f32 {
        self.sign * g + self.weight_decay * p
    }
}

/// Adam and AdamW, as `torch.optim.Adam` and `torch.optim.AdamW`.
struct Adam {
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f32,
    weight_decay: f64,
    /// AdamW: the decay acts on the parameter, not through the gradient.
    decoupled: bool,
    sign: f32,
}

/// The numbers of one parameter's step.
struct AdamStep {
    step_size: f32,
    root_correction: f32,
    shrink: f32,
}

impl Adam {
    fn step(tensors: &[Tensor], args: &mut Args) -> Result<()> {
        let (lr, beta1, beta2) = (args.float("lr")?, args.float("beta1")?, args.float("beta2")?);
        let (eps, weight_decay) = (args.float("eps")? as f32, args.float("weightDecay")?);
        let (amsgrad, decoupled) = (args.flag("amsgrad")?, args.flag("decoupled")?);
        let sign = if args.flag("maximize")? { -1.0 } else { 1.0 };
        let adam = Adam { lr, beta1, beta2, eps, weight_decay, decoupled, sign };
        let steps = args.floats();
        if amsgrad {
            let group = Group::new(tensors, 5, steps)?;
            group.each::<3>(|p, g, [m, v, largest], step| {
                let numbers = adam.numbers(step);
                for ((((p, &g), m), v), largest) in p.iter_mut().zip(g).zip(m).zip(v).zip(largest) {
                    adam.moments(&numbers, p, g, m, v);
                    *largest = if *v > *largest || v.is_nan() { *v } else { *largest };
                    adam.move_parameter(&numbers, p, *m, *largest);
                }
            })
        } else {
            let group = Group::new(tensors, 4, steps)?;
            group.each::<2>(|p, g, [m, v], step| {
                let numbers = adam.numbers(step);
                for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                    adam.moments(&numbers, p, g, m, v);
                    adam.move_parameter(&numbers, p, *m, *v);
                }
            })
        }
    }

    fn numbers(&self, step: f64) -> AdamStep {
        AdamStep {
            step_size: (self.lr / (1.0 - self.beta1.powf(step))) as f32,
            root_correction: (1.0 - self.beta2.powf(step)).sqrt() as f32,
            shrink: if self.decoupled { (1.0 - self.lr * self.weight_decay) as f32 } else { 1.0 },
        }
    }

    /// Decays the parameter and moves the averages of the gradient and of its square.
    #[inline(always)]
    fn moments(&self, numbers: &AdamStep, p: &mut f32, g: f32, m: &mut f32, v: &mut f32) {
        *p *= numbers.shrink;
        let decay = if self.decoupled { 0.0 } else { self.weight_decay as f32 };
        let g = self.sign * g + decay * *p;
        *m += (1.0 - self.beta1) as f32 * (g - *m);
        *v = *v * self.beta2 as f32 + (1.0 - self.beta2) as f32 * g * g;
    }

    #[inline(always)]
    fn move_parameter(&self, numbers: &AdamStep, p: &mut f32, m: f32, v: f32) {
        *p -= numbers.step_size * m / (v.sqrt() / numbers.root_correction + self.eps);
    }
}
