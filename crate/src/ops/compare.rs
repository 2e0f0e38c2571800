//! Operations that give bool: comparisons, logic, and tests of single elements. No gradient passes.
use std::rc::Rc;

use super::binary::with_operands;
use super::{elementwise, sample, Call, Operation, Sample};
use crate::error::Result;
use crate::gpu::kernel::{element, Kernel, Plan};
use crate::kernels::map::{self, Operand};
use crate::op::{GpuInput, Input, Op, Output};
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
    /// The same in WGSL, of `a`, `b` and `zero`.
    wgsl: &'static str,
    /// What it is where an operand is NaN; logic takes that for true as it is.
    of_nan: Option<bool>,
}

macro_rules! row {
    ($name:literal, $scalar:literal, $of_nan:expr, |$a:ident, $b:ident, $zero:ident| $value:expr) => {
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
            wgsl: stringify!($value),
            of_nan: $of_nan,
        }
    };
}

static ROWS: &[Row] = &[
    row!("eq", "eq_scalar", Some(false), |a, b, zero| a == b),
    row!("ne", "ne_scalar", Some(true), |a, b, zero| a != b),
    row!("lt", "lt_scalar", Some(false), |a, b, zero| a < b),
    row!("le", "le_scalar", Some(false), |a, b, zero| a <= b),
    row!("gt", "gt_scalar", Some(false), |a, b, zero| a > b),
    row!("ge", "ge_scalar", Some(false), |a, b, zero| a >= b),
    row!("logical_and", "logical_and_scalar", None, |a, b, zero| (a != zero) & (b != zero)),
    row!("logical_or", "logical_or_scalar", None, |a, b, zero| (a != zero) | (b != zero)),
    row!("logical_xor", "logical_xor_scalar", None, |a, b, zero| (a != zero) != (b != zero)),
];

impl Row {
    /// Writes to `y` what the comparison of `a` and `b`, of `dtype`, gives. A compiler may assume that there is no
    /// NaN: it is asked for by its bits.
    fn statements(&self, dtype: DType, expression: &str) -> String {
        match self.of_nan {
            Some(of_nan) if dtype == DType::F32 => {
                format!("  y[i] = u32(select({expression}, {of_nan}, is_nan(a) || is_nan(b)));")
            }
            None if dtype == DType::F32 => format!(
                "  {{\n    let a = bitcast<u32>(a) << 1u;\n    let b = bitcast<u32>(b) << 1u;\n    let zero = 0u;\n\
                 \x20   y[i] = u32({expression});\n  }}"
            ),
            _ => format!("  let zero = {}(0);\n  y[i] = u32({expression});", element(dtype)),
        }
    }

    /// For integers against a number that may be none: what to compare with which integer instead.
    fn against_integer(&self, number: f64) -> (&'static str, i32) {
        let floor = number.floor();
        match self.name {
            _ if self.of_nan.is_none() => (self.wgsl, (number != 0.0) as i32),
            // Every int32 is on the same side of it.
            _ if !(i32::MIN as f64..=i32::MAX as f64).contains(&floor) => {
                (if (self.scalar)(0.0, number) { "true" } else { "false" }, 0)
            }
            "lt" if floor != number => ("a <= b", floor as i32),
            "ge" if floor != number => ("a > b", floor as i32),
            "eq" if floor != number => ("false", 0),
            "ne" if floor != number => ("true", 0),
            _ => (self.wgsl, floor as i32),
        }
    }
}

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
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let dtype = x[0].meta.dtype.promote(x[1].meta.dtype);
        let statements = self.0.statements(dtype, self.0.wgsl);
        let operands = [("a", 0, dtype), ("b", 1, dtype)];
        let kernel = elementwise::broadcast(self.0.name, &out[0].shape, x, &operands, &statements)?;
        Ok(kernel.output("y", 0, out).into())
    }
}

/// A comparison of each element with a number.
struct CompareNumber {
    row: &'static Row,
    number: f64,
}

impl Op for CompareNumber {
    fn name(&self) -> &'static str {
        self.row.name
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
        map::map1(x[0].words(), out[0].words(), |word| (self.row.scalar)(dtype.value(word), number) as u32);
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let (name, n) = (self.row.name, x[0].numel());
        let kernel = if x[0].meta.dtype == DType::F32 {
            let statements = self.row.statements(DType::F32, self.row.wgsl);
            let text = format!("  let a = x[i];\n  let b = p.number;\n{statements}");
            Kernel::elementwise(name, n, &text).f32("number", self.number as f32)
        } else {
            let (expression, number) = self.row.against_integer(self.number);
            let statements = self.row.statements(DType::I32, expression);
            let text = format!("  let a = i32(x[i]);\n  let b = p.number;\n{statements}");
            Kernel::elementwise(name, n, &text).i32("number", number)
        };
        Ok(kernel.input("x", 0, x).output("y", 0, out).into())
    }
}

/// A test of each element.
struct Test(&'static TestRow);

impl Op for Test {
    fn name(&self) -> &'static str {
        self.0.name
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::new(x[0].shape.clone(), DType::Bool)])
    }
    fn differentiable(&self) -> bool {
        false
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let dtype = x[0].dtype();
        map::map1(x[0].words(), out[0].words(), |word| (self.0.test)(dtype.value(word)) as u32);
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let text = format!("  let a = f32(x[i]);\n  y[i] = u32({});", self.0.wgsl);
        let kernel = Kernel::elementwise(self.0.name, x[0].numel(), &text);
        Ok(kernel.input("x", 0, x).output("y", 0, out).into())
    }
}

struct TestRow {
    name: &'static str,
    test: fn(f64) -> bool,
    /// The same in WGSL, of `a` as float32: whether an integer is 0 is not lost by that.
    wgsl: &'static str,
}

static TESTS: &[TestRow] = &[
    TestRow { name: "logical_not", test: |x| x == 0.0, wgsl: "bitcast<u32>(a) << 1u == 0u" },
    TestRow { name: "isnan", test: f64::is_nan, wgsl: "is_nan(a)" },
    TestRow { name: "isinf", test: f64::is_infinite, wgsl: "is_inf(a)" },
    TestRow { name: "isfinite", test: f64::is_finite, wgsl: "!(is_nan(a) || is_inf(a))" },
];

fn samples(numbers: &[f64]) -> Vec<Sample> {
    vec![
        Sample::new(vec![sample::floats(&[3, 4])], numbers),
        Sample::new(vec![sample::ints(&[1, 0, -2, 0], &[2, 2])], numbers),
        Sample::new(vec![sample::bools(&[true, false], &[2])], numbers),
    ]
}

pub fn operations() -> Vec<Operation> {
    let tensors = ROWS.iter().map(|row| Operation {
        name: row.name,
        inputs: 2..=2,
        call: Call::op(move |_| Ok(Rc::new(CompareTensors(row)))),
        samples: || {
            let (a, b) = (sample::ints(&[1, 0, -2, 0], &[2, 2]), sample::ints(&[0, -2], &[2]));
            let bools = || sample::bools(&[true, false], &[2]);
            vec![
                Sample::new(vec![sample::floats(&[3, 4]), sample::floats(&[4])], &[]),
                Sample::new(vec![a, b], &[]),
                Sample::new(vec![bools(), sample::bools(&[true], &[1])], &[]),
                Sample::new(vec![sample::floats(&[3, 2]), bools()], &[]),
            ]
        },
    });
    let scalars = ROWS.iter().map(|row| Operation {
        name: row.scalar_name,
        inputs: 1..=1,
        call: Call::op(move |args| Ok(Rc::new(CompareNumber { row, number: args.float("the number")? }))),
        samples: || samples(&[0.5]),
    });
    let tests = TESTS.iter().map(|row| Operation {
        name: row.name,
        inputs: 1..=1,
        call: Call::op(move |_| Ok(Rc::new(Test(row)))),
        samples: || samples(&[]),
    });
    tensors.chain(scalars).chain(tests).collect()
}
