//! cross_entropy and nll_loss of class indices, each one operation.
//!
//! With the log-probabilities lp of a sample of class t, class weights w, label smoothing s and C classes its loss is
//! `-(1 - s) w[t] lp[t] - s/C sum_c w[c] lp[c]`; `mean` divides the sum of the losses by the sum of all w[t].
//! Targets that are probabilities make a composition of other operations.
mod gpu;

use std::rc::Rc;

use super::reduce::{sum_dims, Fold};
use super::softmax::{log_softmax_of, softmax, Scale};
use super::{binary, sample, unary, view, Call, Operation, Sample};
use crate::args::Args;
use crate::error::{Error, Result};
use crate::gpu::kernel::Plan;
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::storage::scratch;
use crate::tape::{apply, apply_all, Context};
use crate::tensor::{DType, Meta, Tensor};

/// What becomes of the losses of single samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction {
    None,
    Mean,
    Sum,
}

impl Reduction {
    fn from(args: &mut Args) -> Result<Self> {
        match args.int("reduction")? {
            0 => Ok(Reduction::None),
            1 => Ok(Reduction::Mean),
            2 => Ok(Reduction::Sum),
            other => Err(Error::argument(format!("there is no reduction {other}"))),
        }
    }
}

/// The parameters of a call.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    pub reduction: Reduction,
    /// Samples of this class count for nothing.
    pub ignore_index: i64,
    pub label_smoothing: f32,
    /// Whether the input holds log-probabilities already (`nll_loss`).
    pub log_input: bool,
}

/// Classes `C` of an input `[C]` or `[N, C, ...]`, as the middle of `[N, C, positions]`.
fn fold_of(input: &[usize]) -> Fold {
    Fold::along(input, if input.len() == 1 { 0 } else { 1 })
}

/// The targets of a call.
#[derive(Clone, Copy)]
pub struct Labels<'a> {
    pub fold: Fold,
    pub target: &'a [i32],
    /// For each class; all 1 where there is none.
    pub weight: Option<&'a [f32]>,
}

impl Labels<'_> {
    fn weight_of(&self, class: usize) -> f32 {
        self.weight.map_or(1.0, |w| w[class])
    }

    /// Calls `f(sample, line, class)` for every sample that counts, where `line` is the position of its class 0.
    fn each(&self, ignore_index: i64, mut f: impl FnMut(usize, usize, usize)) -> Result<()> {
        let Fold { reduced: classes, inner, .. } = self.fold;
        for (k, &label) in self.target.iter().enumerate() {
            if label as i64 == ignore_index {
                continue;
            }
            check_label(label, classes)?;
            f(k, k / inner * classes * inner + k % inner, label as usize);
        }
        Ok(())
    }
}

fn check_label(label: i32, classes: usize) -> Result<()> {
    if label < 0 || label as usize >= classes {
        return Err(Error::index(format!(
            "label {label} is out of range for {classes} classes (expected 0 to {})",
            classes as i64 - 1
        )));
    }
    Ok(())
}

impl Loss {
    /// Writes the loss of each sample to `losses` and returns the sum of the weights of those that count.
    /// `log_probability(sample, position)` gives lp.
    fn losses(
        &self,
        labels: Labels,
        losses: &mut [f32],
        log_probability: impl Fn(usize, usize) -> f32,
    ) -> Result<f64> {
        let (classes, inner) = (labels.fold.reduced, labels.fold.inner);
        let smooth = self.label_smoothing / classes as f32;
        let mut total = 0.0;
        losses.fill(0.0);
        labels.each(self.ignore_index, |k, line, label| {
            let lp = |c: usize| log_probability(k, line + c * inner);
            let w = labels.weight_of(label);
            total += w as f64;
            losses[k] = -w * lp(label);
            if smooth > 0.0 {
                let all: f32 = (0..classes).map(|c| -labels.weight_of(c) * lp(c)).sum();
                losses[k] = (1.0 - self.label_smoothing) * losses[k] + smooth * all;
            }
        })?;
        Ok(total)
    }

    /// The losses as the user wants them.
    fn reduce(&self, losses: &[f32], total: f64, out: &mut [f32]) {
        let sum = || losses.iter().map(|&l| l as f64).sum::<f64>();
        match self.reduction {
            Reduction::None => out.copy_from_slice(losses),
            Reduction::Sum => out.fill(sum() as f32),
            Reduction::Mean => out.fill((sum() / total) as f32),
        }
    }

    /// The gradient of the loss of sample `k`; `total` is what `mean` divided by.
    fn scale(&self, dy: &[f32], total: f32, k: usize) -> f32 {
        match self.reduction {
            Reduction::None => dy[k],
            Reduction::Sum => dy[0],
            Reduction::Mean => dy[0] / total,
        }
    }

    /// The gradient of the logits from their softmax p: for each sample that counts,
    /// `dy * ((1 - s) w[t] (p[c] - [c = t]) + s/C (sum(w) p[c] - w[c]))`.
    fn logits_backward(
        &self,
        labels: Labels,
        softmax: &[f32],
        dy: impl Fn(usize) -> f32,
        dx: &mut [f32],
    ) -> Result<()> {
        let (classes, inner) = (labels.fold.reduced, labels.fold.inner);
        let smooth = self.label_smoothing / classes as f32;
        let all: f32 = labels.weight.map_or(classes as f32, |w| w.iter().sum());
        dx.fill(0.0);
        labels.each(self.ignore_index, |k, line, label| {
            let dy = dy(k);
            let hard = (1.0 - self.label_smoothing) * labels.weight_of(label);
            let at = |c: usize| line + c * inner;
            for c in 0..classes {
                dx[at(c)] = dy * (hard + smooth * all) * softmax[at(c)];
            }
            if smooth > 0.0 {
                for c in 0..classes {
                    dx[at(c)] -= dy * smooth * labels.weight_of(c);
                }
            }
            dx[at(label)] -= dy * hard;
        })
    }

    /// The gradient of log-probabilities.
    fn log_input_backward(&self, labels: Labels, dy: impl Fn(usize) -> f32, dx: &mut [f32]) -> Result<()> {
        dx.fill(0.0);
        labels.each(self.ignore_index, |k, line, label| {
            dx[line + label * labels.fold.inner] = -labels.weight_of(label) * dy(k);
        })
    }
}

/// Input `[N, C, ...]` or `[C]`, target `[N, ...]` or `[]`, and maybe class weights `[C]`.
fn check(x: &[&Meta]) -> Result<()> {
    let (input, target) = (x[0], x[1]);
    if input.rank() == 0 {
        return Err(Error::shape("expected an input [C] or [N, C, ...], got a tensor without dimensions"));
    }
    if input.dtype != DType::F32 {
        return Err(Error::dtype(format!("expected a float32 input, got {}", input.dtype.name())));
    }
    if target.dtype != DType::I32 {
        return Err(Error::dtype(format!(
            "expected int32 class indices, or float32 probabilities of the input's shape {:?}, got {} {:?}",
            input.shape,
            target.dtype.name(),
            target.shape
        )));
    }
    let mut expected = input.shape.clone();
    expected.remove(if input.rank() == 1 { 0 } else { 1 });
    if target.shape != expected {
        return Err(Error::shape(format!(
            "input {:?} expects a target of shape {expected:?}, got {:?}",
            input.shape, target.shape
        )));
    }
    let classes = fold_of(&input.shape).reduced;
    match x.get(2) {
        Some(weight) if weight.shape != [classes] || weight.dtype != DType::F32 => {
            Err(Error::shape(format!(
                "expected a float32 weight for each of {classes} classes, got {} {:?}",
                weight.dtype.name(),
                weight.shape
            )))
        }
        _ => Ok(()),
    }
}

impl Op for Loss {
    fn name(&self) -> &'static str {
        if self.log_input {
            "nll_loss"
        } else {
            "cross_entropy"
        }
    }

    /// The loss; the sum of weights that `mean` divides by; the softmax, unless the input is logarithmic.
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        check(x)?;
        let loss = if self.reduction == Reduction::None { x[1].shape.clone() } else { vec![] };
        let mut outputs = vec![Meta::f32(loss), Meta::f32(vec![])];
        if !self.log_input {
            outputs.push(x[0].clone());
        }
        Ok(outputs)
    }

    fn saves(&self) -> Saves {
        Saves { inputs: 0b110, outputs: 0b110 }
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let fold = fold_of(x[0].shape());
        let input = x[0].f32();
        let labels = Labels { fold, target: x[1].i32(), weight: x.get(2).map(Input::f32) };
        let mut losses = scratch::<f32>(labels.target.len())?;
        let total = match out {
            [_, _, probabilities] => {
                let Scale { max, mut sum } = softmax(fold, input, probabilities.f32())?;
                sum.iter_mut().for_each(|s| *s = s.ln());
                self.losses(labels, &mut losses, |k, at| input[at] - max[k] - sum[k])?
            }
            _ => self.losses(labels, &mut losses, |_, at| input[at])?,
        };
        out[1].f32().fill(total as f32);
        self.reduce(&losses, total, out[0].f32());
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        self.kernels(x, out)
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let mut gradients = vec![None; ctx.inputs()];
        if ctx.inputs() > 2 && ctx.needs(2) {
            return Err(Error::autograd("the derivative for weight is not implemented"));
        }
        let total = ctx.output(1)?;
        let softmax = if self.log_input { None } else { Some(ctx.output(2)?) };
        let target = ctx.input(1)?;
        let weight = if ctx.inputs() > 2 { Some(ctx.input(2)?) } else { None };
        let inputs: Vec<&Tensor> = [dy, &total, &target].into_iter().chain(&softmax).chain(&weight).collect();
        let grad = LossGrad { loss: *self, input: ctx.meta(0).clone() };
        gradients[0] = Some(apply(grad, &inputs)?);
        Ok(gradients)
    }
}

/// dx from dy, the sum of weights, the target, the softmax (unless the input is logarithmic), and maybe weights.
struct LossGrad {
    loss: Loss,
    input: Meta,
}

impl Op for LossGrad {
    fn name(&self) -> &'static str {
        "cross_entropy_backward"
    }

    fn outputs(&self, _: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![self.input.clone()])
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let (dy, total) = (x[0].f32(), x[1].f32()[0]);
        let mut rest = x[3..].iter().map(Input::f32);
        let softmax = if self.loss.log_input { None } else { rest.next() };
        let labels = Labels { fold: fold_of(&self.input.shape), target: x[2].i32(), weight: rest.next() };
        let dy = |k| self.loss.scale(dy, total, k);
        match softmax {
            Some(softmax) => self.loss.logits_backward(labels, softmax, dy, out[0].f32()),
            None => self.loss.log_input_backward(labels, dy, out[0].f32()),
        }
    }

    fn gpu(&self, x: &[GpuInput], _: &[Meta]) -> Result<Plan> {
        Ok(self.loss.backward_kernel(&self.input, x))
    }
}

/// The loss of targets that are probabilities: `-sum_c w[c] p[c] lp[c]`, where `mean` divides by the number of samples.
fn of_probabilities(x: &[Tensor], loss: Loss) -> Result<Tensor> {
    let (input, target) = (&x[0], &x[1]);
    if input.shape() != target.shape() || input.dtype() != DType::F32 {
        return Err(Error::shape(format!(
            "expected probabilities of the input's shape {:?}, got {:?}",
            input.shape(),
            target.shape()
        )));
    }
    if input.shape().is_empty() {
        return Err(Error::shape("expected an input [C] or [N, C, ...], got a tensor without dimensions"));
    }
    let dim = if input.shape().len() == 1 { 0 } else { 1 };
    let fold = fold_of(input.shape());
    let mut terms = log_softmax_of(input, dim)?;
    if let Some(weight) = x.get(2) {
        if weight.shape() != [fold.reduced] || weight.dtype() != DType::F32 {
            return Err(Error::shape(format!(
                "expected a float32 weight for each of {} classes, got {} {:?}",
                fold.reduced,
                weight.dtype().name(),
                weight.shape()
            )));
        }
        let mut shape = vec![1; input.shape().len()];
        shape[dim] = fold.reduced;
        terms = binary::mul().of(&terms, &view::reshape(weight, &shape)?)?;
    }
    let mut target = target.clone();
    if loss.label_smoothing > 0.0 {
        let smoothing = loss.label_smoothing as f64;
        target = unary::with_scalar("mul_scalar", &target, 1.0 - smoothing)?;
        target = unary::with_scalar("add_scalar", &target, smoothing / fold.reduced as f64)?;
    }
    terms = unary::plain("neg", &binary::mul().of(&terms, &target)?)?;
    match loss.reduction {
        Reduction::None => sum_dims(&terms, &[dim], false),
        _ => {
            let all: Vec<usize> = (0..terms.shape().len()).collect();
            let sum = sum_dims(&terms, &all, false)?;
            if loss.reduction == Reduction::Sum {
                return Ok(sum);
            }
            unary::with_scalar("div_scalar", &sum, fold.results() as f64)
        }
    }
}

fn cross_entropy(x: &[Tensor], args: &mut Args) -> Result<Vec<Tensor>> {
    let (reduction, ignore_index) = (Reduction::from(args)?, args.int("ignoreIndex")?);
    let smoothing = args.float("labelSmoothing")?;
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(Error::argument(format!("expected a labelSmoothing from 0 to 1, got {smoothing}")));
    }
    let loss = Loss { reduction, ignore_index, label_smoothing: smoothing as f32, log_input: false };
    if x[1].dtype() == DType::F32 {
        return Ok(vec![of_probabilities(x, loss)?]);
    }
    apply_all(Rc::new(loss), &x.iter().collect::<Vec<_>>())
}

pub fn operations() -> Vec<Operation> {
    fn labels() -> Tensor {
        sample::ints(&[2, 0, 4, 2], &[4])
    }
    vec![
        Operation {
            name: "cross_entropy",
            inputs: 2..=3,
            call: Call::Function(cross_entropy),
            samples: || {
                let x = || sample::floats(&[4, 5]);
                let w = || sample::positives(&[5]);
                let map = || sample::ints(&[1, 0, 2, 2, 1, 0], &[2, 3]);
                vec![
                    Sample::new(vec![x(), labels()], &[1.0, -100.0, 0.0]),
                    Sample::new(vec![x(), labels()], &[0.0, 0.0, 0.1]),
                    Sample::new(vec![x(), labels(), w()], &[1.0, 2.0, 0.3]),
                    Sample::new(vec![x(), labels(), w()], &[2.0, -100.0, 0.0]),
                    Sample::new(vec![sample::floats(&[5]), sample::ints(&[3], &[])], &[1.0, -100.0, 0.0]),
                    Sample::new(vec![sample::floats(&[2, 3, 3]), map()], &[1.0, 1.0, 0.2]),
                    Sample::new(vec![x(), sample::positives(&[4, 5]), w()], &[1.0, -100.0, 0.1]),
                    Sample::new(vec![x(), sample::positives(&[4, 5])], &[0.0, -100.0, 0.0]),
                ]
            },
        },
        Operation {
            name: "nll_loss",
            inputs: 2..=3,
            call: Call::op(|args| {
                let (reduction, ignore_index) = (Reduction::from(args)?, args.int("ignoreIndex")?);
                Ok(Rc::new(Loss { reduction, ignore_index, label_smoothing: 0.0, log_input: true }))
            }),
            samples: || {
                let x = || sample::floats(&[4, 5]);
                vec![
                    Sample::new(vec![x(), labels()], &[1.0, -100.0]),
                    Sample::new(vec![x(), labels(), sample::positives(&[5])], &[1.0, 0.0]),
                    Sample::new(vec![x(), labels()], &[0.0, -100.0]),
                ]
            },
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn labels_out_of_range_are_named() {
        let x = [sample::floats(&[2, 10]), sample::ints(&[3, 10], &[2])];
        let error = cross_entropy(&x, &mut Args::new(&[1.0, -100.0, 0.0])).unwrap_err();
        assert_eq!(error.kind, Kind::Index);
        assert_eq!(error.message, "cross_entropy: label 10 is out of range for 10 classes (expected 0 to 9)");
    }

    #[test]
    fn an_ignored_sample_of_nan_counts_for_nothing() {
        let x = Tensor::from_f32(&[f32::NAN, 1.0, 0.0, 0.0], &[2, 2]).unwrap();
        let x = sample::leaf(x);
        let target = sample::ints(&[-100, 1], &[2]);
        let loss = &cross_entropy(&[x.clone(), target], &mut Args::new(&[1.0, -100.0, 0.0])).unwrap()[0];
        assert!((loss.item().unwrap() - 2f64.ln()).abs() < 1e-6);
        crate::tape::backward(loss, None, false).unwrap();
        assert_eq!(x.grad().unwrap().to_vec_f32().unwrap(), [0.0, 0.0, 0.5, -0.5]);
    }
}
