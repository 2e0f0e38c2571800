//! Elementwise operations of two tensors, with broadcasting and PyTorch's type promotion.
use std::rc::Rc;

use super::{sample, Call, Operation, Sample};
use crate::error::{Error, Result};
use crate::gpu::kernel::Plan;
use crate::kernels::integer;
use crate::kernels::map::{self, Operand};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::unary::wgsl::{atan2, floor, log, quotient, remainder, select};
use crate::ops::{copy, elementwise, unary, view};
use crate::shape;
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

type Float2 = fn(&Operand<f32>, &Operand<f32>, &mut [f32]);
type Int2 = fn(&Operand<i32>, &Operand<i32>, &mut [i32]);
type Float3 = fn([&Operand<f32>; 3], &mut [f32]);

struct Row {
    name: &'static str,
    float: Float2,
    /// The same in WGSL, of `a` and `b`.
    wgsl: &'static str,
    /// For int32, with its WGSL. `None`: integers become float32, as `div` does it.
    int: Option<(Int2, &'static str)>,
    /// `target = f(target, b)` for equal shapes.
    in_place: fn(&mut [f32], &[f32]),
    gradient: Gradient,
}

#[derive(Clone, Copy)]
enum Gradient {
    /// `dy` times these.
    Constant([f64; 2]),
    /// da and db.
    Kernels([Partial; 2]),
    /// Not differentiable, as PyTorch's.
    Zero,
}

/// da or db from a, b and dy.
#[derive(Clone, Copy)]
struct Partial {
    kernel: Float3,
    wgsl: &'static str,
    /// Whether it reads a and b.
    reads: [bool; 2],
}

// The functions that rows use; WGSL's prelude has them under the same names.

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
    ($name:literal, |$a:ident, $b:ident| $value:expr, $gradient:expr $(, int $int:expr, $wgsl:literal)?) => {
        Row {
            name: $name,
            float: |a, b, out| map::map2(a, b, out, |$a: f32, $b: f32| $value),
            wgsl: stringify!($value),
            int: optional!($((|a, b, out| map::map2(a, b, out, $int), $wgsl))?),
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

macro_rules! partial {
    (|$a:ident, $b:ident, $dy:ident| [$($read:ident)*] $value:expr) => {
        Partial {
            kernel: |x, out| {
                map::map3(x, out, |$a: f32, $b: f32, $dy: f32| {
                    let _ = ($a, $b);
                    $value
                })
            },
            wgsl: stringify!($value),
            reads: reads!($($read)*),
        }
    };
}

macro_rules! reads {
    () => {
        [false, false]
    };
    (a) => {
        [true, false]
    };
    (b) => {
        [false, true]
    };
    (a b) => {
        [true, true]
    };
}

/// da and db, each behind a list of what it reads besides dy.
macro_rules! kernels {
    ([$($reads_a:ident)*] |$a:ident, $b:ident, $dy:ident| $da:expr,
     [$($reads_b:ident)*] |$c:ident, $d:ident, $dz:ident| $db:expr) => {
        Gradient::Kernels([
            partial!(|$a, $b, $dy| [$($reads_a)*] $da),
            partial!(|$c, $d, $dz| [$($reads_b)*] $db),
        ])
    };
}

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row!("add", |a, b| a + b, Gradient::Constant([1.0, 1.0]), int |a, b| a.wrapping_add(b), "a + b"),
    row!("sub", |a, b| a - b, Gradient::Constant([1.0, -1.0]), int |a, b| a.wrapping_sub(b), "a - b"),
    row!(
        "mul", |a, b| a * b,
        kernels!([b] |a, b, dy| dy * b, [a] |a, b, dy| dy * a),
        int |a, b| a.wrapping_mul(b), "a * b"
    ),
    row!(
        "div", |a, b| a / b,
        kernels!([b] |a, b, dy| dy / b, [a b] |a, b, dy| -dy * ((a / b) / b))
    ),
    row!(
        "pow", |a, b| pow(a, b),
        kernels!(
            [a b] |a, b, dy| select(dy * (b * pow(a, b - 1.0)), 0.0, b == 0.0),
            [a b] |a, b, dy| select(dy * (pow(a, b) * log(a)), 0.0, a == 0.0 && b >= 0.0)
        )
    ),
    row!(
        "maximum", |a, b| maximum(a, b),
        kernels!(
            [a b] |a, b, dy| share(a > b, a == b, dy),
            [a b] |a, b, dy| share(b > a, a == b, dy)
        ),
        int |a, b| a.max(b), "max(a, b)"
    ),
    row!(
        "minimum", |a, b| minimum(a, b),
        kernels!(
            [a b] |a, b, dy| share(a < b, a == b, dy),
            [a b] |a, b, dy| share(b < a, a == b, dy)
        ),
        int |a, b| a.min(b), "min(a, b)"
    ),
    row!(
        "remainder", |a, b| remainder(a, b),
        kernels!([] |a, b, dy| dy, [a b] |a, b, dy| -dy * floor(quotient(a, b))),
        int integer::remainder, "remainder_i32(a, b)"
    ),
    row!(
        "floor_divide", |a, b| floor(quotient(a, b)),
        Gradient::Zero,
        int integer::floor_divide, "floor_divide_i32(a, b)"
    ),
    row!(
        "atan2", |a, b| atan2(a, b),
        kernels!(
            [a b] |a, b, dy| dy * b / (a * a + b * b),
            [a b] |a, b, dy| -dy * a / (a * a + b * b)
        )
    ),
];

#[derive(Clone, Copy)]
pub struct Binary(&'static Row);

impl Binary {
    /// Whether integers may not be divided by 0.
    fn divides(&self) -> bool {
        matches!(self.0.name, "remainder" | "floor_divide")
    }

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
            Some((int, _)) if dtype == DType::I32 => {
                if self.divides() && map::contains(x[1].storage(), x[1].layout, 0) {
                    return Err(Error::argument("division of integers by zero"));
                }
                with_operands(x, dtype, &shape, |a, b| int(a, b, out[0].i32()))
            }
            _ => with_operands(x, dtype, &shape, |a, b| (self.0.float)(a, b, out[0].f32())),
        }
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let dtype = out[0].dtype;
        let Some((_, expression)) = self.0.int.filter(|_| dtype == DType::I32) else {
            return elementwise::float(self.0.name, x, &["a", "b"], &out[0], self.0.wgsl);
        };
        // A zero among others is not seen here: where the divisor is 0 the result is 0.
        if self.divides() && x[1].range == Some((0, 0)) {
            return Err(Error::argument("division of integers by zero"));
        }
        let statement = format!("  store(i, {expression});");
        let operands = [("a", 0, dtype), ("b", 1, dtype)];
        let kernel = elementwise::broadcast(self.0.name, &out[0].shape, x, &operands, &statement)?;
        Ok(elementwise::stored(kernel, out).into())
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
                Gradient::Kernels(partials) => {
                    let partial = partials[i];
                    let read = (0..2).filter(|&k| partial.reads[k]);
                    let read =
                        read.map(|k| copy::cast(&ctx.input(k)?, DType::F32)).collect::<Result<Vec<_>>>()?;
                    let inputs: Vec<&Tensor> = std::iter::once(dy).chain(&read).collect();
                    apply(BinaryGrad { name: self.0.name, partial }, &inputs)?
                }
            };
            *gradient = Some(view::sum_to(&dx, &ctx.meta(i).shape)?);
        }
        Ok(gradients)
    }
}

/// da or db of a row, in the shape of dy, from dy and what of a and b it reads.
struct BinaryGrad {
    name: &'static str,
    partial: Partial,
}

impl Op for BinaryGrad {
    fn name(&self) -> &'static str {
        self.name
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![x[0].clone()])
    }
    fn strided(&self) -> bool {
        true
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let operand = |x: &Input| shape::expand(x.layout, out[0].shape());
        let operands = x.iter().map(operand).collect::<Result<Vec<_>>>()?;
        let operand = |i: usize| Operand { data: x[i].storage_f32(), layout: operands[i].clone() };
        // dy stands in for what is not read.
        let [reads_a, reads_b] = self.partial.reads.map(usize::from);
        let (dy, a, b) = (operand(0), operand(reads_a), operand((reads_a + 1) * reads_b));
        (self.partial.kernel)([&a, &b, &dy], out[0].f32());
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let mut names = vec!["dy"];
        names.extend(
            ["a", "b"].iter().zip(self.partial.reads).filter(|(_, reads)| *reads).map(|(name, _)| name),
        );
        elementwise::float(self.name, x, &names, &out[0], self.partial.wgsl)
    }
}

pub fn operations() -> Vec<Operation> {
    ROWS.iter()
        .map(|row| Operation {
            name: row.name,
            inputs: 2..=2,
            call: Call::op(move |_| Ok(Rc::new(Binary(row)))),
            samples: || {
                let other = Tensor::from_f32(&[1.1, 0.4, 0.9, 1.7, 0.3, 0.7], &[2, 3]).expect("sample");
                vec![
                    Sample::new(vec![sample::positives(&[3, 4]), sample::positives(&[5, 3, 1])], &[]),
                    Sample::new(vec![sample::positives(&[2, 3]), sample::positives(&[])], &[]),
                    Sample::new(vec![sample::positives(&[2, 3]), other], &[]),
                    Sample::new(
                        vec![sample::ints(&[7, -7, 3, -4], &[2, 2]), sample::ints(&[2, -2], &[2])],
                        &[],
                    ),
                    Sample::new(vec![sample::ints(&[7, -7, 3], &[3]), sample::bools(&[true], &[])], &[]),
                ]
            },
        })
        .collect()
}
