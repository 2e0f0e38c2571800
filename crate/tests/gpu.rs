//! Every operation's kernels, without a GPU: they are valid WGSL, and a device allows what they ask for.
#![cfg(not(target_arch = "wasm32"))]
mod common;

use std::collections::HashSet;
use std::rc::Rc;

use common::*;
use torchlet::gpu::{self, driver::Recorder};
use torchlet::ops::{binary, Operation, Sample};
use torchlet::tape::backward;
use torchlet::tensor::{DType, Meta, Tensor};

/// Starts a device that notes what it is asked for.
fn start() {
    gpu::start(|_| Box::new(Recorder::default()));
}

/// The labels and sources of what was submitted since the start.
fn sources() -> Vec<(String, Rc<str>)> {
    gpu::flush().unwrap();
    gpu::with_driver(|driver| {
        let recorder = driver.as_any().downcast_mut::<Recorder>().unwrap();
        std::mem::take(&mut recorder.sources)
    })
    .unwrap()
}

fn dispatches() -> usize {
    gpu::flush().unwrap();
    gpu::counts().dispatches
}

fn unary(name: &str, x: &Tensor) -> Tensor {
    let operation = torchlet::ops::operations().into_iter().find(|o| o.name == name).unwrap();
    operation.run(std::slice::from_ref(x), &[]).unwrap().swap_remove(0)
}

fn floats(shape: &[usize]) -> Tensor {
    on_gpu(&torchlet::ops::sample::floats(shape))
}

#[test]
fn neighbours_become_one_kernel() {
    start();
    let x = floats(&[3, 5]);
    let y = unary("relu", &unary("exp", &x));
    let submitted = sources();
    assert_eq!(submitted.len(), 1);
    let (label, source) = &submitted[0];
    assert_eq!(label, "exp + relu");
    // The value in between is held by nobody: it is not written.
    assert!(!source.contains("result[i] = value"), "{source}");
    validate(label, source);
    drop(y);

    let between = unary("exp", &x);
    let y = unary("relu", &between);
    let submitted = sources();
    assert_eq!(submitted.len(), 1);
    assert!(submitted[0].1.contains("result[i] = value"));
    validate(&submitted[0].0, &submitted[0].1);
    drop((between, y));
}

#[test]
fn either_input_of_a_sum_may_come_from_the_kernel_before() {
    for swapped in [false, true] {
        start();
        let x = [floats(&[3, 5]), floats(&[3, 5])];
        let between = unary("exp", &x[0]);
        let y = if swapped { binary::add().of(&x[1], &between) } else { binary::add().of(&between, &x[1]) };
        drop(between);
        let submitted = sources();
        assert_eq!(submitted.len(), 1);
        let (label, source) = &submitted[0];
        assert_eq!(label, "exp + add");
        // What only the sum reads is not written.
        assert!(!source.contains("result[i] = value"), "{source}");
        validate(label, source);
        drop(y);
    }
}

#[test]
fn what_a_later_kernel_reads_is_written() {
    start();
    let x = floats(&[3, 5]);
    let between = unary("exp", &x);
    let y = unary("relu", &between);
    let z = unary("sin", &between);
    // Read by `sin` before it went away.
    drop(between);
    let submitted = sources();
    assert_eq!(submitted.len(), 2);
    assert!(submitted[0].1.contains("result[i] = value"));
    drop((y, z));
}

#[test]
fn an_upload_does_not_overtake_kernels() {
    start();
    let x = floats(&[64]);
    let memory = x.storage().gpu_memory().unwrap();
    let y = unary("exp", &x);
    assert_eq!(gpu::counts().submits, 0);
    gpu::upload(&memory, &[0; 64]).unwrap();
    assert_eq!(gpu::counts().submits, 1);
    drop(y);
}

#[test]
fn steps_that_are_alike_take_the_same_memory() {
    start();
    let x = floats(&[8]);
    let mut created = vec![];
    for _ in 0..5 {
        let y = unary("exp", &x);
        let z = unary("sin", &unary("relu", &y));
        gpu::flush().unwrap();
        drop((y, z));
        created.push(gpu::counts().buffers_created);
    }
    assert_eq!(created[1], created[4]);
}

#[test]
fn a_group_of_parameters_is_stepped_in_one_dispatch() {
    use torchlet::args::Args;
    use torchlet::ops::optim::update;
    start();
    let parameters = [floats(&[5]), floats(&[70]), floats(&[3, 3])];
    let states: Vec<Tensor> = parameters.iter().map(|p| floats(p.shape())).collect();
    parameters.iter().for_each(|p| p.set_requires_grad(true).unwrap());
    let mut before = 0;
    for step in 1..=4 {
        for p in &parameters {
            p.set_grad(None).unwrap();
            let y = unary("exp", p);
            let dy = floats(p.shape());
            backward(&y, Some(&dy), false).unwrap();
        }
        before = dispatches();
        let mut tensors = parameters.to_vec();
        tensors.extend(parameters.iter().map(|p| p.grad().unwrap()));
        tensors.extend(states.iter().cloned());
        update(
            "sgd",
            &tensors,
            &mut Args::new(&[0.1, 0.9, 0., 0., 0., 0., step as f64, step as f64, step as f64]),
        )
        .unwrap();
    }
    assert_eq!(dispatches() - before, 1);
}

#[test]
fn a_tensor_too_large_for_the_gpu_is_refused() {
    start();
    let error = gpu::allocate(1 << 26, "zeros").err().unwrap();
    assert!(error.message.contains("268435456 bytes"), "{error}");
}

fn on_gpu(x: &Tensor) -> Tensor {
    let x = copy(x);
    x.storage().move_to_gpu(x.dtype() == DType::I32, "to").unwrap();
    x
}

fn validate(label: &str, source: &str) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{label}: {}\n{source}", error.emit_to_string(source)));
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    if let Err(error) = validator.validate(&module) {
        panic!("{label}: {}\n{source}", error.emit_to_string(source));
    }
}

fn forward_and_backward(operation: &Operation, sample: &Sample) {
    let labels = sample.inputs.get(1).is_some_and(|t| t.dtype() == DType::I32);
    let weights = |i: usize| matches!(operation.name, "cross_entropy" | "nll_loss") && i == 2 && labels;
    let inputs: Vec<Tensor> = sample.inputs.iter().map(on_gpu).collect();
    for (i, x) in inputs.iter().enumerate().filter(|(_, x)| x.dtype() == DType::F32) {
        x.set_requires_grad(!weights(i)).unwrap();
    }
    let y = operation.run(&inputs, &sample.args).unwrap().swap_remove(0);
    if y.requires_grad() {
        let dy = Tensor::full_on(y.device(), y.meta(), 1.0).unwrap();
        backward(&y, Some(&dy), false).unwrap();
    }
}

#[test]
fn kernels_are_valid_wgsl() {
    let mut seen = HashSet::new();
    for_samples(|operation, sample, _| {
        start();
        forward_and_backward(operation, sample);
        for (label, source) in sources() {
            if seen.insert(source.clone()) {
                validate(&label, &source);
            }
        }
    });
    assert!(seen.len() > 100, "{}", seen.len());
}

/// Forward and backward, without the fill that gives dy.
fn labels(name: &str, shapes: &[&[usize]], args: &[f64]) -> Vec<String> {
    start();
    let operation = torchlet::ops::operations().into_iter().find(|o| o.name == name).unwrap();
    let inputs =
        shapes.iter().map(|shape| Tensor::uninitialized(&Meta::f32(shape.to_vec())).unwrap()).collect();
    forward_and_backward(&operation, &Sample { inputs, args: args.to_vec() });
    let submitted = sources();
    submitted.iter().for_each(|(label, source)| validate(label, source));
    submitted.into_iter().map(|(label, _)| label).filter(|label| !label.starts_with("full")).collect()
}

#[test]
fn gradients_of_linear_are_two_dispatches() {
    for (n, features, outputs) in [(64, 400, 120), (2000, 640, 1200), (1, 1000, 3), (4, 0, 7)] {
        let dispatched = labels("linear", &[&[n, features], &[outputs, features], &[outputs]], &[]);
        assert_eq!(dispatched.last().unwrap(), if features > 0 { "matmul" } else { "linear_grad_weight" });
        assert_eq!(dispatched[..2], ["linear", "linear_grad_weight"], "{n} {features} {outputs}");
        assert!(dispatched.len() <= 3, "{dispatched:?}");
    }
}

#[test]
fn gradients_of_convolution_are_at_most_three_dispatches() {
    let plain = [1., 1., 0., 0., 1., 1., 1.];
    type Case<'a> = (&'a [usize], &'a [usize], [f64; 7], bool);
    let cases: [Case; 6] = [
        (&[64, 3, 32, 32], &[6, 3, 5, 5], plain, true),
        (&[1, 3, 8, 8], &[6, 3, 3, 3], plain, false),
        (&[64, 64, 14, 14], &[64, 64, 1, 1], plain, true),
        (&[8, 512, 14, 14], &[512, 512, 3, 3], [1., 1., 1., 1., 1., 1., 1.], false),
        (&[4, 64, 28, 28], &[64, 32, 3, 3], [2., 2., 1., 1., 1., 1., 2.], true),
        (&[4, 64, 28, 28], &[64, 1, 3, 3], [2., 2., 1., 1., 1., 1., 64.], false),
    ];
    for (x, weight, args, split) in cases {
        let dispatched = labels("conv2d", &[x, weight, &weight[..1]], &args);
        let sums = ["conv2d_grad_weight: sum of parts"];
        let gradients = [&["conv2d_grad_weight"], &sums[..split as usize], &["conv2d_grad_input"]].concat();
        let expected = [&["conv2d"], &gradients[..]].concat();
        assert_eq!(dispatched, expected, "{x:?} {weight:?}");
    }
}
