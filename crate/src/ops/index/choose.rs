//! where and masked_fill: elements chosen by a bool tensor.
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::gpu::kernel::{element, Plan};
use crate::kernels::map::{self, Operand};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{copy, elementwise, sample, view, Call, Operation, Sample};
use crate::shape::{self, broadcast};
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

fn require_bool(mask: &Meta, what: &str) -> Result<()> {
    if mask.dtype == DType::Bool {
        return Ok(());
    }
    Err(Error::dtype(format!("expected a bool {what}, got {}", mask.dtype.name())))
}

/// The words of an input as an operand of a loop over `shape`.
fn operand<'a>(x: &'a Input, shape: &[usize]) -> Result<Operand<'a, u32>> {
    Ok(Operand { data: x.storage(), layout: shape::expand(x.layout, shape)? })
}

/// The elements of a where the condition holds, else those of b.
struct Where;

impl Op for Where {
    fn name(&self) -> &'static str {
        "where"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        require_bool(x[0], "condition")?;
        let shape = broadcast(&broadcast(&x[0].shape, &x[1].shape)?, &x[2].shape)?;
        Ok(vec![Meta::new(shape, x[1].dtype)])
    }
    fn strided(&self) -> bool {
        true
    }
    fn saves(&self) -> Saves {
        Saves::inputs(1)
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let shape = out[0].shape().to_vec();
        let (condition, a, b) = (operand(&x[0], &shape)?, operand(&x[1], &shape)?, operand(&x[2], &shape)?);
        map::map3([&condition, &a, &b], out[0].words(), |c, a, b| if c != 0 { a } else { b });
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let dtype = out[0].dtype;
        let operands = [("condition", 0, DType::Bool), ("a", 1, dtype), ("b", 2, dtype)];
        let statement = "  store(i, select(b, a, condition != 0));";
        let kernel = elementwise::broadcast("where", &out[0].shape, x, &operands, statement)?;
        Ok(elementwise::stored(kernel, out).into())
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let condition = ctx.input(0)?;
        let zero = Tensor::zeros_on(dy.device(), &Meta::f32([]))?;
        // What was not chosen gets 0, whatever dy is there.
        let part = |i: usize, choices: [&Tensor; 2]| -> Result<Option<Tensor>> {
            if !ctx.needs(i) {
                return Ok(None);
            }
            let chosen = apply(Where, &[&condition, choices[0], choices[1]])?;
            view::sum_to(&chosen, &ctx.meta(i).shape).map(Some)
        };
        Ok(vec![None, part(1, [dy, &zero])?, part(2, [&zero, dy])?])
    }
}

/// `where` with PyTorch's type promotion.
fn choose(x: &[Tensor]) -> Result<Tensor> {
    let dtype = x[1].dtype().promote(x[2].dtype());
    apply(Where, &[&x[0], &copy::cast(&x[1], dtype)?, &copy::cast(&x[2], dtype)?])
}

/// x with `value` where the mask holds.
struct MaskedFill {
    value: f64,
}

impl Op for MaskedFill {
    fn name(&self) -> &'static str {
        "masked_fill"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        require_bool(x[1], "mask")?;
        let dtype = x[0].dtype;
        if dtype != DType::F32 && dtype.value(dtype.word(self.value)) != self.value {
            return Err(Error::dtype(format!("a tensor of {} cannot hold {}", dtype.name(), self.value)));
        }
        Ok(vec![Meta::new(broadcast(&x[0].shape, &x[1].shape)?, dtype)])
    }
    fn strided(&self) -> bool {
        true
    }
    fn saves(&self) -> Saves {
        Saves::inputs(0b10)
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let shape = out[0].shape().to_vec();
        let word = x[0].dtype().word(self.value);
        let (x, mask) = (operand(&x[0], &shape)?, operand(&x[1], &shape)?);
        map::map2(&x, &mask, out[0].words(), |x, mask| if mask != 0 { word } else { x });
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let dtype = out[0].dtype;
        let operands = [("x", 0, dtype), ("mask", 1, DType::Bool)];
        let statement = format!("  store(i, select(x, bitcast<{}>(p.word), mask != 0));", element(dtype));
        let kernel = elementwise::broadcast("masked_fill", &out[0].shape, x, &operands, &statement)?;
        let kernel = kernel.u32("word", dtype.word(self.value) as usize);
        Ok(elementwise::stored(kernel, out).into())
    }
    fn cpu_in_place(&self, target: &mut Output, x: &[Input]) -> bool {
        if target.meta.shape != x[0].meta.shape || !x[0].layout.is_contiguous() {
            return false;
        }
        let word = target.meta.dtype.word(self.value);
        for (t, &mask) in target.words().iter_mut().zip(x[0].words()) {
            *t = if mask != 0 { word } else { *t };
        }
        true
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let kept = masked_fill(dy, &ctx.input(1)?, 0.0)?;
        Ok(vec![Some(view::sum_to(&kept, &ctx.meta(0).shape)?), None])
    }
}

/// `x` with `value` where `mask` holds.
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    apply(MaskedFill { value }, &[x, mask])
}

pub fn operations() -> Vec<Operation> {
    fn mask() -> Tensor {
        sample::bools(&[true, false, false, true], &[4])
    }
    fn column() -> Tensor {
        sample::bools(&[true, false, true], &[3, 1])
    }
    vec![
        Operation {
            name: "where",
            inputs: 3..=3,
            call: Call::Function(|x, _| Ok(vec![choose(x)?])),
            samples: || {
                vec![
                    Sample::new(vec![mask(), sample::floats(&[3, 4]), sample::positives(&[3, 1])], &[]),
                    Sample::new(vec![column(), sample::floats(&[4]), sample::positives(&[])], &[]),
                    Sample::new(vec![column(), sample::floats(&[4]), sample::ints(&[7], &[1])], &[]),
                    Sample::new(
                        vec![mask(), sample::ints(&[1, 2, 3, 4], &[4]), sample::ints(&[7], &[])],
                        &[],
                    ),
                    Sample::new(vec![mask(), column(), mask()], &[]),
                ]
            },
        },
        Operation {
            name: "masked_fill",
            inputs: 2..=2,
            call: Call::op(|args| Ok(Rc::new(MaskedFill { value: args.float("value")? }))),
            samples: || {
                vec![
                    Sample::new(vec![sample::floats(&[3, 4]), mask()], &[-7.0]),
                    Sample::new(vec![sample::floats(&[4]), column()], &[0.5]),
                    Sample::new(vec![sample::floats(&[4]), mask()], &[f64::NEG_INFINITY]),
                    Sample::new(vec![sample::ints(&[1, 2, 3], &[3, 1]), mask()], &[-9.0]),
                    Sample::new(vec![column(), mask()], &[1.0]),
                ]
            },
        },
    ]
}
