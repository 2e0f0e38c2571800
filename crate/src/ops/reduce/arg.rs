//! Where the largest and smallest elements are: max and min over a dimension, argmax, argmin.
use std::rc::Rc;

use super::gpu::{keys, read, Reducer, Reduction};
use super::Fold;
use crate::error::{Error, Result};
use crate::gpu::kernel::Plan;
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{index, sample, view, Call, Operation, Sample};
use crate::shape::{normalize_dim, reduced, Shape};
use crate::tape::Context;
use crate::tensor::{DType, Meta, Tensor};

/// The best of `x[o, :, i]` and its position, the first of equal ones. `better(a, b)`: whether a replaces b.
pub fn arg_extreme<T: Copy>(
    fold: Fold,
    x: &[T],
    values: &mut [T],
    indices: &mut [i32],
    better: impl Fn(T, T) -> bool,
) {
    if fold.is_empty() {
        return;
    }
    if fold.inner == 1 {
        for ((value, index), row) in values.iter_mut().zip(indices).zip(x.chunks_exact(fold.reduced)) {
            let (mut best, mut at) = (row[0], 0);
            for (r, &v) in row.iter().enumerate() {
                if better(v, best) {
                    (best, at) = (v, r);
                }
            }
            (*value, *index) = (best, at as i32);
        }
        return;
    }
    let outputs = values.chunks_exact_mut(fold.inner).zip(indices.chunks_exact_mut(fold.inner));
    for ((values, indices), rows) in outputs.zip(x.chunks_exact(fold.reduced * fold.inner)) {
        values.copy_from_slice(&rows[..fold.inner]);
        indices.fill(0);
        for (r, row) in rows.chunks_exact(fold.inner).enumerate().skip(1) {
            for ((value, index), &v) in values.iter_mut().zip(&mut *indices).zip(row) {
                let wins = better(v, *value);
                *value = if wins { v } else { *value };
                *index = if wins { r as i32 } else { *index };
            }
        }
    }
}

/// For the maximum: the first NaN wins over everything.
fn larger(a: f32, b: f32) -> bool {
    (a > b) | (a.is_nan() & !b.is_nan())
}

/// As [`larger`], for the minimum.
fn smaller(a: f32, b: f32) -> bool {
    (a < b) | (a.is_nan() & !b.is_nan())
}

/// Values and indices of the extremes along `dim`, or over all elements.
#[derive(Clone)]
pub struct ArgExtreme {
    pub dim: Option<i64>,
    pub keepdim: bool,
    pub max: bool,
    /// Whether the indices come first and alone, as `argmax` gives them.
    pub only_index: bool,
}

impl ArgExtreme {
    /// The dimensions that go, and what goes in one fold.
    fn fold(&self, shape: &[usize]) -> Result<(Vec<usize>, Fold)> {
        match self.dim {
            Some(dim) => {
                let dim = normalize_dim(dim, shape.len())?;
                // A scalar has no dimension to lose.
                let dims = if shape.is_empty() { vec![] } else { vec![dim] };
                Ok((dims, Fold::along(shape, dim)))
            }
            None => {
                let all = Fold { outer: 1, reduced: shape.iter().product(), inner: 1 };
                Ok(((0..shape.len()).collect(), all))
            }
        }
    }

    fn shape(&self, shape: &[usize], keepdim: bool) -> Result<Shape> {
        Ok(reduced(shape, &self.fold(shape)?.0, keepdim))
    }
}

impl Op for ArgExtreme {
    fn name(&self) -> &'static str {
        match (self.max, self.only_index) {
            (true, false) => "max",
            (false, false) => "min",
            (true, true) => "argmax",
            (false, true) => "argmin",
        }
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        let shape = &x[0].shape;
        if self.fold(shape)?.1.reduced == 0 {
            let what = if self.dim.is_some() {
                "the dimension to have non-zero size"
            } else {
                "at least one element"
            };
            return Err(Error::index(format!("expected {what}, got shape {shape:?}")));
        }
        let shape = self.shape(shape, self.keepdim)?;
        let mut outputs = vec![Meta::new(shape.clone(), x[0].dtype), Meta::new(shape, DType::I32)];
        if self.only_index {
            outputs.reverse();
        }
        Ok(outputs)
    }

    fn public_outputs(&self) -> usize {
        if self.only_index {
            1
        } else {
            2
        }
    }

    fn differentiable(&self) -> bool {
        !self.only_index
    }

    fn saves(&self) -> Saves {
        Saves::outputs(2)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let fold = self.fold(x[0].shape())?.1;
        if self.only_index {
            out.reverse();
        }
        let [values, indices] = out else {
            return Err(Error::argument("expected two outputs"));
        };
        let indices = indices.i32();
        match (x[0].dtype(), self.max) {
            (DType::F32, true) => arg_extreme(fold, x[0].f32(), values.f32(), indices, larger),
            (DType::F32, false) => arg_extreme(fold, x[0].f32(), values.f32(), indices, smaller),
            (_, true) => arg_extreme(fold, x[0].i32(), values.i32(), indices, |a, b| a > b),
            (_, false) => arg_extreme(fold, x[0].i32(), values.i32(), indices, |a, b| a < b),
        }
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let (shape, dtype) = (x[0].shape(), x[0].meta.dtype);
        let result = dtype == DType::F32 && !self.only_index;
        let (values, indices) = if self.only_index { (1, 0) } else { (0, 1) };
        let extreme = Reduction {
            name: self.name(),
            kind: "vec2<u32>",
            start: "vec2<u32>(0u, 0xffffffffu)",
            term: "vec2<u32>(key(v), r)",
            combine: "select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y))",
            finish: if result {
                "indices[o] = i32(a.y); store(o, x[kept_at(o) + terms_at(a.y)]);"
            } else {
                "indices[o] = i32(a.y); values[o] = x[kept_at(o) + terms_at(a.y)];"
            },
            functions: keys(dtype, self.max),
        };
        let mut reducer = Reducer::new(shape, &self.fold(shape)?.0);
        reducer.reduce(&extreme, read(x), |kernel| {
            let kernel = kernel.output("indices", indices, out);
            if result {
                kernel.result(values)
            } else {
                kernel.output("values", values, out)
            }
        });
        Ok(reducer.plan())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let shape = &ctx.meta(0).shape;
        let Some(dim) = self.dim.filter(|_| !shape.is_empty()) else {
            return Ok(vec![Some(dy.clone())]);
        };
        let dim = normalize_dim(dim, shape.len())?;
        let kept = self.shape(shape, true)?;
        let (index, dy) = (view::reshape(&ctx.output(1)?, &kept)?, view::reshape(dy, &kept)?);
        Ok(vec![Some(index::scatter_add(shape, dim, &index, &dy)?)])
    }
}

pub fn operations() -> Vec<Operation> {
    let with_values = |name, max| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| {
            let (dim, keepdim) = (Some(args.int("dim")?), args.flag("keepdim")?);
            Ok(Rc::new(ArgExtreme { dim, keepdim, max, only_index: false }))
        }),
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[3, 4, 5])], &[1.0, 0.0]),
                Sample::new(vec![sample::floats(&[3, 4])], &[-1.0, 1.0]),
                Sample::new(vec![sample::floats(&[])], &[0.0, 0.0]),
            ]
        },
    };
    let only_index = |name, max| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| {
            let (dim, keepdim) = (args.optional_int("dim")?, args.flag("keepdim")?);
            Ok(Rc::new(ArgExtreme { dim, keepdim, max, only_index: true }))
        }),
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[3, 4, 5])], &[1.0, 0.0]),
                Sample::new(vec![sample::floats(&[3, 4])], &[f64::NAN, 0.0]),
            ]
        },
    };
    vec![
        with_values("max_dim", true),
        with_values("min_dim", false),
        only_index("argmax", true),
        only_index("argmin", false),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_first_of_equal_ones_and_the_first_nan() {
        let fold = Fold { outer: 2, reduced: 4, inner: 1 };
        let x = [1.0, 3.0, 3.0, 0.0, 2.0, f32::NAN, 5.0, f32::NAN];
        let (mut values, mut indices) = ([0.0; 2], [-1; 2]);
        arg_extreme(fold, &x, &mut values, &mut indices, larger);
        assert_eq!(indices, [1, 1]);
        assert!(values[0] == 3.0 && values[1].is_nan());
        arg_extreme(fold, &x, &mut values, &mut indices, smaller);
        assert_eq!(indices, [3, 1]);
    }
}
