//! Elementwise operations of one tensor and up to two numbers. A row is an operation: its value and its gradient.
use std::rc::Rc;

use super::copy::cast_expression;
use super::{elementwise, sample, Call, Operation, Sample};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan, Pointwise};
use crate::kernels::integer;
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

/// The numbers of a call, as `x.add(2)` or `x.clamp({ min, max })` pass them.
#[derive(Clone, Copy, Default)]
pub struct Params {
    a: f32,
    b: f32,
    exact: [f64; 2],
}

impl Params {
    fn numbers(&self) -> [f32; 2] {
        [self.a, self.b]
    }
}

/// What a row's gradient reads besides `dy`.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    Nothing,
    Input,
    Output,
}

/// Integer arithmetic of a row, for int32 tensors.
type IntFn = fn(i32, [i32; 2]) -> i32;

struct Row {
    /// As TypeScript asks for it.
    operation: &'static str,
    /// As PyTorch calls it.
    name: &'static str,
    params: usize,
    map: fn(&[f32], &mut [f32], Params),
    map_in_place: fn(&mut [f32], Params),
    /// For int32, with its WGSL of `x`, `p.a` and `p.b`. `None`: integers become float32, as `exp` does it.
    int: Option<(IntFn, &'static str)>,
    reads: Reads,
    /// (what it reads, dy, dx)
    grad: fn(&[f32], &[f32], &mut [f32], Params),
    /// The same in WGSL: the name of x, and y.
    wgsl: [&'static str; 2],
    /// The names of what the gradient reads and of dy, and dx.
    wgsl_grad: [&'static str; 3],
}

/// The functions that rows use, under WGSL's names, so that a row can mean the same in both languages.
/// NaN stays NaN in all of them but `sign`, where PyTorch gives 0.
pub mod wgsl {
    pub use crate::kernels::exp::{exp, expm1, sigmoid, tanh};
    pub use crate::kernels::functions::{erf, ln as log, ln_1p as log1p};

    pub fn select(f: f32, t: f32, condition: bool) -> f32 {
        if condition {
            t
        } else {
            f
        }
    }
    pub fn abs(x: f32) -> f32 {
        x.abs()
    }
    pub fn exp2(x: f32) -> f32 {
        x.exp2()
    }
    pub fn log2(x: f32) -> f32 {
        x.log2()
    }
    pub fn sqrt(x: f32) -> f32 {
        x.sqrt()
    }
    pub fn rsqrt(x: f32) -> f32 {
        1.0 / x.sqrt()
    }
    pub fn sin(x: f32) -> f32 {
        x.sin()
    }
    pub fn cos(x: f32) -> f32 {
        x.cos()
    }
    pub fn tan(x: f32) -> f32 {
        x.tan()
    }
    pub fn pow(x: f32, y: f32) -> f32 {
        x.powf(y)
    }
    pub fn floor(x: f32) -> f32 {
        x.floor()
    }
    pub fn ceil(x: f32) -> f32 {
        x.ceil()
    }
    pub fn round(x: f32) -> f32 {
        x.round_ties_even()
    }
    pub fn trunc(x: f32) -> f32 {
        x.trunc()
    }
    pub fn sign(x: f32) -> f32 {
        select(select(0.0, -1.0, x < 0.0), 1.0, x > 0.0)
    }
    /// `x` no smaller than `low` and no larger than `high`.
    pub fn clamp(x: f32, low: f32, high: f32) -> f32 {
        let x = select(x, low, x < low);
        select(x, high, x > high)
    }
    /// Whether `x` lies strictly between bounds; an infinite bound is none.
    pub fn within(x: f32, low: f32, high: f32) -> bool {
        (x > low || low == f32::NEG_INFINITY) && (x < high || high == f32::INFINITY)
    }
    // Not in WGSL: helpers that its prelude would define as well.
    #[inline(always)] // a call would keep its loop from becoming SIMD
    pub fn softplus(x: f32) -> f32 {
        log1p(exp(-abs(x))) + select(x, 0.0, x < 0.0)
    }
    pub fn gelu_tanh_grad(x: f32, dy: f32) -> f32 {
        let t = tanh(super::GELU_SCALE * (x + super::GELU_CUBIC * x * x * x));
        let slope = super::GELU_SCALE * (1.0 + 3.0 * super::GELU_CUBIC * x * x);
        dy * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)
    }
    pub fn mish_grad(x: f32, dy: f32) -> f32 {
        let t = tanh(softplus(x));
        dy * (t + x * sigmoid(x) * (1.0 - t * t))
    }
    pub fn atan2(y: f32, x: f32) -> f32 {
        y.atan2(x)
    }
    /// `x / y`, so exact that it may be rounded to an integer.
    pub fn quotient(x: f32, y: f32) -> f32 {
        x / y
    }
    /// With the sign of `y`, as Python's `%`.
    pub fn remainder(x: f32, y: f32) -> f32 {
        let rest = x % y;
        select(rest, rest + y, rest != 0.0 && (rest < 0.0) != (y < 0.0))
    }
}
use wgsl::*;

const LN_2: f32 = std::f32::consts::LN_2;
const LN_10: f32 = std::f32::consts::LN_10;
const SQRT_1_2: f32 = std::f32::consts::FRAC_1_SQRT_2;
const TWO_OVER_SQRT_PI: f32 = std::f32::consts::FRAC_2_SQRT_PI;
/// 1 / sqrt(2 pi)
const NORMAL_DENSITY: f32 = 0.398_942_3;
/// sqrt(2 / pi), and the cubic term of GELU's tanh form.
const GELU_SCALE: f32 = 0.797_884_6;
const GELU_CUBIC: f32 = 0.044_715;

macro_rules! reads {
    (dy) => {
        Reads::Nothing
    };
    (x) => {
        Reads::Input
    };
    (y) => {
        Reads::Output
    };
}

macro_rules! rows {
    ($($operation:literal $name:literal $params:literal
        |$x:ident, $p:ident| $value:expr;
        $reads:ident |$r:ident, $dy:ident, $q:ident| $gradient:expr;
        $(int $int:expr, $wgsl_int:literal;)?)*) => {
        &[$(Row {
            operation: $operation,
            name: $name,
            params: $params,
            map: |x, out, params| {
                let f = |$x: f32, $p: Params| -> f32 { let _ = $p; $value };
                for (o, &x) in out.iter_mut().zip(x) {
                    *o = f(x, params);
                }
            },
            map_in_place: |x, params| {
                let f = |$x: f32, $p: Params| -> f32 { let _ = $p; $value };
                for x in x {
                    *x = f(*x, params);
                }
            },
            int: optional!($(($int, $wgsl_int))?),
            reads: reads!($reads),
            grad: |read, dy, dx, params| {
                let f = |$r: f32, $dy: f32, $q: Params| -> f32 { let _ = ($r, $dy, $q); $gradient };
                for ((o, &r), &dy) in dx.iter_mut().zip(read).zip(dy) {
                    *o = f(r, dy, params);
                }
            },
            wgsl: [stringify!($x), stringify!($value)],
            wgsl_grad: [stringify!($r), stringify!($dy), stringify!($gradient)],
        }),*]
    };
}

#[rustfmt::skip]
static ROWS: &[Row] = rows! {
    // operation, PyTorch's name, numbers;  y;  dx from dy and x or y;  the int32 form
    "neg" "neg" 0           |x, p| -x;                      dy |r, dy, p| -dy;                  int |x, _| x.wrapping_neg(), "-x";
    "abs" "abs" 0           |x, p| abs(x);                  x |x, dy, p| dy * sign(x);          int |x, _| x.wrapping_abs(), "abs(x)";
    "sign" "sign" 0         |x, p| sign(x);                 dy |r, dy, p| 0.0;                  int |x, _| x.signum(), "select(select(0, -1, x < 0), 1, x > 0)";
    "square" "pow" 0        |x, p| x * x;                   x |x, dy, p| dy * (2.0 * x);        int |x, _| x.wrapping_mul(x), "x * x";
    "exp" "exp" 0           |x, p| exp(x);                  y |y, dy, p| dy * y;
    "expm1" "expm1" 0       |x, p| expm1(x);                y |y, dy, p| dy * (y + 1.0);
    "log" "log" 0           |x, p| log(x);                  x |x, dy, p| dy / x;
    "log1p" "log1p" 0       |x, p| log1p(x);                x |x, dy, p| dy / (x + 1.0);
    "log2" "log2" 0         |x, p| log2(x);                 x |x, dy, p| dy / (x * LN_2);
    "log10" "log10" 0       |x, p| log(x) / LN_10;          x |x, dy, p| dy / (x * LN_10);
    "exp2" "exp2" 0         |x, p| exp2(x);                 y |y, dy, p| dy * y * LN_2;
    "sqrt" "sqrt" 0         |x, p| sqrt(x);                 y |y, dy, p| dy / (2.0 * y);
    "rsqrt" "rsqrt" 0       |x, p| rsqrt(x);                  y |y, dy, p| -0.5 * dy * y * y * y;
    "reciprocal" "reciprocal" 0 |x, p| 1.0 / x;             y |y, dy, p| -dy * y * y;
    "sin" "sin" 0           |x, p| sin(x);                  x |x, dy, p| dy * cos(x);
    "cos" "cos" 0           |x, p| cos(x);                  x |x, dy, p| -dy * sin(x);
    "tan" "tan" 0           |x, p| tan(x);                  y |y, dy, p| dy * (1.0 + y * y);
    "tanh" "tanh" 0         |x, p| tanh(x);                 y |y, dy, p| dy * (1.0 - y * y);
    "sigmoid" "sigmoid" 0   |x, p| sigmoid(x);              y |y, dy, p| dy * (1.0 - y) * y;
    "relu" "relu" 0         |x, p| select(x, 0.0, x < 0.0); y |y, dy, p| select(dy, 0.0, y <= 0.0); int |x, _| x.max(0), "max(x, 0)";
    "relu6" "relu6" 0       |x, p| clamp(x, 0.0, 6.0);      x |x, dy, p| select(0.0, dy, x > 0.0 && x < 6.0); int |x, _| x.clamp(0, 6), "min(max(x, 0), 6)";
    "silu" "silu" 0         |x, p| x * sigmoid(x);          x |x, dy, p| dy * sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)));
    "softplus" "softplus" 0 |x, p| softplus(x);             x |x, dy, p| dy * sigmoid(x);
    "logsigmoid" "logsigmoid" 0 |x, p| clamp(x, x, 0.0) - log1p(exp(-abs(x))); x |x, dy, p| dy * sigmoid(-x);
    "erf" "erf" 0           |x, p| erf(x);                  x |x, dy, p| dy * TWO_OVER_SQRT_PI * exp(-x * x);
    "gelu" "gelu" 0         |x, p| 0.5 * x * (1.0 + erf(x * SQRT_1_2));
        x |x, dy, p| dy * (0.5 * (1.0 + erf(x * SQRT_1_2)) + x * NORMAL_DENSITY * exp(-0.5 * x * x));
    "gelu_tanh" "gelu" 0    |x, p| 0.5 * x * (1.0 + tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x)));
        x |x, dy, p| gelu_tanh_grad(x, dy);
    "mish" "mish" 0         |x, p| x * tanh(softplus(x));
        x |x, dy, p| mish_grad(x, dy);
    "hardswish" "hardswish" 0 |x, p| x * clamp(x + 3.0, 0.0, 6.0) / 6.0;
        x |x, dy, p| select(select(dy * (x / 3.0 + 0.5), dy, x >= 3.0), 0.0, x <= -3.0);
    "hardsigmoid" "hardsigmoid" 0 |x, p| clamp(x + 3.0, 0.0, 6.0) / 6.0;
        x |x, dy, p| select(0.0, dy / 6.0, x > -3.0 && x < 3.0);
    "floor" "floor" 0       |x, p| floor(x);                dy |r, dy, p| 0.0;                  int |x, _| x, "x";
    "ceil" "ceil" 0         |x, p| ceil(x);                 dy |r, dy, p| 0.0;                  int |x, _| x, "x";
    "round" "round" 0       |x, p| round(x);                dy |r, dy, p| 0.0;                  int |x, _| x, "x";
    "trunc" "trunc" 0       |x, p| trunc(x);                dy |r, dy, p| 0.0;                  int |x, _| x, "x";
    "leaky_relu" "leaky_relu" 1 |x, p| select(x * p.a, x, x > 0.0); x |x, dy, p| select(dy * p.a, dy, x > 0.0);
    "elu" "elu" 1           |x, p| select(p.a * expm1(x), x, x > 0.0); x |x, dy, p| select(dy * p.a * exp(x), dy, x > 0.0);
    "clamp" "clamp" 2       |x, p| clamp(x, p.a, p.b);
        x |x, dy, p| select(0.0, dy, within(x, p.a, p.b));
        int |x, [a, b]| x.max(a).min(b), "min(max(x, p.a), p.b)";
    "add_scalar" "add" 1    |x, p| x + p.a;                 dy |r, dy, p| dy;                   int |x, [a, _]| x.wrapping_add(a), "x + p.a";
    "sub_scalar" "sub" 1    |x, p| x - p.a;                 dy |r, dy, p| dy;                   int |x, [a, _]| x.wrapping_sub(a), "x - p.a";
    "rsub_scalar" "rsub" 1  |x, p| p.a - x;                 dy |r, dy, p| -dy;                  int |x, [a, _]| a.wrapping_sub(x), "p.a - x";
    "mul_scalar" "mul" 1    |x, p| x * p.a;                 dy |r, dy, p| dy * p.a;             int |x, [a, _]| x.wrapping_mul(a), "x * p.a";
    "div_scalar" "div" 1    |x, p| x / p.a;                 dy |r, dy, p| dy / p.a;
    "rdiv_scalar" "div" 1   |x, p| p.a / x;                 x |x, dy, p| -dy * ((p.a / x) / x);
    "pow_scalar" "pow" 1    |x, p| pow(x, p.a);             x |x, dy, p| select(dy * (p.a * pow(x, p.a - 1.0)), 0.0, p.a == 0.0);
    "rpow_scalar" "pow" 1   |x, p| pow(p.a, x);             y |y, dy, p| select(dy * (y * log(p.a)), 0.0, p.a == 0.0 && y == 0.0);
    "maximum_scalar" "maximum" 1 |x, p| select(x, p.a, x < p.a);
        x |x, dy, p| select(select(0.0, dy, x > p.a), 0.5 * dy, x == p.a);
        int |x, [a, _]| x.max(a), "max(x, p.a)";
    "minimum_scalar" "minimum" 1 |x, p| select(x, p.a, x > p.a);
        x |x, dy, p| select(select(0.0, dy, x < p.a), 0.5 * dy, x == p.a);
        int |x, [a, _]| x.min(a), "min(x, p.a)";
    "remainder_scalar" "remainder" 1 |x, p| remainder(x, p.a); dy |r, dy, p| dy;
        int |x, [a, _]| integer::remainder(x, a), "remainder_i32(x, p.a)";
    "floor_divide_scalar" "floor_divide" 1 |x, p| floor(quotient(x, p.a)); dy |r, dy, p| 0.0;
        int |x, [a, _]| integer::floor_divide(x, a), "floor_divide_i32(x, p.a)";
};

/// A row with its numbers.
#[derive(Clone, Copy)]
struct Unary {
    row: &'static Row,
    params: Params,
}

impl Unary {
    /// The row's integer form and numbers, where it has one and they are integers or bounds.
    fn int(&self, dtype: DType) -> Option<(IntFn, &'static str, [i32; 2])> {
        let whole = self.params.exact.iter().all(|v| v.fract() == 0.0 || v.is_infinite());
        // `as` saturates, which turns infinite bounds into the largest integers.
        let numbers = self.params.exact.map(|v| v as i32);
        self.row.int.filter(|_| dtype != DType::F32 && whole).map(|(f, wgsl)| (f, wgsl, numbers))
    }
}

impl Op for Unary {
    fn name(&self) -> &'static str {
        self.row.name
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        let integers = self.int(x[0].dtype).is_some();
        let divides = matches!(self.row.name, "remainder" | "floor_divide");
        if integers && divides && self.params.exact[0] == 0.0 {
            return Err(Error::argument("division of integers by zero"));
        }
        let dtype = if integers { DType::I32 } else { DType::F32 };
        Ok(vec![Meta::new(x[0].shape.clone(), dtype)])
    }

    fn saves(&self) -> Saves {
        match self.row.reads {
            Reads::Nothing => Saves::NOTHING,
            Reads::Input => Saves::inputs(1),
            Reads::Output => Saves::outputs(1),
        }
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let dtype = x[0].dtype();
        if let Some((f, _, numbers)) = self.int(dtype) {
            for (o, &x) in out[0].i32().iter_mut().zip(x[0].i32()) {
                *o = f(x, numbers);
            }
        } else if dtype == DType::F32 {
            (self.row.map)(x[0].f32(), out[0].f32(), self.params);
        } else {
            // Booleans are 0 and 1: they convert like integers.
            for (o, &x) in out[0].f32().iter_mut().zip(x[0].i32()) {
                *o = x as f32;
            }
            (self.row.map_in_place)(out[0].f32(), self.params);
        }
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let dtype = x[0].meta.dtype;
        let ([value, expression], numbers) = (self.row.wgsl, self.params.numbers());
        if dtype == DType::F32 {
            return Ok(Plan::Pointwise(Pointwise { value, read: None, expression, numbers }));
        }
        let kernel = |value: &str, to: DType, expression: &str| {
            let cast = cast_expression("input[i]", dtype, to);
            let statements = format!("  let {value} = {cast};\n  store(i, {expression});");
            let kernel = Kernel::elementwise(self.row.name, x[0].numel(), &statements);
            elementwise::stored(kernel.input("input", 0, x), out)
        };
        Ok(match self.int(dtype) {
            Some((_, expression, [a, b])) => {
                kernel("x", DType::I32, expression).i32("a", a).i32("b", b).into()
            }
            None => kernel(value, DType::F32, expression).f32("a", numbers[0]).f32("b", numbers[1]).into(),
        })
    }

    fn cpu_in_place(&self, target: &mut Output, _: &[Input]) -> bool {
        let float = target.meta.dtype == DType::F32;
        if float {
            (self.row.map_in_place)(target.f32(), self.params);
        }
        float
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        if ctx.meta(0).dtype != DType::F32 {
            return Ok(vec![None]);
        }
        let dx = match self.row.reads {
            Reads::Nothing => apply(UnaryGrad(*self), &[dy]),
            Reads::Input => apply(UnaryGrad(*self), &[dy, &ctx.input(0)?]),
            Reads::Output => apply(UnaryGrad(*self), &[dy, &ctx.output(0)?]),
        };
        Ok(vec![Some(dx?)])
    }
}

/// dx of a row, from dy and what the row reads.
struct UnaryGrad(Unary);

impl Op for UnaryGrad {
    fn name(&self) -> &'static str {
        self.0.row.name
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![x[0].clone()])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let dy = x[0].f32();
        let read = x.get(1).map_or(dy, Input::f32);
        (self.0.row.grad)(read, dy, out[0].f32(), self.0.params);
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], _: &[Meta]) -> Result<Plan> {
        let [read, value, expression] = self.0.row.wgsl_grad;
        let read = (x.len() > 1).then_some(read);
        Ok(Plan::Pointwise(Pointwise { value, read, expression, numbers: self.0.params.numbers() }))
    }
}

fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.operation == name)
}

/// Row `name` with one number, for the gradients of other operations.
pub fn with_scalar(name: &'static str, x: &Tensor, a: f64) -> Result<Tensor> {
    let row = find(name).ok_or_else(|| Error::argument(format!("there is no row {name}")))?;
    apply(Unary { row, params: Params { a: a as f32, b: 0.0, exact: [a, 0.0] } }, &[x])
}

/// Row `name` without numbers.
pub fn plain(name: &'static str, x: &Tensor) -> Result<Tensor> {
    with_scalar(name, x, 0.0)
}

/// A row with float32, and with int32 and bool.
fn samples(x: Tensor, numbers: &[f64], whole: &[f64]) -> Vec<Sample> {
    let integers = || sample::ints(&[7, -7, 2, 1, -1, 60], &[2, 3]);
    vec![
        Sample::new(vec![x], numbers),
        Sample::new(vec![integers()], numbers),
        Sample::new(vec![integers()], whole),
        Sample::new(vec![sample::bools(&[true, false], &[2])], whole),
    ]
}

pub fn operations() -> Vec<Operation> {
    ROWS.iter()
        .map(|row| Operation {
            name: row.operation,
            inputs: 1..=1,
            call: Call::op(move |args| {
                let mut exact = [0.0; 2];
                for (i, number) in exact.iter_mut().take(row.params).enumerate() {
                    *number = args.float(if i == 0 { "the number" } else { "max" })?;
                }
                if row.operation == "clamp" && exact.iter().any(|v| v.is_nan()) {
                    return Err(Error::argument("min and max must be numbers, got NaN"));
                }
                // x^2 is what users write most, and exact.
                let square = row.operation == "pow_scalar" && exact[0] == 2.0;
                let row = if square { find("square").unwrap_or(row) } else { row };
                Ok(Rc::new(Unary { row, params: Params { a: exact[0] as f32, b: exact[1] as f32, exact } }))
            }),
            samples: match row.params {
                0 => || samples(sample::positives(&[3, 4]), &[], &[]),
                1 => || samples(sample::positives(&[3, 4]), &[1.7], &[3.0]),
                _ => || samples(sample::floats(&[3, 4]), &[-1.1, 0.9], &[-2.0, 5.0]),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn nan_stays_nan() {
        for row in ROWS.iter().filter(|row| !matches!(row.operation, "sign" | "pow_scalar" | "rpow_scalar")) {
            let mut out = [0.0];
            (row.map)(&[f32::NAN], &mut out, Params { a: -1.0, b: 1.0, exact: [-1.0, 1.0] });
            assert!(out[0].is_nan(), "{}", row.operation);
        }
    }
}
