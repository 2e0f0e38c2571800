//! What the tests over all operations share.
#![allow(dead_code, reason = "each test binary uses a part of it")]
use torchlet::error::Result;
use torchlet::ops::{self, Operation, Sample};
use torchlet::random;
use torchlet::shape::Layout;
use torchlet::tensor::{DType, Tensor};

/// Every sample of every operation.
pub fn for_samples(mut f: impl FnMut(&Operation, &Sample, &str)) {
    for operation in ops::operations() {
        let samples = (operation.samples)();
        assert!(!samples.is_empty(), "{} has no samples", operation.name);
        for (i, sample) in samples.iter().enumerate() {
            f(&operation, sample, &format!("{}, sample {i}", operation.name));
        }
    }
}

/// Runs an operation; what is random draws the same numbers every time.
pub fn run(operation: &Operation, inputs: &[Tensor], args: &[f64]) -> Result<Vec<Tensor>> {
    random::seed(random::DEFAULT_GENERATOR, 1)?;
    operation.run(inputs, args)
}

pub fn words(x: &Tensor) -> Vec<u32> {
    x.read(<[u32]>::to_vec).unwrap()
}

/// The elements as numbers.
pub fn values(x: &Tensor) -> Vec<f64> {
    words(x).iter().map(|&w| x.dtype().value(w)).collect()
}

/// A contiguous tensor of its own memory.
pub fn copy(x: &Tensor) -> Tensor {
    Tensor::from_words(&words(x), x.shape().to_vec(), x.dtype()).unwrap()
}

/// `x` as a leaf that asks for a gradient, where it can have one.
pub fn leaf(x: Tensor) -> Tensor {
    if x.dtype() == DType::F32 {
        x.set_requires_grad(true).unwrap();
    }
    x
}

/// An upstream gradient for `y`: no two elements alike.
pub fn upstream(y: &Tensor) -> Tensor {
    let values: Vec<f32> = (0..y.numel()).map(|i| (i as f32 * 0.7 + 0.3).sin() + 0.1).collect();
    Tensor::from_f32(&values, y.shape()).unwrap()
}

/// The elements of `x` in other memory: behind an `offset`, `step` apart, in reverse order of dimensions.
pub fn strided(x: &Tensor, offset: usize, step: usize, reverse: bool) -> Tensor {
    let rank = x.shape().len();
    let mut strides = vec![0; rank];
    let mut next = step;
    for i in 0..rank {
        let d = if reverse { i } else { rank - 1 - i };
        strides[d] = next;
        next *= x.shape()[d].max(1);
    }
    let layout = Layout { offset, shape: x.shape().to_vec(), strides };
    let mut memory = vec![UNUSED; offset + next];
    let mut at = vec![0; rank];
    for word in words(x) {
        let position: usize = at.iter().zip(&layout.strides).map(|(i, s)| i * s).sum();
        memory[offset + position] = word;
        for d in (0..rank).rev() {
            at[d] += 1;
            if at[d] < x.shape()[d] {
                break;
            }
            at[d] = 0;
        }
    }
    let base = Tensor::from_words(&memory, vec![memory.len()], x.dtype()).unwrap();
    base.with_layout(layout)
}

/// What lies between the elements of a strided tensor: a label or index that is out of range, and a NaN.
const UNUSED: u32 = 0x7fc0_0001;

/// With what debug builds fill memory that is not written yet.
pub const POISON: u32 = 0x7fc0_dead;

pub fn assert_written(x: &Tensor, what: &str) {
    assert!(!words(x).contains(&POISON), "{what}: an element was left unwritten");
}

/// Equal integers and bools; floats up to rounding in another order.
pub fn assert_same(actual: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(actual.meta(), expected.meta(), "{what}");
    for (i, (a, e)) in values(actual).into_iter().zip(values(expected)).enumerate() {
        let same = a == e || (a.is_nan() && e.is_nan()) || (a - e).abs() <= 1e-5 * e.abs().max(1.0);
        assert!(same, "{what}: element {i} is {a}, expected {e}");
    }
}
