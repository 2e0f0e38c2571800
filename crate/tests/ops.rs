//! Every operation, by its samples: gradients, strides, in-place forms.
mod common;

use common::*;
use torchlet::error::Kind;
use torchlet::ops::{Call, Operation, Sample};
use torchlet::shape::Layout;
use torchlet::tape::backward;
use torchlet::tensor::{DType, Tensor};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Inputs whose gradient is refused, as in PyTorch: class weights.
fn is_refused(operation: &Operation, sample: &Sample, input: usize) -> bool {
    let labels = sample.inputs.get(1).is_some_and(|target| target.dtype() == DType::I32);
    matches!(operation.name, "cross_entropy" | "nll_loss") && input == 2 && labels
}

/// The sample's inputs as leaves.
fn leaves(operation: &Operation, sample: &Sample, make: impl Fn(&Tensor) -> Tensor) -> Vec<Tensor> {
    let input = |(i, x): (usize, &Tensor)| {
        let x = make(x);
        if is_refused(operation, sample, i) {
            x
        } else {
            leaf(x)
        }
    };
    sample.inputs.iter().enumerate().map(input).collect()
}

/// The first output's elements, weighted: what the gradients belong to.
fn weighted(operation: &Operation, inputs: &[Tensor], args: &[f64], weights: &[f64]) -> f64 {
    let y = run(operation, inputs, args).unwrap().swap_remove(0);
    values(&y).iter().zip(weights).map(|(y, w)| y * w).sum()
}

/// The derivative of the weighted output by element `e` of input `i`, from differences at two distances;
/// nothing where those contradict each other, because the output jumps in between (`remainder`, `floor`).
fn difference(
    operation: &Operation,
    sample: &Sample,
    weights: &[f64],
    x: &[f64],
    (i, e): (usize, usize),
) -> Option<f64> {
    let distance = 2e-3;
    let slope = |h: f64| {
        let [above, below] = [h, -h].map(|h| {
            let mut moved: Vec<f32> = x.iter().map(|&v| v as f32).collect();
            moved[e] = (x[e] + h) as f32;
            let at = moved[e] as f64;
            let mut inputs: Vec<Tensor> = sample.inputs.to_vec();
            inputs[i] = Tensor::from_f32(&moved, inputs[i].shape()).unwrap();
            (at, weighted(operation, &inputs, &sample.args, weights))
        });
        (above.1 - below.1) / (above.0 - below.0)
    };
    // Richardson's extrapolation: the errors of the two cancel up to the fourth order.
    let (near, far) = (slope(distance), slope(2.0 * distance));
    ((near - far).abs() < 0.05 * near.abs().max(1.0)).then(|| (4.0 * near - far) / 3.0)
}

/// The sample with inputs of its own values each: where two are equal, some operations have kinks.
fn apart(sample: &Sample) -> Sample {
    let input = |(i, x): (usize, &Tensor)| {
        if x.dtype() != DType::F32 {
            return copy(x);
        }
        let values: Vec<f32> = x.to_vec_f32().unwrap().iter().map(|v| v * (1.0 + 0.017 * i as f32)).collect();
        Tensor::from_f32(&values, x.shape()).unwrap()
    };
    Sample::new(sample.inputs.iter().enumerate().map(input).collect(), &sample.args)
}

#[test]
fn gradients_agree_with_finite_differences() {
    let (mut checked, mut jumps) = (0, 0);
    for_samples(|operation, sample, what| {
        let sample = &apart(sample);
        let inputs = leaves(operation, sample, copy);
        let y = run(operation, &inputs, &sample.args).unwrap().swap_remove(0);
        if !y.requires_grad() {
            return;
        }
        assert_eq!(y.dtype(), DType::F32, "{what}");
        let dy = upstream(&y);
        backward(&y, Some(&dy), false).unwrap();
        let weights = values(&dy);
        for (i, input) in inputs.iter().enumerate().filter(|(_, x)| x.requires_grad()) {
            // No gradient is one of zeros.
            let dx = input.grad().map_or(vec![0.0; input.numel()], |dx| {
                assert_written(&dx, what);
                assert_eq!(dx.shape(), input.shape(), "{what}");
                values(&dx)
            });
            let x = values(input);
            for (e, &actual) in dx.iter().enumerate() {
                let Some(expected) = difference(operation, sample, &weights, &x, (i, e)) else {
                    jumps += 1;
                    continue;
                };
                let near = (actual - expected).abs() <= 1e-3 * expected.abs().max(1.0);
                assert!(near, "{what}: d/dx{i}[{e}] is {actual}, differences give {expected} (x = {})", x[e]);
                checked += 1;
            }
        }
    });
    assert!(checked > 1000 && jumps * 100 < checked, "{checked} derivatives were compared, {jumps} were not");
}

#[test]
fn class_weights_have_no_gradient() {
    for_samples(|operation, sample, what| {
        for i in (0..sample.inputs.len()).filter(|&i| is_refused(operation, sample, i)) {
            let mut inputs: Vec<Tensor> = sample.inputs.iter().map(copy).collect();
            inputs[i] = leaf(inputs[i].clone());
            let y = run(operation, &inputs, &sample.args).unwrap().swap_remove(0);
            let error = backward(&y, Some(&upstream(&y)), false).unwrap_err();
            assert_eq!(error.kind, Kind::Autograd, "{what}");
        }
    });
}

/// Outputs, and gradients of the inputs for an upstream gradient that `make` lays out.
fn results(
    operation: &Operation,
    sample: &Sample,
    make: impl Fn(&Tensor) -> Tensor,
) -> torchlet::error::Result<Vec<Option<Tensor>>> {
    let inputs = leaves(operation, sample, &make);
    let outputs = run(operation, &inputs, &sample.args)?;
    let y = &outputs[0];
    if y.requires_grad() {
        backward(y, Some(&make(&upstream(y))), false)?;
    }
    let gradients: Vec<Option<Tensor>> = inputs.iter().map(Tensor::grad).collect();
    Ok(outputs.into_iter().map(Some).chain(gradients).collect())
}

fn assert_all_same(
    operation: &Operation,
    actual: torchlet::error::Result<Vec<Option<Tensor>>>,
    expected: &[Option<Tensor>],
    what: &str,
) {
    // A view of what does not lie in order may be impossible.
    if operation.name == "view" && actual.as_ref().is_err_and(|e| e.kind == Kind::Shape) {
        return;
    }
    let actual = actual.unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (actual, expected) in actual.iter().zip(expected) {
        assert_eq!(actual.is_some(), expected.is_some(), "{what}: whether there is a gradient");
        if let (Some(actual), Some(expected)) = (actual, expected) {
            assert_written(actual, what);
            assert_same(actual, expected, what);
        }
    }
}

#[test]
fn strided_inputs_give_what_contiguous_ones_give() {
    for_samples(|operation, sample, what| {
        let expected = results(operation, sample, copy).unwrap();
        for (offset, step, reverse) in [(0, 1, true), (3, 1, false), (2, 2, false), (1, 3, true)] {
            // Its mask is drawn along the memory, in whatever order that is, as PyTorch's.
            if operation.name == "dropout" && step == 1 && reverse {
                continue;
            }
            let what = format!("{what}, offset {offset}, step {step}, reverse {reverse}");
            let actual = results(operation, sample, |x| strided(x, offset, step, reverse));
            assert_all_same(operation, actual, &expected, &what);
        }
    });
}

#[test]
fn expanded_inputs_give_what_contiguous_ones_give() {
    /// The first row of `x`, repeated without memory.
    fn expanded(x: &Tensor) -> Tensor {
        let mut layout = Layout::contiguous(x.shape().to_vec());
        if let Some(stride) = layout.strides.first_mut() {
            *stride = 0;
        }
        copy(x).with_layout(layout)
    }
    for_samples(|operation, sample, what| {
        let expected = results(operation, sample, |x| copy(&expanded(x))).unwrap();
        assert_all_same(operation, results(operation, sample, expanded), &expected, what);
    });
}

/// Whether `operation` has an in-place form for these inputs; if so, its result.
fn in_place_result(operation: &Operation, sample: &Sample) -> Option<Tensor> {
    let Call::Op(_) = operation.call else { return None };
    let y = run(operation, &sample.inputs, &sample.args).unwrap().swap_remove(0);
    let first = sample.inputs.first()?;
    let view = std::rc::Rc::ptr_eq(y.storage(), first.storage());
    (y.meta() == first.meta() && !view).then_some(y)
}

fn run_in_place(operation: &Operation, target: &Tensor, sample: &Sample) {
    torchlet::random::seed(torchlet::random::DEFAULT_GENERATOR, 1).unwrap();
    operation.run_in_place(target, &sample.inputs[1..], &sample.args).unwrap();
}

#[test]
fn in_place_forms_give_what_the_others_give() {
    let mut checked = 0;
    for_samples(|operation, sample, what| {
        let Some(expected) = in_place_result(operation, sample) else { return };
        let targets = [
            copy(&sample.inputs[0]),
            strided(&sample.inputs[0], 1, 2, true),
            strided(&sample.inputs[0], 5, 1, false),
        ];
        for target in targets {
            let version = target.storage().version();
            run_in_place(operation, &target, sample);
            assert_same(&target, &expected, what);
            assert!(target.storage().version() > version, "{what}: the version does not count the write");
            checked += 1;
        }
    });
    assert!(checked > 100, "only {checked} in-place forms were run");
}

#[test]
fn in_place_forms_have_the_gradients_of_the_others() {
    for_samples(|operation, sample, what| {
        if in_place_result(operation, sample).is_none() {
            return;
        }
        let inputs = leaves(operation, sample, copy);
        let y = run(operation, &inputs, &sample.args).unwrap().swap_remove(0);
        if !y.requires_grad() {
            return;
        }
        let dy = upstream(&y);
        backward(&y, Some(&dy), false).unwrap();

        let same = leaves(operation, sample, copy);
        // A leaf cannot be written to; something computed from it can.
        let target =
            torchlet::ops::unary::plain("neg", &torchlet::ops::unary::plain("neg", &same[0]).unwrap())
                .unwrap();
        let rest = Sample::new([&sample.inputs[..1], &same[1..]].concat(), &sample.args);
        run_in_place(operation, &target, &rest);
        backward(&target, Some(&dy), false).unwrap();
        for (a, b) in same.iter().zip(&inputs) {
            let gradient = |x: &Tensor| x.grad().unwrap_or_else(|| Tensor::zeros(x.meta()).unwrap());
            assert_same(&gradient(a), &gradient(b), what);
        }
    });
}

#[test]
fn a_target_may_be_its_own_operand() {
    for_samples(|operation, sample, what| {
        let Call::Op(_) = operation.call else { return };
        let [first, second] = &sample.inputs[..] else { return };
        if second.dtype() != first.dtype() {
            return;
        }
        let target = copy(first);
        let Ok(expected) = run(operation, &[copy(first), copy(first)], &sample.args) else { return };
        if expected[0].meta() != target.meta() {
            return;
        }
        let operand = target.detach();
        torchlet::random::seed(torchlet::random::DEFAULT_GENERATOR, 1).unwrap();
        operation.run_in_place(&target, &[operand], &sample.args).unwrap();
        assert_same(&target, &expected[0], what);
    });
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = torchlet::ops::operations().iter().map(|o| o.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
