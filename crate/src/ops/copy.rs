//! Operations that copy: contiguous, clone, cast, and the ones that write into a tensor.
use std::rc::Rc;

use super::{sample, Call, Operation, Sample};
use crate::error::{Error, Result};
use crate::gpu;
use crate::gpu::kernel::{element, Kernel, Plan};
use crate::gpu::strided::Axes;
use crate::kernels::map;
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::view;
use crate::shape::{self, checked_numel};
use crate::storage::Device;
use crate::tape::{apply, no_grad, Context};
use crate::tensor::{DType, Meta, Tensor};

/// The same values, in order, in a storage of their own.
pub struct Contiguous;

impl Op for Contiguous {
    fn name(&self) -> &'static str {
        "contiguous"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![x[0].clone()])
    }
    fn strided(&self) -> bool {
        true
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        map::gather(x[0].storage(), x[0].layout, out[0].words());
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        Ok(gather_on_gpu("contiguous", x, out))
    }
    fn backward(&self, _: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(dy.clone())])
    }
}

/// As [`Contiguous`], but it copies even what lies in order.
pub struct Clone;

impl Op for Clone {
    fn name(&self) -> &'static str {
        "clone"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Contiguous.outputs(x)
    }
    fn strided(&self) -> bool {
        true
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        Contiguous.cpu(x, out)
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        Ok(gather_on_gpu("clone", x, out))
    }
    fn backward(&self, _: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(dy.clone())])
    }
}

/// The values in another dtype. Float to int drops the fraction.
struct Cast {
    to: DType,
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "to"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::new(x[0].shape.clone(), self.to)])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        convert(x[0].words(), x[0].dtype(), out[0].words(), self.to);
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let statement = format!("  y[i] = {};", cast_expression("x[i]", x[0].meta.dtype, self.to));
        let kernel = Kernel::elementwise("to", out[0].numel(), &statement);
        Ok(kernel.input("x", 0, x).output("y", 0, out).into())
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![(ctx.meta(0).dtype == DType::F32).then(|| dy.clone())])
    }
}

/// `value` of one dtype as another, in WGSL. Booleans are 0 and 1.
pub fn cast_expression(value: &str, from: DType, to: DType) -> String {
    match (from, to) {
        _ if from == to => value.to_string(),
        (DType::F32, DType::Bool) => format!("u32(!({value} == 0.0))"),
        (_, DType::Bool) => format!("u32({value} != 0)"),
        // Rust's and JavaScript's cast of NaN is 0; the one of WGSL is not defined.
        (DType::F32, DType::I32) => format!("select(i32({value}), 0, is_nan({value}))"),
        _ => format!("{}({value})", element(to)),
    }
}

fn convert(source: &[u32], from: DType, target: &mut [u32], to: DType) {
    if from == to {
        target.copy_from_slice(source);
        return;
    }
    for (t, &s) in target.iter_mut().zip(source) {
        *t = to.word(from.value(s));
    }
}

/// `x` overwritten by `source`, which is broadcast and cast to it.
pub struct Copy;

impl Op for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        if shape::broadcast(&x[0].shape, &x[1].shape)? != x[0].shape {
            return Err(Error::shape(format!(
                "a source of shape {:?} does not broadcast to {:?}",
                x[1].shape, x[0].shape
            )));
        }
        Ok(vec![x[0].clone()])
    }
    fn strided(&self) -> bool {
        true
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let source = shape::expand(x[1].layout, x[0].shape())?;
        map::gather(x[1].storage(), &source, out[0].words());
        let (from, to) = (x[1].dtype(), x[0].dtype());
        if from != to {
            for word in out[0].words() {
                *word = to.word(from.value(*word));
            }
        }
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let source = shape::expand(x[1].layout, x[0].shape())?;
        let value = cast_expression("x[x_at(i)]", x[1].meta.dtype, out[0].dtype);
        let kernel = Kernel::elementwise("copy", out[0].numel(), &format!("  y[i] = {value};"))
            .input("x", 1, x)
            .output("y", 0, out);
        Ok(Axes::new(x[0].shape(), &[&source]).add_to(kernel, &["x"]).into())
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let source = ctx.meta(1);
        let dx = if ctx.needs(1) && source.dtype == DType::F32 {
            Some(view::sum_to(dy, &source.shape)?)
        } else {
            None
        };
        Ok(vec![overwritten(ctx, dy)?, dx])
    }
}

/// `x` with every element replaced by `value`.
struct Fill {
    value: f64,
}

impl Op for Fill {
    fn name(&self) -> &'static str {
        "fill"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        if x[0].dtype == DType::I32 && (self.value.fract() != 0.0 || self.value.abs() > i32::MAX as f64) {
            return Err(Error::dtype(format!("an int32 tensor cannot hold {}", self.value)));
        }
        Ok(vec![x[0].clone()])
    }
    fn strided(&self) -> bool {
        true
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        out[0].words().fill(x[0].dtype().word(self.value));
        Ok(())
    }
    fn gpu(&self, _: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        Ok(fill_kernel(&out[0], self.value).output("y", 0, out).into())
    }
    fn cpu_in_place(&self, target: &mut Output, _: &[Input]) -> bool {
        let word = target.meta.dtype.word(self.value);
        target.words().fill(word);
        true
    }
    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![overwritten(ctx, dy)?])
    }
}

/// The gradient of values that were overwritten: zero, not none.
fn overwritten(ctx: &Context, dy: &Tensor) -> Result<Option<Tensor>> {
    if ctx.needs(0) && ctx.meta(0).dtype == DType::F32 {
        Tensor::zeros_on(dy.device(), ctx.meta(0)).map(Some)
    } else {
        Ok(None)
    }
}

/// Writes `source`, of equal shape and dtype, into the memory of `target`, outside of autograd.
pub fn write(target: &Tensor, source: &Tensor) -> Result<()> {
    if target.device() == Device::Gpu {
        return write_on_gpu(target, source);
    }
    let ordered = no_grad(|| source.contiguous())?;
    let input = Input::new(&ordered);
    map::scatter(input.words(), &mut target.storage().words_mut(), target.layout());
    Ok(())
}

fn write_on_gpu(target: &Tensor, source: &Tensor) -> Result<()> {
    let (to, n) = (target.storage().gpu_memory()?, target.numel());
    if n == 0 {
        return Ok(());
    }
    let mut from = source.clone();
    if gpu::share(&to, &from.storage().gpu_memory()?) {
        from = no_grad(|| apply(Clone, &[source]))?;
    }
    let axes = Axes::new(target.shape(), &[from.layout(), target.layout()]);
    let x = [GpuInput::new(&from)];
    let kernel = Kernel::elementwise("write", n, "  y[y_at(i)] = x[x_at(i)];").input("x", 0, &x).output(
        "y",
        0,
        &[target.meta().clone()],
    );
    gpu::record("copy_", axes.add_to(kernel, &["x", "y"]).into(), &[from.storage().gpu_memory()?], &[to])
}

/// A new tensor on the GPU with one value.
pub fn fill_on_gpu(meta: &Meta, value: f64) -> Result<Tensor> {
    let memory = gpu::allocate(checked_numel(&meta.shape)?, "full")?;
    let tensor = Tensor::on_gpu(meta, memory.clone())?;
    if meta.numel() > 0 {
        let kernel = fill_kernel(meta, value).output("y", 0, std::slice::from_ref(meta));
        gpu::record("full", kernel.into(), &[], &[memory])?;
    }
    Ok(tensor)
}

/// Writes the word that stands for `value` to every element of `y`.
fn fill_kernel(meta: &Meta, value: f64) -> Kernel {
    let kind = element(meta.dtype);
    let word = meta.dtype.word(value);
    Kernel::elementwise("fill", meta.numel(), &format!("  y[i] = bitcast<{kind}>(p.word);"))
        .u32("word", word as usize)
}

/// The elements of a strided input in order.
fn gather_on_gpu(name: &'static str, x: &[GpuInput], out: &[Meta]) -> Plan {
    let axes = Axes::new(x[0].shape(), &[x[0].layout]);
    let kernel = Kernel::elementwise(name, out[0].numel(), "  y[i] = x[x_at(i)];")
        .input("x", 0, x)
        .output("y", 0, out);
    axes.add_to(kernel, &["x"]).into()
}

pub fn cast(x: &Tensor, to: DType) -> Result<Tensor> {
    if x.dtype() == to {
        return Ok(x.clone());
    }
    apply(Cast { to }, &[x])
}

pub fn operations() -> Vec<Operation> {
    let x = || vec![Sample::new(vec![sample::floats(&[3, 4])], &[])];
    vec![
        Operation {
            name: "contiguous",
            inputs: 1..=1,
            call: Call::Function(|x, _| Ok(vec![x[0].contiguous()?])),
            samples: x,
        },
        Operation { name: "clone", inputs: 1..=1, call: Call::op(|_| Ok(Rc::new(Clone))), samples: x },
        Operation {
            name: "cast",
            inputs: 1..=1,
            call: Call::Function(|x, args| {
                let to = match args.size("dtype")? {
                    0 => DType::F32,
                    1 => DType::I32,
                    2 => DType::Bool,
                    other => return Err(Error::dtype(format!("there is no dtype {other}"))),
                };
                Ok(vec![cast(&x[0], to)?])
            }),
            samples: || vec![Sample::new(vec![sample::ints(&[3, -1, 0], &[3])], &[0.0])],
        },
        Operation {
            name: "copy",
            inputs: 2..=2,
            call: Call::op(|_| Ok(Rc::new(Copy))),
            samples: || vec![Sample::new(vec![sample::floats(&[3, 4]), sample::positives(&[4])], &[])],
        },
        Operation {
            name: "fill",
            inputs: 1..=1,
            call: Call::op(|args| Ok(Rc::new(Fill { value: args.float("value")? }))),
            samples: || vec![Sample::new(vec![sample::floats(&[3, 4])], &[1.5])],
        },
    ]
}
