//! Gradients of reductions: what one result's gradient gives to each of the elements that it came from.
use super::Dims;
use crate::error::Result;
use crate::gpu::kernel::{Kernel, Plan};
use crate::gpu::strided::Axes;
use crate::kernels::map::{self, Operand};
use crate::op::{GpuInput, Input, Op, Output};
use crate::shape::{self, Layout};
use crate::tape::apply;
use crate::tensor::{Meta, Tensor};

/// dx from an element x, its result y and the result's gradient dy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Formula {
    /// 1 where x is the result, else 0.
    Equal,
    /// As [`Formula::Equal`], for |x|.
    EqualAbs,
    /// dy where x is the result.
    Extreme,
    /// Of log(sum(exp(x))).
    LogSumExp,
    /// dy times the distance from y.
    Deviation,
    /// dy / 2y, or 0 where y is 0.
    HalfOver,
    /// Of the p-norm.
    Norm(f32),
}

/// [`Formula`] over `[x, y, dy]`, where y and dy broadcast to x.
struct Spread(Formula);

impl Op for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![x[0].clone()])
    }
    fn strided(&self) -> bool {
        true
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let operand = |i: usize| -> Result<Operand<f32>> {
            Ok(Operand { data: x[i].storage_f32(), layout: shape::expand(x[i].layout, x[0].shape())? })
        };
        let (x, y, dy) = (operand(0)?, operand(1)?, operand(2)?);
        let (x, out) = ([&x, &y, &dy], out[0].f32());
        match self.0 {
            Formula::Equal => map::map3(x, out, |x, y, _| (x == y) as u32 as f32),
            Formula::EqualAbs => map::map3(x, out, |x: f32, y, _| (x.abs() == y) as u32 as f32),
            // A product, so that dy of NaN reaches every element, as in PyTorch.
            Formula::Extreme => map::map3(x, out, |x, y, dy| dy * (x == y) as u32 as f32),
            Formula::LogSumExp => map::map3(x, out, |x, y, dy| dy * (x - y).exp()),
            Formula::Deviation => map::map3(x, out, |x, y, dy| dy * (x - y)),
            Formula::HalfOver => map::map3(x, out, |_, y, dy| if y == 0.0 { 0.0 } else { dy / (2.0 * y) }),
            Formula::Norm(f32::INFINITY | f32::NEG_INFINITY) => {
                map::map3(x, out, |x: f32, y, dy| dy * sign(x) * (x.abs() == y) as u32 as f32)
            }
            Formula::Norm(1.0) => map::map3(x, out, |x, _, dy| dy * sign(x)),
            Formula::Norm(2.0) => map::map3(x, out, |x, y, dy| if y == 0.0 { 0.0 } else { x * (dy / y) }),
            Formula::Norm(p) => map::map3(x, out, |x: f32, y: f32, dy| {
                if x == 0.0 || y == 0.0 {
                    0.0
                } else {
                    sign(x) * (x.abs() / y).powf(p - 1.0) * dy
                }
            }),
        }
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let shape = x[0].shape();
        let layouts = [x[0].layout, x[1].layout, x[2].layout]
            .map(|layout| shape::expand(layout, shape))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let expression = match self.0 {
            Formula::Equal => "f32(v == r)",
            Formula::EqualAbs => "f32(abs(v) == r)",
            Formula::Extreme => "g * f32(v == r)",
            Formula::LogSumExp => "g * exp(v - r)",
            Formula::Deviation => "g * (v - r)",
            Formula::HalfOver => "select(g / (2.0 * r), 0.0, r == 0.0)",
            Formula::Norm(f32::INFINITY | f32::NEG_INFINITY) => "g * sign_of(v) * f32(abs(v) == r)",
            Formula::Norm(1.0) => "g * sign_of(v)",
            Formula::Norm(2.0) => "select(v * (g / r), 0.0, r == 0.0)",
            Formula::Norm(_) => {
                "select(sign_of(v) * pow(abs(v) / r, p.power) * g, 0.0, v == 0.0 || r == 0.0)"
            }
        };
        let statements = format!(
            "  let v = x[x_at(i)];\n  let r = y[y_at(i)];\n  let g = dy[dy_at(i)];\n  store(i, {expression});"
        );
        let power = if let Formula::Norm(p) = self.0 { p - 1.0 } else { 0.0 };
        let kernel = Kernel::elementwise("spread", out[0].numel(), &statements)
            .with("fn sign_of(v: f32) -> f32 { return select(sign(v), v, is_nan(v)); }\n")
            .f32("power", power)
            .input("x", 0, x)
            .input("y", 1, x)
            .input("dy", 2, x)
            .result(0);
        let layouts: Vec<&Layout> = layouts.iter().collect();
        Ok(Axes::new(shape, &layouts).add_to(kernel, &["x", "y", "dy"]).into())
    }
}

/// -1, 0 or 1; NaN of NaN.
fn sign(x: f32) -> f32 {
    if x == 0.0 || x.is_nan() {
        x
    } else {
        x.signum()
    }
}

/// `formula` for every element of `x`; y and dy have the size 1 where dimensions were reduced.
pub fn spread(formula: Formula, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    apply(Spread(formula), &[x, y, dy])
}

/// dx of a reduction that chooses: equal elements share dy.
pub(super) fn share(
    dims: &Dims,
    ties: Formula,
    gradient: Formula,
    x: &Tensor,
    y: &Tensor,
    dy: &Tensor,
) -> Result<Tensor> {
    let (y, dy) = (dims.keep(y, x.shape())?, dims.keep(dy, x.shape())?);
    let ties = spread(ties, x, &y, &dy)?;
    let count = super::sum_dims(&ties, &dims.of(x.shape())?, true)?;
    spread(gradient, x, &y, &crate::ops::binary::div().of(&dy, &count)?)
}
