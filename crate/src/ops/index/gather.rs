//! gather: one element of a line for each index; and its gradient, which other operations use too.
use std::rc::Rc;

use super::{check_known_range, check_range, require_index};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan};
use crate::gpu::strided::Axes;
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::ops::{elementwise, sample, Call, Operation, Sample};
use crate::shape::{contiguous_strides, normalize_dim, Layout};
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

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let (shape, index) = (x[0].shape(), x[1].shape());
        let dim = normalize_dim(self.dim, shape.len())?;
        let size = shape.get(dim).copied().unwrap_or(1);
        check_known_range(&x[1], size, dim)?;
        let mut strides = contiguous_strides(shape);
        if let Some(stride) = strides.get_mut(dim) {
            *stride = 0;
        }
        let line = Layout { offset: 0, shape: index.to_vec(), strides };
        let statements = super::picked(out, "index[i]", "x[x_at(i) + j * p.step]");
        let kernel = Kernel::elementwise("gather", out[0].numel(), &statements)
            .u32("size", size)
            .u32("step", step(shape, dim))
            .input("x", 0, x)
            .input("index", 1, x);
        Ok(elementwise::stored(Axes::new(index, &[&line]).add_to(kernel, &["x"]), out).into())
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
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        // Each element of dx looks for itself among the indices of its line, so that sums have one order.
        let (shape, index, dim) = (&self.shape, x[0].shape(), self.dim);
        let strides = contiguous_strides(shape);
        let mut line = contiguous_strides(index);
        if let Some(stride) = line.get_mut(dim) {
            *stride = 0;
        }
        let mut numbers = vec![];
        let mut indexed = String::from("true");
        for d in (0..index.len()).filter(|&d| d != dim && index[d] < shape[d]) {
            indexed.push_str(&format!(" && (i / p.stride{d}) % p.full{d} < p.indexed{d}"));
            numbers.extend([("stride", d, strides[d]), ("full", d, shape[d]), ("indexed", d, index[d])]);
        }
        let statements = format!(
            "  let own = i32((i / p.step) % p.size);\n  var sum = 0.0;\n  if ({indexed}) {{\n\
             \x20   var at = index_at(i);\n    for (var j = 0u; j < p.count; j++) {{\n\
             \x20     if (index[at] == own) {{ sum += dy[at]; }}\n      at += p.index_step;\n    }}\n  }}\n\
             \x20 store(i, sum);"
        );
        let mut kernel = Kernel::elementwise("scatter_add", out[0].numel(), &statements)
            .u32("step", step(shape, dim))
            .u32("size", shape.get(dim).copied().unwrap_or(1))
            .u32("count", index.get(dim).copied().unwrap_or(1))
            .u32("index_step", step(index, dim))
            .input("index", 0, x)
            .input("dy", 1, x);
        for (name, d, number) in numbers {
            kernel = kernel.u32(format!("{name}{d}"), number);
        }
        let line = Layout { offset: 0, shape: shape.clone(), strides: line };
        Ok(Axes::new(shape, &[&line]).add_to(kernel, &["index"]).result(0).into())
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
