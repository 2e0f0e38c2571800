//! Every operation's kernels, without a GPU: they are valid WGSL, and a device allows what they ask for.
#![cfg(not(target_arch = "wasm32"))]
mod common;

use std::collections::HashSet;
use std::rc::Rc;

use common::*;
use torchlet::gpu::{self, driver::Recorder};
use torchlet::ops::{Operation, Sample};
use torchlet::tape::backward;
use torchlet::tensor::{DType, Tensor};

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
