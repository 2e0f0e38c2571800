//! Whatever comes in, an operation returns a result or an error: a panic would kill the WASM.
mod common;

use common::*;
use torchlet::ops::{operations, sample, Operation, Sample};
use torchlet::shape::Layout;
use torchlet::tensor::{DType, Meta, Tensor};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Tensors of every rank, dtype and emptiness.
fn odd_tensors() -> Vec<Tensor> {
    let zeros = |shape: &[usize], dtype| Tensor::zeros(&Meta::new(shape.to_vec(), dtype)).unwrap();
    let mut tensors = vec![];
    for dtype in [DType::F32, DType::I32, DType::Bool] {
        for shape in
            [&[][..], &[0], &[3], &[2, 0], &[2, 3], &[1, 2, 3], &[0, 1, 4, 4], &[1, 2, 4, 4], &[1; 9]]
        {
            tensors.push(zeros(shape, dtype));
        }
    }
    tensors.push(sample::floats(&[3, 4]));
    tensors.push(Tensor::from_f32(&[f32::NAN, f32::INFINITY, -0.0], &[3]).unwrap());
    tensors.push(sample::ints(&[7, -1, i32::MIN, i32::MAX], &[4]));
    // An empty view behind the end of its memory.
    let behind = Layout { offset: 3, shape: vec![0, 2], strides: vec![2, 1] };
    tensors.push(zeros(&[3], DType::F32).with_layout(behind));
    tensors
}

const ODD_NUMBERS: [f64; 10] =
    [f64::NAN, -1.0, 2.5, 0.0, 1.0, 3.0, 2147483647.0, 2147483648.0, f64::INFINITY, f64::NEG_INFINITY];

/// Whatever happens is no panic, and errors say which operation they are of.
fn try_both(operation: &Operation, inputs: &[Tensor], args: &[f64]) {
    let named = |message: &str| {
        assert!(message.contains(": "), "{}: the message names no operation: {message}", operation.name)
    };
    match run(operation, inputs, args) {
        Ok(outputs) => outputs.iter().for_each(|y| {
            // Views may name more elements than there is memory to copy them to.
            if y.numel() < 100_000 {
                words(y);
            }
        }),
        Err(error) => named(&error.message),
    }
    if let Some((target, rest)) = inputs.split_first() {
        if let Err(error) = operation.run_in_place(&copy(target), rest, args) {
            named(&error.message);
        }
    }
}

/// The sample's parameters, each replaced by odd numbers, and too few of them.
fn odd_args(sample: &Sample) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = (0..=sample.args.len()).map(|n| sample.args[..n].to_vec()).collect();
    for i in 0..sample.args.len() {
        for odd in ODD_NUMBERS {
            let mut args = sample.args.clone();
            args[i] = odd;
            all.push(args);
        }
    }
    all.extend(ODD_NUMBERS.map(|odd| vec![odd; sample.args.len()]));
    all
}

#[test]
fn odd_parameters() {
    for_samples(|operation, sample, _| {
        for args in odd_args(sample) {
            try_both(operation, &sample.inputs, &args);
        }
    });
}

#[test]
fn odd_tensors_in_place_of_each_input() {
    let odd = odd_tensors();
    for_samples(|operation, sample, _| {
        for i in 0..sample.inputs.len() {
            for tensor in &odd {
                let mut inputs = sample.inputs.clone();
                inputs[i] = tensor.clone();
                try_both(operation, &inputs, &sample.args);
            }
        }
    });
}

#[test]
fn odd_tensors_everywhere() {
    let odd = odd_tensors();
    for_samples(|operation, sample, _| {
        for count in 0..4 {
            for tensor in &odd {
                try_both(operation, &vec![tensor.clone(); count], &sample.args);
            }
        }
    });
}

#[test]
fn wrong_counts_are_refused() {
    for operation in operations() {
        let x = sample::floats(&[2, 2]);
        for count in 0..6 {
            if !operation.inputs.contains(&count) {
                let error = operation.run(&vec![x.clone(); count], &[]).unwrap_err();
                assert!(error.message.starts_with(operation.name), "{}", error.message);
            }
        }
    }
}
