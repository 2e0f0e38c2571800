//! The list of operations. A new one is a file here, a line in `FILES`, and a function in TypeScript.
/// A cell of a table that some rows leave out.
macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub mod binary;
pub mod compare;
pub mod conv2d;
pub mod copy;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
pub mod index;
pub mod linear;
pub mod matmul;
pub mod optim;
pub mod pool;
pub mod reduce;
pub mod softmax;
pub mod unary;
pub mod view;

use std::ops::RangeInclusive;
use std::rc::Rc;

use crate::args::Args;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::tape;
use crate::tensor::Tensor;

/// Every operation, by file.
const FILES: &[fn() -> Vec<Operation>] = &[
    unary::operations,
    binary::operations,
    compare::operations,
    copy::operations,
    view::operations,
    reduce::operations,
    index::operations,
    matmul::operations,
    linear::operations,
    conv2d::operations,
    pool::operations,
    softmax::operations,
    cross_entropy::operations,
    dropout::operations,
];

/// An operation as TypeScript and the tests reach it.
pub struct Operation {
    pub name: &'static str,
    /// How many tensors it takes.
    pub inputs: RangeInclusive<usize>,
    pub call: Call,
    /// Calls that the tests over all operations make: gradients, strides, errors, both devices.
    pub samples: fn() -> Vec<Sample>,
}

/// Reads the parameters of a call.
type MakeOp = Box<dyn Fn(&mut Args) -> Result<Rc<dyn Op>>>;

/// How the parameters of a call become a computation.
pub enum Call {
    /// One recorded operation, which also has an in-place form where shapes allow.
    Op(MakeOp),
    /// A composition of other operations.
    Function(fn(&[Tensor], &mut Args) -> Result<Vec<Tensor>>),
}

impl Call {
    pub fn op(make: impl Fn(&mut Args) -> Result<Rc<dyn Op>> + 'static) -> Self {
        Call::Op(Box::new(make))
    }
}

/// Inputs and parameters of one call.
pub struct Sample {
    pub inputs: Vec<Tensor>,
    pub args: Vec<f64>,
}

impl Sample {
    pub fn new(inputs: Vec<Tensor>, args: &[f64]) -> Self {
        Sample { inputs, args: args.to_vec() }
    }
}

pub fn operations() -> Vec<Operation> {
    FILES.iter().flat_map(|file| file()).collect()
}

impl Operation {
    pub fn run(&self, inputs: &[Tensor], args: &[f64]) -> Result<Vec<Tensor>> {
        self.check_count(inputs.len())?;
        let args = &mut Args::new(args);
        match &self.call {
            Call::Op(make) => {
                let op = make(args).map_err(|e| e.of(self.name))?;
                tape::apply_all(op, &inputs.iter().collect::<Vec<_>>())
            }
            Call::Function(f) => f(inputs, args).map_err(|e| e.of(self.name)),
        }
    }

    /// `target = op(target, x...)`.
    pub fn run_in_place(&self, target: &Tensor, x: &[Tensor], args: &[f64]) -> Result<()> {
        self.check_count(x.len() + 1)?;
        match &self.call {
            Call::Op(make) => {
                let op = make(&mut Args::new(args)).map_err(|e| e.of(self.name))?;
                tape::apply_in_place(op, target, &x.iter().collect::<Vec<_>>())
            }
            Call::Function(_) => Err(Error::argument("has no in-place form").of(self.name)),
        }
    }

    fn check_count(&self, count: usize) -> Result<()> {
        if self.inputs.contains(&count) {
            return Ok(());
        }
        let (least, most) = (self.inputs.start(), self.inputs.end());
        let expected = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        Err(Error::argument(format!("expected {expected} tensors, got {count}")).of(self.name))
    }
}

/// Tensors for samples: values that repeat from run to run, away from the kinks at 0 and at integers.
pub mod sample {
    use super::Tensor;
    use crate::tensor::DType;

    /// Float32 in (-2, 2), each different, none near an integer.
    pub fn floats(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| ((i * 37 + 11) % 101) as f32 / 101.0 * 3.9 - 1.96).collect();
        Tensor::from_f32(&values, shape).expect("sample")
    }

    /// Float32 in (0.2, 2).
    pub fn positives(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| ((i * 29 + 7) % 89) as f32 / 89.0 * 1.7 + 0.25).collect();
        Tensor::from_f32(&values, shape).expect("sample")
    }

    pub fn ints(values: &[i32], shape: &[usize]) -> Tensor {
        Tensor::from_i32(values, shape).expect("sample")
    }

    pub fn bools(values: &[bool], shape: &[usize]) -> Tensor {
        let words: Vec<u32> = values.iter().map(|&v| v as u32).collect();
        Tensor::from_words(&words, shape.to_vec(), DType::Bool).expect("sample")
    }

    /// `tensor` as a leaf that asks for a gradient.
    pub fn leaf(tensor: Tensor) -> Tensor {
        tensor.set_requires_grad(true).expect("a float32 leaf");
        tensor
    }
}
