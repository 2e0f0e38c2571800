//! Operations that give bool: comparisons, logic, and tests of single elements. No gradient passes.
use std::rc::Rc;

use super::binary::with_operands;
use super::{sample, Call, Operation, Sample};
use crate::error::Result;
use crate::kernels::map::{self, Operand};
use crate::op::{Input, Op, Output};
use crate::shape;
use crate::tensor::{DType, Meta};

type Compare<T> = fn(&Operand<T>, &Operand<T>, &mut [u32]);

struct Row {
    name: &'static str,
    scalar_name: &'static str,
    float: Compare<f32>,
    int: Compare<i32>,
    /// Against a number, in double precision, so that int32 stays exact.
    scalar: fn(f64, f64) -> bool,
}

macro_rules! row {
    ($name:literal, $scalar:literal, |$a:ident, $b:ident, $zero:ident| $value:expr) => {
        Row {
            name: $name,
            scalar_name: $scalar,
            float: |a, b, out| {
                map::map2(a, b, out, |$a, $b| {
                    let $zero = 0.0;
                    let _ = $zero;
                    $value as u32
                })
            },
            int: |a, b, out| {
                map::map2(a, b, out, |$a, $b| {
                    let $zero = 0;
                    let _ = $zero;
                    $value as u32
                })
            },
            scalar: |$a, $b| {
                let $zero = 0.0;
                let _ = $zero;
                $value
            },
        }
    };
}

static ROWS: &[Row] = &[
    row!("eq", "eq_scalar", |a, b, zero| a == b),
    row!("ne", "ne_scalar", |a, b, zero| a != b),
    row!("lt", "lt_scalar", |a, b, zero| a < b),
    row!("le", "le_scalar", |a, b, zero| a <= b),
    row!("gt", "gt_scalar", |a, b, zero| a > b),
    row!("ge", "ge_scalar", |a, b, zero| a >= b),
    row!("logical_and", "logical_and_scalar", |a, b, zero| (a != zero) & (b != zero)),
    row!("logical_or", "logical_or_scalar", |a, b, zero| (a != zero) | (b != zero)),
    row!("logical_xor", "logical_xor_scalar", |a, b, zero| (a != zero) ^ (b != zero)),
];

struct CompareTensors(&'static Row);

impl Op for CompareTensors {
    fn name(&self) -> &'static str {
        self.0.name
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::new(shape::broadcast(&x[0].shape, &x[1].shape)?, DType::Bool)])
    }
    fn strided(&self) -> bool {
        true
    }
    fn differentiable(&self) -> bool {
        false
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let shape = out[0].shape().to_vec();
        match x[0].dtype().promote(x[1].dtype()) {
            DType::F32 => with_operands(x, DType::F32, &shape, |a, b| (self.0.float)(a, b, out[0].words())),
            dtype => with_operands(x, dtype, &shape, |a, b| (self.0.int)(a, b, out[0].words())),
        }
    }
}

/// A test of each element.
struct Test {
    name: &'static str,
    test: fn(f64, f64) -> bool,
    number: f64,
}

impl Op for Test {
    fn name(&self) -> &'static str {
        self.name
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::new(x[0].shape.clone(), DType::Bool)])
    }
    fn differentiable(&self) -> bool {
        false
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        // PyTorch compares a float32 tensor with the number rounded to float32.
        let (dtype, number) = (x[0].dtype(), self.number);
        let number = if dtype == DType::F32 { number as f32 as f64 } else { number };
        map::map1(x[0].words(), out[0].words(), |word| (self.test)(dtype.value(word), number) as u32);
        Ok(())
    }
}

/// Tests without a number.
type TestRow = (&'static str, fn(f64, f64) -> bool);

static TESTS: &[TestRow] = &[
    ("logical_not", |x, _| x == 0.0),
    ("isnan", |x, _| x.is_nan()),
    ("isinf", |x, _| x.is_infinite()),
    ("isfinite", |x, _| x.is_finite()),
];

pub fn operations() -> Vec<Operation> {
    let tensors = ROWS.iter().map(|row| Operation {
        name: row.name,
        inputs: 2..=2,
        call: Call::op(move |_| Ok(Rc::new(CompareTensors(row)))),
        samples: || vec![Sample::new(vec![sample::floats(&[3, 4]), sample::floats(&[4])], &[])],
    });
    let scalars = ROWS.iter().map(|row| Operation {
        name: row.scalar_name,
        inputs: 1..=1,
        call: Call::op(move |args| {
            Ok(Rc::new(Test { name: row.name, test: row.scalar, number: args.float("the number")? }))
        }),
        samples: || vec![Sample::new(vec![sample::floats(&[3, 4])], &[0.5])],
    });
    let tests = TESTS.iter().map(|&(name, test)| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |_| Ok(Rc::new(Test { name, test, number: 0.0 }))),
        samples: || vec![Sample::new(vec![sample::floats(&[3, 4])], &[])],
    });
    tensors.chain(scalars).chain(tests).collect()
}
