//! gather: one element of a line for each index; and its gradient, which other operations use too.
use std::rc::Rc;

use super::{check_range, require_index};
use crate::error::{Error, Result};
use crate::op::{Input, Op, Output, Saves};
use crate::ops::{sample, Call, Operation, Sample};
use crate::shape::{contiguous_strides, normalize_dim};
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

/// Calls `f(k, position)` for element k of a tensor of shape `index`, where `position` is where its line of `x`
/// along `dim` begins. `index` is nowhere larger than `x` but along `dim`.
fn for_lines(x: &[usize], index: &[usize], dim: usize, mut f: impl FnMut(usize, usize)) {
    let mut strides = contiguous_strides(x);
    if let Some(stride) = strides.get_mut(dim) {
        *stride = 0;
    }
    let mut at = vec![0; index.len()];
    let mut position = 0;
    for k in 0..index.iter().product() {
        f(k, position);
        for d in (0..index.len()).rev() {
            at[d] += 1;
            position += strides[d];
            if at[d] < index[d] {
                break;
            }
            position -= strides[d] * index[d];
            at[d] = 0;
        }
    }
}

/// How far apart the elements of a line along `dim` lie.
fn step(x: &[usize], dim: usize) -> usize {
    x.iter().skip(dim + 1).product()
}

struct Gather {
    dim: i64,
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        require_index(x[1])?;
        let dim = normalize_dim(self.dim, x[0].rank())?;
        let (shape, index) = (&x[0].shape, &x[1].shape);
        let fits = shape.len() == index.len() && (0..shape.len()).all(|d| d == dim || index[d] <= shape[d]);
        if !fits {
            return Err(Error::shape(format!(
                "expected indices no larger than the input {shape:?} but in dimension {dim}, got {index:?}"
            )));
        }
        Ok(vec![Meta::new(index.clone(), x[0].dtype)])
    }

    fn saves(&self) -> Saves {
        Saves::inputs(0b10)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let (shape, index) = (x[0].shape(), x[1].i32());
        let dim = normalize_dim(self.dim, shape.len())?;
        check_range(index, shape.get(dim).copied().unwrap_or(1), dim)?;
        let (step, words, out) = (step(shape, dim), x[0].words(), out[0].words());
        for_lines(shape, x[1].shape(), dim, |k, line| out[k] = words[line + index[k] as usize * step]);
        Ok(())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let shape = &ctx.meta(0).shape;
        let dim = normalize_dim(self.dim, shape.len())?;
        Ok(vec![Some(scatter_add(shape, dim, &ctx.input(1)?, dy)?), None])
    }
}

/// The elements of dy, added where `index` says to zeros of a shape.
struct ScatterAdd {
    shape: Vec<usize>,
    dim: usize,
}

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn outputs(&self, _: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::new(self.shape.clone(), DType::F32)])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let (index, dy, dx) = (x[0].i32(), x[1].f32(), out[0].f32());
        let step = step(&self.shape, self.dim);
        dx.fill(0.0);
        for_lines(&self.shape, x[0].shape(), self.dim, |k, line| {
            dx[line + index[k] as usize * step] += dy[k]
        });
        Ok(())
    }
}

/// Zeros of `shape`, to which the elements of `dy` are added at `index` along `dim`. Indices are in range.
pub fn scatter_add(shape: &[usize], dim: usize, index: &Tensor, dy: &Tensor) -> Result<Tensor> {
    apply(ScatterAdd { shape: shape.to_vec(), dim }, &[index, dy])
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "gather",
        inputs: 2..=2,
        call: Call::op(|args| Ok(Rc::new(Gather { dim: args.int("dim")? }))),
        samples: || {
            vec![
                Sample::new(
                    vec![sample::floats(&[3, 4]), sample::ints(&[3, 0, 1, 1, 2, 2], &[3, 2])],
                    &[1.0],
                ),
                Sample::new(vec![sample::floats(&[3, 4]), sample::ints(&[2, 0, 2, 2], &[2, 2])], &[0.0]),
                Sample::new(
                    vec![sample::floats(&[2, 3, 2]), sample::ints(&[2, 0, 1, 1], &[1, 2, 2])],
                    &[-2.0],
                ),
            ]
        },
    }]
}
