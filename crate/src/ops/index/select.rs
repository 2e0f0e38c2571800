//! index_select: rows by their numbers.
use std::rc::Rc;

use super::{check_known_range, check_range, require_index};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::reduce::Fold;
use crate::ops::{elementwise, sample, Call, Operation, Sample};
use crate::shape::normalize_dim;
use crate::tape::{apply, Context};
use crate::tensor::{Meta, Tensor};

/// `out[o, j] = x[o, index[j]]`, where elements are rows of `fold.inner`. Indices are in range.
pub fn index_select(fold: Fold, index: &[i32], x: &[u32], out: &mut [u32]) {
    if fold.is_empty() || index.is_empty() {
        return;
    }
    let blocks = x.chunks_exact(fold.reduced * fold.inner);
    for (x, out) in blocks.zip(out.chunks_exact_mut(index.len() * fold.inner)) {
        for (&i, out) in index.iter().zip(out.chunks_exact_mut(fold.inner)) {
            out.copy_from_slice(&x[i as usize * fold.inner..][..fold.inner]);
        }
    }
}

/// `dx[o, index[j]] += dy[o, j]`, from zeros.
pub fn index_add(fold: Fold, index: &[i32], dy: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    if fold.is_empty() || index.is_empty() {
        return;
    }
    let blocks = dx.chunks_exact_mut(fold.reduced * fold.inner);
    for (dx, dy) in blocks.zip(dy.chunks_exact(index.len() * fold.inner)) {
        for (&i, dy) in index.iter().zip(dy.chunks_exact(fold.inner)) {
            let row = &mut dx[i as usize * fold.inner..][..fold.inner];
            row.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
        }
    }
}

/// What both kernels know: rows of `p.inner` elements, `p.size` of them before and `p.count` after the selection.
fn numbers(kernel: Kernel, fold: Fold, count: usize) -> Kernel {
    kernel.u32("inner", fold.inner).u32("size", fold.reduced).u32("count", count)
}

struct IndexSelect {
    dim: i64,
}

impl Op for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        require_index(x[1])?;
        if x[1].rank() > 1 {
            return Err(Error::shape(format!("expected a vector of indices, got shape {:?}", x[1].shape)));
        }
        let dim = normalize_dim(self.dim, x[0].rank())?;
        let mut output = x[0].clone();
        let count = x[1].numel();
        match output.shape.get_mut(dim) {
            Some(size) => *size = count,
            None if count == 1 => {}
            None => {
                return Err(Error::shape(format!(
                    "expected one index for a tensor without dimensions, got {count}"
                )))
            }
        }
        Ok(vec![output])
    }

    fn saves(&self) -> Saves {
        Saves::inputs(0b10)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let dim = normalize_dim(self.dim, x[0].meta.rank())?;
        let fold = Fold::along(x[0].shape(), dim);
        check_range(x[1].i32(), fold.reduced, dim)?;
        index_select(fold, x[1].i32(), x[0].words(), out[0].words());
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let dim = normalize_dim(self.dim, x[0].meta.rank())?;
        let fold = Fold::along(x[0].shape(), dim);
        check_known_range(&x[1], fold.reduced, dim)?;
        let row = "let row = i / p.inner;\n  let block = row / p.count;\n";
        let value = "x[(block * p.size + j) * p.inner + i % p.inner]";
        let statements = super::picked(out, "index[row % p.count]", value);
        let kernel = Kernel::elementwise("index_select", out[0].numel(), &format!("  {row}{statements}"));
        let kernel = numbers(kernel, fold, x[1].numel()).input("x", 0, x).input("index", 1, x);
        Ok(elementwise::stored(kernel, out).into())
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let grad = IndexAdd { dim: self.dim, input: ctx.meta(0).clone() };
        Ok(vec![Some(apply(grad, &[&ctx.input(1)?, dy])?), None])
    }
}

/// dx from the indices and dy.
struct IndexAdd {
    dim: i64,
    input: Meta,
}

impl Op for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
    }
    fn outputs(&self, _: &[&Meta]) -> Result<Vec<Meta>> {
        Ok(vec![self.input.clone()])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let fold = Fold::along(&self.input.shape, normalize_dim(self.dim, self.input.rank())?);
        index_add(fold, x[0].i32(), x[1].f32(), out[0].f32());
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        // Each element of dx looks for its row among the indices, so that sums have one order.
        let statements = "  let row = i / p.inner;
  let own = i32(row % p.size);
  let block = row / p.size * p.count;
  var sum = 0.0;
  for (var j = 0u; j < p.count; j++) {
    if (index[j] == own) { sum += dy[(block + j) * p.inner + i % p.inner]; }
  }
  store(i, sum);";
        let fold = Fold::along(&self.input.shape, normalize_dim(self.dim, self.input.rank())?);
        let kernel = Kernel::elementwise("index_add", out[0].numel(), statements);
        Ok(numbers(kernel, fold, x[0].numel()).input("index", 0, x).input("dy", 1, x).result(0).into())
    }
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "index_select",
        inputs: 2..=2,
        call: Call::op(|args| Ok(Rc::new(IndexSelect { dim: args.int("dim")? }))),
        samples: || {
            let index = || sample::ints(&[2, 0, 0, 1], &[4]);
            vec![
                Sample::new(vec![sample::floats(&[3, 4]), index()], &[0.0]),
                Sample::new(vec![sample::floats(&[2, 3, 2]), index()], &[1.0]),
                Sample::new(vec![sample::floats(&[2, 3]), index()], &[-1.0]),
                Sample::new(vec![sample::ints(&[5, 6, 7], &[3, 1]), index()], &[0.0]),
                Sample::new(vec![sample::floats(&[]), sample::ints(&[0], &[1])], &[0.0]),
            ]
        },
    }]
}
