//! Optimizer steps on the GPU: the parameters of a group lie one behind the other, and so do their gradients and
//! each kind of state, so that a step is one dispatch.
use std::rc::Rc;

use super::Parameter;
use crate::error::Result;
use crate::gpu;
use crate::gpu::kernel::{Bound, Kernel};
use crate::gpu::memory::{Memory, ALIGNMENT};
use crate::ops::copy;
use crate::storage::GradPlace;
use crate::tape::apply;
use crate::tensor::Tensor;

/// A step as WGSL: statements over `param[i]`, `grad[i]` and the elements of each kind of state, with numbers `p.x`.
pub(super) struct Step {
    pub name: &'static str,
    pub states: &'static [&'static str],
    pub statements: String,
    pub numbers: Vec<(&'static str, f32)>,
}

/// Runs `step(n)`, for what is the n-th step of a parameter, over all parameters.
pub(super) fn run(parameters: &[Parameter], step: impl Fn(f64) -> Step) -> Result<()> {
    let (whole, others): (Vec<&Parameter>, Vec<&Parameter>) = parameters.iter().partition(|p| is_whole(p));
    for parameter in others {
        one_by_one(parameter, &step(parameter.step))?;
    }
    if let Some(first) = whole.first() {
        for kind in 0..first.written.len() {
            flatten(&whole.iter().map(|p| p.written[kind]).collect::<Vec<_>>())?;
        }
        flatten_gradients(&whole)?;
    }
    for part in runs(&whole)? {
        dispatch(&step(part.step), &part.grad, &part.written)?;
    }
    for tensor in parameters.iter().flat_map(|p| &p.written) {
        tensor.storage().touch();
    }
    Ok(())
}

/// Whether each tensor of a parameter is all of a storage of its own.
fn is_whole(parameter: &Parameter) -> bool {
    let all: Vec<&Tensor> = parameter.written.iter().copied().chain([parameter.grad]).collect();
    let alone =
        |i: usize| all.iter().enumerate().all(|(j, t)| i == j || !Rc::ptr_eq(t.storage(), all[i].storage()));
    all.iter().enumerate().all(|(i, t)| {
        alone(i)
            && t.is_contiguous()
            && t.layout().offset == 0
            && t.numel() == t.storage().len()
            && t.numel() > 0
    })
}

/// Words that a tensor takes in flat memory.
fn stride(t: &Tensor) -> usize {
    t.numel().next_multiple_of(ALIGNMENT)
}

/// Whether memory is a piece of a larger one.
fn is_part(memory: &Memory) -> bool {
    memory.buffer.words > memory.len
}

/// Moves tensors that have buffers of their own into one buffer.
fn flatten(tensors: &[&Tensor]) -> Result<()> {
    let mut alone = vec![];
    for t in tensors {
        let memory = t.storage().gpu_memory()?;
        if !is_part(&memory) {
            alone.push((*t, memory));
        }
    }
    if alone.len() < 2 {
        return Ok(());
    }
    let flat = gpu::allocate(alone.iter().map(|(t, _)| stride(t)).sum(), "step")?;
    let mut start = 0;
    for (t, memory) in alone {
        let place = flat.part(start, t.numel());
        start += stride(t);
        let kernel = Kernel::elementwise("flatten", t.numel(), "  y[i] = x[i];")
            .bind("x", "u32", Bound::Input(0), false)
            .bind("y", "u32", Bound::Output(0), true);
        gpu::record("step", kernel.into(), &[memory], std::slice::from_ref(&place))?;
        t.storage().set_gpu_memory(place);
    }
    Ok(())
}

/// As [`flatten`]; from now on `backward` computes these gradients into their places.
fn flatten_gradients(parameters: &[&Parameter]) -> Result<()> {
    let unplaced: Vec<&&Parameter> =
        parameters.iter().filter(|p| !p.written[0].storage().has_grad_place()).collect();
    flatten(&unplaced.iter().map(|p| p.grad).collect::<Vec<_>>())?;
    for p in unplaced {
        let memory = p.grad.storage().gpu_memory()?;
        if is_part(&memory) {
            p.written[0].storage().set_grad_place(GradPlace::new(memory, p.grad.storage()));
        }
    }
    Ok(())
}

/// Parameters whose memory is one piece of each kind, at the same step.
struct Run {
    step: f64,
    grad: Memory,
    written: Vec<Memory>,
}

fn runs(parameters: &[&Parameter]) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = vec![];
    for p in parameters {
        let grad = p.grad.storage().gpu_memory()?;
        let written = p.written.iter().map(|t| t.storage().gpu_memory()).collect::<Result<Vec<_>>>()?;
        if let Some(last) = runs.last_mut().filter(|last| last.step == p.step) {
            let both = || last.written.iter().zip(&written);
            if follows(&last.grad, &grad) && both().all(|(a, b)| follows(a, b)) {
                extend(&mut last.grad, &grad);
                last.written.iter_mut().zip(&written).for_each(|(a, b)| extend(a, b));
                continue;
            }
        }
        runs.push(Run { step: p.step, grad, written });
    }
    Ok(runs)
}

/// Whether `b` lies right behind `a`.
fn follows(a: &Memory, b: &Memory) -> bool {
    Rc::ptr_eq(&a.buffer, &b.buffer) && a.offset + a.len.next_multiple_of(ALIGNMENT) == b.offset
}

fn extend(a: &mut Memory, b: &Memory) {
    a.len = b.offset + b.len - a.offset;
}

fn dispatch(step: &Step, grad: &Memory, written: &[Memory]) -> Result<()> {
    let mut kernel = Kernel::elementwise(step.name, grad.len, &step.statements)
        .bind("grad", "f32", Bound::Input(0), false)
        .bind("param", "f32", Bound::Output(0), true);
    for (i, name) in step.states.iter().enumerate() {
        kernel = kernel.bind(name, "f32", Bound::Output(1 + i), true);
    }
    for &(name, value) in &step.numbers {
        kernel = kernel.f32(name, value);
    }
    gpu::record(step.name, kernel.into(), std::slice::from_ref(grad), written)
}

/// A step of tensors that do not lie in order, or share memory: on copies, which are written back.
fn one_by_one(parameter: &Parameter, step: &Step) -> Result<()> {
    if parameter.grad.numel() == 0 {
        return Ok(());
    }
    let copy_of = |t: &Tensor| apply(copy::Clone, &[t]);
    let grad = copy_of(parameter.grad)?;
    let locals = parameter.written.iter().map(|t| copy_of(t)).collect::<Result<Vec<_>>>()?;
    let memory = locals.iter().map(|t| t.storage().gpu_memory()).collect::<Result<Vec<_>>>()?;
    dispatch(step, &grad.storage().gpu_memory()?, &memory)?;
    for (tensor, local) in parameter.written.iter().zip(&locals) {
        copy::write(tensor, local)?;
    }
    Ok(())
}
