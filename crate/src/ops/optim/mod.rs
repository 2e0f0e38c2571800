//! Optimizer steps: each one call for all the parameters of a group, outside of autograd.
mod adam;
mod flat;
mod sgd;

pub use adam::{adam, AdamState, AdamStep};
pub use sgd::{sgd, SgdStep};

use std::rc::Rc;

use crate::args::Args;
use crate::error::{Error, Result};
use crate::op::{Input, Output};
use crate::ops::copy;
use crate::profile;
use crate::storage::Device;
use crate::tape::{apply, no_grad};
use crate::tensor::{DType, Tensor};

/// Runs one step of an optimizer. `tensors` holds all parameters, then all gradients, then each kind of state;
/// `args` the numbers of the optimizer, and then for each parameter which step this is, counted from 1.
pub fn update(name: &str, tensors: &[Tensor], args: &mut Args) -> Result<()> {
    type Update = fn(&[Tensor], &mut Args) -> Result<()>;
    let (name, step): (_, Update) = match name {
        "sgd" => ("sgd", sgd::update),
        "adam" => ("adam", adam::update),
        _ => return Err(Error::argument(format!("there is no optimizer {name}"))),
    };
    no_grad(|| step(tensors, args)).map_err(|e| e.of(name))
}

/// The tensors of one parameter: itself, its gradient and its state.
struct Parameter<'a> {
    /// Counted from 1.
    step: f64,
    grad: &'a Tensor,
    /// The parameter, and then its state.
    written: Vec<&'a Tensor>,
}

/// Whether the step runs on the GPU: all tensors are there, or none.
fn on_gpu(parameters: &[Parameter]) -> Result<bool> {
    let all: Vec<&Tensor> =
        parameters.iter().flat_map(|p| p.written.iter().copied().chain([p.grad])).collect();
    let there = all.iter().filter(|t| t.device() == Device::Gpu).count();
    if there != 0 && there != all.len() {
        return Err(Error::device(
            "parameters, gradients and state must be on one device; move the model before the optimizer takes steps",
        ));
    }
    Ok(there > 0)
}

/// Splits `tensors` into parameters with `states` state tensors each, and checks that they fit.
fn parameters<'a>(tensors: &'a [Tensor], states: usize, args: &mut Args) -> Result<Vec<Parameter<'a>>> {
    let steps = args.floats();
    let count = steps.len();
    if tensors.len() != count * (2 + states) {
        return Err(Error::argument(format!(
            "expected {} tensors for each of {count} parameters, got {}",
            2 + states,
            tensors.len()
        )));
    }
    let parameter = |(i, &step): (usize, &f64)| {
        if step.fract() != 0.0 || step < 1.0 {
            return Err(Error::argument(format!("expected a step counted from 1, got {step}")));
        }
        let grad = &tensors[count + i];
        let kinds = (0..2 + states).filter(|&kind| kind != 1);
        let written: Vec<&Tensor> = kinds.map(|kind| &tensors[kind * count + i]).collect();
        check(i, grad, &written)?;
        Ok(Parameter { step, grad, written })
    };
    steps.iter().enumerate().map(parameter).collect()
}

/// Parameter `i`, its gradient and its state must have one shape and be float32.
fn check(i: usize, grad: &Tensor, written: &[&Tensor]) -> Result<()> {
    let shape = written[0].shape();
    for tensor in written.iter().copied().chain([grad]) {
        if tensor.shape() != shape {
            return Err(Error::shape(format!(
                "parameter {i} has shape {shape:?}, its gradient or state {:?}",
                tensor.shape()
            )));
        }
        if tensor.dtype() != DType::F32 {
            return Err(Error::dtype(format!(
                "parameter {i}, its gradient and state must be float32, got {}",
                tensor.dtype().name()
            )));
        }
    }
    if written.iter().any(|t| t.layout().overlaps()) {
        return Err(Error::argument(format!(
            "parameter {i} or its state has elements that refer to a single memory location"
        )));
    }
    Ok(())
}

impl Parameter<'_> {
    /// Gives `kernel` the gradient, and the parameter with its state to write to.
    fn run(&self, kernel: impl FnOnce(&[f32], &mut [&mut [f32]])) -> Result<()> {
        let shares = |a: &Tensor, b: &Tensor| Rc::ptr_eq(a.storage(), b.storage());
        // What does not lie in order, or lies in one storage with another, is copied and written back.
        let memory = |(k, &t): (usize, &&Tensor)| {
            let mut others = self.written.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, &t)| t);
            if t.is_contiguous() && !others.any(|other| shares(t, other)) && !shares(t, self.grad) {
                Ok(t.clone())
            } else {
                apply(copy::Clone, &[t])
            }
        };
        let locals = self.written.iter().enumerate().map(memory).collect::<Result<Vec<_>>>()?;
        {
            let grad = self.grad.contiguous()?;
            let grad = Input::new(&grad);
            let mut outputs: Vec<Output> = locals.iter().map(Output::new).collect();
            let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Output::f32).collect();
            profile::timed("step", || kernel(grad.f32(), &mut slices));
        }
        for (&tensor, local) in self.written.iter().zip(&locals) {
            if !shares(tensor, local) {
                copy::write(tensor, local)?;
            }
            tensor.storage().touch();
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "numbers as PyTorch prints them")]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::ops::view;
    use crate::tensor::Meta;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Parameters of 5 and of 2 x 3 elements after steps with gradients that depend on them.
    fn train(name: &str, states: usize, numbers: &[f64], steps: usize) -> Vec<f32> {
        let values =
            |n: usize, phase: f32| (0..n).map(|i| (i as f32 * 1.3 + phase).sin()).collect::<Vec<_>>();
        let a = Tensor::from_f32(&values(5, 0.5), &[5]).unwrap();
        let b = Tensor::from_f32(&values(6, 2.0), &[2, 3]).unwrap();
        let state = |t: &Tensor| Tensor::zeros(t.meta()).unwrap();
        let mut tensors = vec![a.clone(), b.clone(), a.clone(), b.clone()];
        for _ in 0..states {
            tensors.extend([state(&a), state(&b)]);
        }
        for step in 1..=steps {
            for (k, t) in [&a, &b].into_iter().enumerate() {
                let grad: Vec<f32> = t.to_vec_f32().unwrap().iter().map(|v| v * 3.0 - 0.5).collect();
                tensors[2 + k] = Tensor::from_f32(&grad, t.shape()).unwrap();
            }
            let args: Vec<f64> = numbers.iter().copied().chain([step as f64; 2]).collect();
            update(name, &tensors, &mut Args::new(&args)).unwrap();
        }
        [a.to_vec_f32().unwrap(), b.to_vec_f32().unwrap()].concat()
    }

    fn assert_close(actual: &[f32], expected: &[f32]) {
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() < 2e-6, "{actual:?} is not {expected:?}");
        }
    }

    // a = torch.sin(torch.arange(5) * 1.3 + 0.5); b = torch.sin(torch.arange(6) * 1.3 + 2.0).view(2, 3)
    // o = torch.optim.<name>([a, b], <options>, foreach=False)
    // for _ in range(5): a.grad = a * 3 - 0.5; b.grad = b * 3 - 0.5; o.step()
    // [*a.tolist(), *b.flatten().tolist()]
    #[test]
    fn sgd_is_pytorchs() {
        // SGD, lr=0.1
        let actual = train("sgd", 0, &[0.1, 0.0, 0.0, 0.0, 0.0, 0.0], 5);
        assert_close(
            &actual,
            &[
                0.2192320, 0.3023296, 0.1456435, -0.0212807, 0.0461013, 0.2914806, 0.1121427, -0.0283546,
                0.0758175, 0.2720467, 0.2728567,
            ],
        );
        // SGD, lr=0.05, weight_decay=0.1, maximize=True
        let actual = train("sgd", 0, &[0.05, 0.0, 0.0, 0.1, 0.0, 1.0], 5);
        assert_close(
            &actual,
            &[
                0.7766162, 1.7496442, -0.0850670, -2.0396612, -1.2506537, 1.6226088, -0.4773435, -2.1224928,
                -0.9026923, 1.3950481, 1.4045327,
            ],
        );
        // SGD, lr=0.1, momentum=0.9
        let actual = train("sgd", 1, &[0.1, 0.9, 0.0, 0.0, 0.0, 0.0], 5);
        assert_close(
            &actual,
            &[
                -0.0767473, -0.4615461, 0.2640185, 1.0369928, 0.7249676, -0.4113079, 0.4191502, 1.0697498,
                0.5873610, -0.3213157, -0.3250665,
            ],
        );
        // SGD, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01
        let actual = train("sgd", 1, &[0.1, 0.9, 0.3, 0.01, 0.0, 0.0], 5);
        assert_close(
            &actual,
            &[
                -0.0623586, -0.4228974, 0.2569234, 0.9811649, 0.6888117, -0.3758266, 0.4022748, 1.0118568,
                0.5598805, -0.2915080, -0.2950224,
            ],
        );
        // SGD, lr=0.1, momentum=0.8, nesterov=True
        let actual = train("sgd", 1, &[0.1, 0.8, 0.0, 0.0, 1.0, 0.0], 5);
        assert_close(
            &actual,
            &[
                0.0874880, -0.0376808, 0.1983337, 0.4497697, 0.3482730, -0.0213392, 0.2487955, 0.4604251,
                0.3035118, 0.0079339, 0.0067138,
            ],
        );
    }

    #[test]
    fn adam_is_pytorchs() {
        // Adam, lr=0.1, betas=(0.9, 0.999), eps=1e-08
        let actual = train("adam", 2, &[0.1, 0.9, 0.999, 1e-8, 0.0, 0.0, 0.0, 0.0], 5);
        assert_close(
            &actual,
            &[
                0.0560036, 0.4851772, 0.2143686, -0.4582948, -0.0646111, 0.4223921, 0.2715674, -0.5000187,
                0.1023601, 0.3114951, 0.3160598,
            ],
        );
        // Adam, lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.1, amsgrad=True
        let actual = train("adam", 3, &[0.1, 0.9, 0.999, 1e-8, 0.1, 1.0, 0.0, 0.0], 5);
        assert_close(
            &actual,
            &[
                0.0532048, 0.4850493, 0.2015015, -0.4583442, -0.0647999, 0.4222267, 0.2689302, -0.5000632,
                0.1018815, 0.3112113, 0.3157828,
            ],
        );
        // AdamW, lr=0.1, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.1
        let actual = train("adam", 2, &[0.1, 0.9, 0.999, 1e-8, 0.1, 0.0, 1.0, 0.0], 5);
        assert_close(
            &actual,
            &[
                0.0486014, 0.4490091, 0.2100609, -0.4223874, -0.0485441, 0.3895575, 0.2689662, -0.4620348,
                0.1096634, 0.2847698, 0.2890749,
            ],
        );
        // Adam, lr=0.05, betas=(0.4, 0.9), eps=0.001, amsgrad=True, maximize=True
        let actual = train("adam", 3, &[0.05, 0.4, 0.9, 0.001, 0.0, 1.0, 0.0, 1.0], 5);
        assert_close(
            &actual,
            &[
                0.7444544, 1.2309096, -0.2339044, -1.2068875, -0.8085051, 1.1668879, -0.4223906, -1.2488024,
                -0.6337828, 1.0524312, 1.0571947,
            ],
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let t = |shape: &[usize]| Tensor::zeros(&Meta::f32(shape)).unwrap();
        let sgd = [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let run = |tensors: &[Tensor], args: &[f64]| update("sgd", tensors, &mut Args::new(args));
        assert!(run(&[t(&[2]), t(&[2])], &sgd).is_ok());
        assert_eq!(run(&[t(&[2]), t(&[3])], &sgd).unwrap_err().kind, Kind::Shape);
        assert_eq!(run(&[t(&[2])], &sgd).unwrap_err().kind, Kind::Argument);
        assert_eq!(run(&[t(&[2]), t(&[2])], &sgd[..3]).unwrap_err().kind, Kind::Argument);
        let ints = Tensor::from_i32(&[1, 2], &[2]).unwrap();
        assert_eq!(run(&[ints.clone(), ints], &sgd).unwrap_err().kind, Kind::Dtype);
        let expanded = view::expand(&t(&[1]), &[2]).unwrap();
        assert_eq!(run(&[expanded, t(&[2])], &sgd).unwrap_err().kind, Kind::Argument);
        assert!(update("lion", &[], &mut Args::new(&[])).is_err());
    }

    #[test]
    fn any_memory_is_stepped_alike_and_versions_count() {
        let x: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let args = [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let whole = Tensor::from_f32(&x, &[2, 3]).unwrap();
        let turned = view::transpose(&whole).unwrap();
        let version = whole.storage().version();
        // The parameter's memory is its own gradient, and out of order.
        update("sgd", &[turned.clone(), turned], &mut Args::new(&args)).unwrap();
        assert_eq!(whole.to_vec_f32().unwrap(), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
        assert!(whole.storage().version() > version);
    }

    #[test]
    fn without_decay_an_infinite_parameter_stays() {
        let p = Tensor::from_f32(&[f32::INFINITY], &[1]).unwrap();
        let g = Tensor::from_f32(&[1.0], &[1]).unwrap();
        let args = [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        update("sgd", &[p.clone(), g], &mut Args::new(&args)).unwrap();
        assert_eq!(p.to_vec_f32().unwrap(), [f32::INFINITY]);
    }
}
