//! Elementwise operations of two tensors, with broadcasting and PyTorch's type promotion.
use std::rc::Rc;

use super::{sample, Call, Operation, Sample};
use crate::error::{Error, Result};
use crate::kernels::integer;
use crate::kernels::map::{self, Operand};
use crate::op::{Input, Op, Output, Saves};
use crate::ops::unary::wgsl::remainder;
use crate::ops::{copy, unary, view};
use crate::shape;
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

type Float2 = fn(&Operand<f32>, &Operand<f32>, &mut [f32]);
type Int2 = fn(&Operand<i32>, &Operand<i32>, &mut [i32]);
type Float3 = fn([&Operand<f32>; 3], &mut [f32]);

struct Row {
    name: &'static str,
    float: Float2,
    /// `None`: integers become float32, as `div` does it.
    int: Option<Int2>,
    /// `target = f(target, b)` for equal shapes.
    in_place: fn(&mut [f32], &[f32]),
    gradient: Gradient,
}

#[derive(Clone, Copy)]
enum Gradient {
    /// `dy` times these.
    Constant([f64; 2]),
    /// da and db from a, b and dy.
    Kernels([Float3; 2]),
    /// Not differentiable, as PyTorch's.
    Zero,
}

fn pow(a: f32, b: f32) -> f32 {
    if b == 2.0 {
        a * a
    } else {
        a.powf(b)
    }
}

/// The larger one; NaN if either is.
fn maximum(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() {
        a
    } else {
        b
    }
}

fn minimum(a: f32, b: f32) -> f32 {
    if a < b || a.is_nan() {
        a
    } else {
        b
    }
}

/// Where both are equal each gets half.
fn share(wins: bool, ties: bool, dy: f32) -> f32 {
    if ties {
        dy / 2.0
    } else if wins {
        dy
    } else {
        0.0
    }
}

macro_rules! row {
    ($name:literal, |$a:ident, $b:ident| $value:expr, $gradient:expr $(, int $int:expr)?) => {
        Row {
            name: $name,
            float: |a, b, out| map::map2(a, b, out, |$a: f32, $b: f32| $value),
            int: optional!($(|a, b, out| map::map2(a, b, out, $int))?),
            in_place: |target, b| {
                for (t, &$b) in target.iter_mut().zip(b) {
                    let $a = *t;
                    *t = $value;
                }
            },
            gradient: $gradient,
        }
    };
}

macro_rules! kernels {
    (|$a:ident, $b:ident, $dy:ident| $da:expr, $db:expr) => {
        Gradient::Kernels([
            |x, out| {
                map::map3(x, out, |$a: f32, $b: f32, $dy: f32| {
                    let _ = ($a, $b);
                    $da
                })
            },
            |x, out| {
                map::map3(x, out, |$a: f32, $b: f32, $dy: f32| {
                    let _ = ($a, $b);
                    $db
                })
            },
        ])
    };
}

static ROWS: &[Row] = &[
    row!("add", |a, b| a + b, Gradient::Constant([1.0, 1.0]), int | a, b | a.wrapping_add(b)),
    row!("sub", |a, b| a - b, Gradient::Constant([1.0, -1.0]), int | a, b | a.wrapping_sub(b)),
    row!("mul", |a, b| a * b, kernels!(|a, b, dy| dy * b, dy * a), int | a, b | a.wrapping_mul(b)),
    row!("div", |a, b| a / b, kernels!(|a, b, dy| dy / b, -dy * ((a / b) / b))),
    row!(
        "pow",
        |a, b| pow(a, b),
        kernels!(
            |a, b, dy| if b == 0.0 { 0.0 } else { dy * (b * pow(a, b - 1.0)) },
            if a == 0.0 && b >= 0.0 { 0.0 } else { dy * (pow(a, b) * a.ln()) }
        )
    ),
    row!(
        "maximum",
        |a, b| maximum(a, b),
        kernels!(|a, b, dy| share(a > b, a == b, dy), share(b > a, a == b, dy)),
        int | a,
        b | a.max(b)
    ),
    row!(
        "minimum",
        |a, b| minimum(a, b),
        kernels!(|a, b, dy| share(a < b, a == b, dy), share(b < a, a == b, dy)),
        int | a,
        b | a.min(b)
    ),
    row!(
        "remainder",
        |a, b| remainder(a, b),
        kernels!(|a, b, dy| dy, -dy * (a / b).floor()),
        int integer::remainder
    ),
    row!("floor_divide", |a, b| (a / b).floor(), Gradient::Zero, int integer::floor_divide),
    row!(
        "atan2",
        |a, b| a.atan2(b),
        kernels!(|a, b, dy| dy * b / (a * a + b * b), -dy * a / (a * a + b * b))
    ),
];

#[derive(Clone, Copy)]
pub struct Binary(&'static Row);

impl Binary {
    pub fn of(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        apply(self, &[a, b])
    }
}

/// `a + b`.
pub fn add() -> Binary {
    Binary(&ROWS[0])
}

/// `a - b`.
pub fn sub() -> Binary {
    Binary(&ROWS[1])
}

/// `a * b`.
pub fn mul() -> Binary {
    Binary(&ROWS[2])
}

/// `a / b`.
pub fn div() -> Binary {
    Binary(&ROWS[3])
}

/// `x` as an operand of elements of `dtype` (the same, or float32), broadcast to `shape`.
fn words_as(x: &Input, dtype: DType) -> Option<Vec<u32>> {
    // Booleans are 0 and 1 and pass as integers.
    (x.dtype() != dtype && dtype == DType::F32)
        .then(|| x.storage().iter().map(|&w| dtype.word(x.dtype().value(w))).collect())
}

/// Two inputs as one dtype and one shape, given to `f` as slices with layouts.
pub(super) fn with_operands<T: bytemuck::Pod, R>(
    x: &[Input],
    dtype: DType,
    shape: &[usize],
    f: impl FnOnce(&Operand<T>, &Operand<T>) -> R,
) -> Result<R> {
    let converted = [words_as(&x[0], dtype), words_as(&x[1], dtype)];
    let operand = |i: usize| -> Result<Operand<T>> {
        let words: &[u32] = converted[i].as_deref().unwrap_or_else(|| x[i].storage());
        Ok(Operand { data: bytemuck::cast_slice(words), layout: shape::expand(x[i].layout, shape)? })
    };
    Ok(f(&operand(0)?, &operand(1)?))
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        let mut dtype = x[0].dtype.promote(x[1].dtype);
        if self.0.int.is_none() {
            dtype = DType::F32;
        }
        if dtype == DType::Bool {
            return Err(Error::dtype("expected numbers, got two bool tensors; cast one of them"));
        }
        Ok(vec![Meta::new(shape::broadcast(&x[0].shape, &x[1].shape)?, dtype)])
    }

    fn strided(&self) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        match self.0.gradient {
            Gradient::Kernels(_) => Saves::inputs(3),
            _ => Saves::NOTHING,
        }
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let Meta { shape, dtype } = out[0].meta.clone();
        match self.0.int {
            Some(int) if dtype == DType::I32 => {
                let divides = matches!(self.0.name, "remainder" | "floor_divide");
                if divides && map::contains(x[1].storage(), x[1].layout, 0) {
                    return Err(Error::argument("division of integers by zero"));
                }
                with_operands(x, dtype, &shape, |a, b| int(a, b, out[0].i32()))
            }
            _ => with_operands(x, dtype, &shape, |a, b| (self.0.float)(a, b, out[0].f32())),
        }
    }

    fn cpu_in_place(&self, target: &mut Output, x: &[Input]) -> bool {
        let same = target.meta == x[0].meta && target.meta.dtype == DType::F32;
        if same && x[0].layout.is_contiguous() {
            (self.0.in_place)(target.f32(), x[0].f32());
            return true;
        }
        false
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut gradients = vec![None, None];
        for (i, gradient) in gradients.iter_mut().enumerate() {
            if !ctx.needs(i) || ctx.meta(i).dtype != DType::F32 {
                continue;
            }
            let dx = match self.0.gradient {
                Gradient::Zero => continue,
                Gradient::Constant(by) if by[i] == 1.0 => dy.clone(),
                Gradient::Constant(by) => unary::with_scalar("mul_scalar", dy, by[i])?,
                Gradient::Kernels(kernels) => {
                    let float = |i| copy::cast(&ctx.input(i)?, DType::F32);
                    let grad = BinaryGrad { name: self.0.name, kernel: kernels[i] };
                    apply(grad, &[&float(0)?, &float(1)?, dy])?
                }
            };
            *gradient = Some(view::sum_to(&dx, &ctx.meta(i).shape)?);
        }
        Ok(gradients)
    }
}

/// da or db of a row, in the shape of dy.
struct BinaryGrad {
    name: &'static str,
    kernel: Float3,
}

impl Op for BinaryGrad {
    fn name(&self) -> &'static str {
        self.name
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![x[2].clone()])
    }
    fn strided(&self) -> bool {
        true
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let operand = |x: &Input<'_>| shape::expand(x.layout, out[0].shape());
        let layouts = [operand(&x[0])?, operand(&x[1])?, operand(&x[2])?];
        let [a, b, dy] = layouts;
        let a = Operand { data: x[0].storage_f32(), layout: a };
        let b = Operand { data: x[1].storage_f32(), layout: b };
        let dy = Operand { data: x[2].storage_f32(), layout: dy };
        (self.kernel)([&a, &b, &dy], out[0].f32());
        Ok(())
    }
}

pub fn operations() -> Vec<Operation> {
    ROWS.iter()
        .map(|row| Operation {
            name: row.name,
            inputs: 2..=2,
            call: Call::op(move |_| Ok(Rc::new(Binary(row)))),
            samples: || {
                vec![
                    Sample::new(vec![sample::positives(&[3, 4]), sample::positives(&[5, 3, 1])], &[]),
                    Sample::new(vec![sample::positives(&[2, 3]), sample::positives(&[])], &[]),
                ]
            },
        })
        .collect()
}
