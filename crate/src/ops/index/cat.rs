//! cat and stack.
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan};
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::copy::cast_expression;
use crate::ops::{elementwise, sample, view, Call, Operation, Sample};
use crate::shape::normalize_dim;
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

/// Tensors one behind the other along `dim`.
struct Cat {
    dim: i64,
}

/// PyTorch passes over vectors without elements, whatever the others' shape.
fn is_nothing(x: &Meta) -> bool {
    x.shape == [0]
}

impl Cat {
    /// A tensor that gives the shape, and the dimension.
    fn pattern<'a>(&self, x: &[&'a Meta]) -> Result<(&'a Meta, usize)> {
        let Some(&first) = x.iter().find(|m| !is_nothing(m)).or(x.first()) else {
            return Err(Error::argument("expected a non-empty list of tensors"));
        };
        if let Some(i) = x.iter().position(|m| m.rank() == 0) {
            return Err(Error::shape(format!("tensor {i} has no dimensions and cannot be concatenated")));
        }
        Ok((first, normalize_dim(self.dim, first.rank())?))
    }
}

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        let (first, dim) = self.pattern(x)?;
        let mut output = Meta::new(first.shape.clone(), first.dtype);
        output.shape[dim] = 0;
        for (i, part) in x.iter().enumerate() {
            output.dtype = output.dtype.promote(part.dtype);
            if is_nothing(part) {
                continue;
            }
            let fits = part.rank() == first.rank()
                && (0..first.rank()).all(|d| d == dim || part.shape[d] == first.shape[d]);
            if !fits {
                return Err(Error::shape(format!(
                    "sizes must match except in dimension {dim}: expected {:?}, got {:?} for tensor {i}",
                    first.shape, part.shape
                )));
            }
            output.shape[dim] += part.shape[dim];
        }
        Ok(vec![output])
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let metas: Vec<&Meta> = x.iter().map(|part| part.meta).collect();
        let (_, dim) = self.pattern(&metas)?;
        let (dtype, shape) = (out[0].meta.dtype, out[0].shape().to_vec());
        let row: usize = shape[dim..].iter().product();
        let out = out[0].words();
        let mut start = 0;
        for part in x.iter().filter(|part| part.meta.numel() > 0) {
            let width: usize = part.shape()[dim..].iter().product();
            let rows = out.chunks_exact_mut(row).zip(part.words().chunks_exact(width));
            let from = part.dtype();
            for (out, words) in rows {
                let out = &mut out[start..start + width];
                if from == dtype {
                    out.copy_from_slice(words);
                } else {
                    out.iter_mut().zip(words).for_each(|(o, &w)| *o = dtype.word(from.value(w)));
                }
            }
            start += width;
        }
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let metas: Vec<&Meta> = x.iter().map(|part| part.meta).collect();
        let (_, dim) = self.pattern(&metas)?;
        let row: usize = out[0].shape[dim..].iter().product();
        let parts: Vec<usize> = (0..x.len()).filter(|&i| x[i].numel() > 0).collect();
        let mut start = 0;
        let mut kernels = vec![];
        for group in parts.chunks(NAMES.len()) {
            let whole = group.len() == parts.len() && group.len() <= FUSABLE;
            let (kernel, width) = place(x, out, dim, group, whole);
            kernels.push(kernel.u32("row", row).u32("start", start));
            start += width;
        }
        Ok(Plan::Kernels { kernels, scratch: vec![] })
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let metas: Vec<&Meta> = (0..ctx.inputs()).map(|i| ctx.meta(i)).collect();
        let (_, dim) = self.pattern(&metas)?;
        let mut start = 0;
        let mut gradients = vec![];
        for (i, part) in metas.iter().enumerate() {
            let wanted = ctx.needs(i) && part.dtype == DType::F32;
            if is_nothing(part) {
                gradients.push(if wanted { Some(Tensor::zeros_on(dy.device(), part)?) } else { None });
                continue;
            }
            let end = start + part.shape[dim];
            gradients.push(if wanted { Some(view::slice(dy, dim, start, end)?) } else { None });
            start = end;
        }
        Ok(gradients)
    }
}

/// What the inputs of one kernel are called: one binding is left for the output.
const NAMES: [&str; 7] = ["x0", "x1", "x2", "x3", "x4", "x5", "x6"];
/// So many inputs leave bindings for what follows.
const FUSABLE: usize = 4;

/// The kernel that copies some of the inputs, the first to column `p.start` of rows of `p.row` elements; and how
/// many columns that are. `whole`: there are no others.
fn place(x: &[GpuInput], out: &[Meta], dim: usize, group: &[usize], whole: bool) -> (Kernel, usize) {
    let width = |i: usize| x[i].shape()[dim..].iter().product::<usize>();
    let columns: usize = group.iter().map(|&i| width(i)).sum();
    let rows = x[group[0]].numel() / width(group[0]);
    let mut statements = String::from(
        "  let r = i / p.columns;\n  var c = i % p.columns;\n  let at = r * p.row + p.start + c;\n",
    );
    for (k, &i) in group.iter().enumerate() {
        let value = cast_expression(&format!("x{k}[r * p.width{k} + c]"), x[i].meta.dtype, out[0].dtype);
        statements.push_str(&format!("  if (c < p.width{k}) {{ store(at, {value}); return; }}\n"));
        statements.push_str(&format!("  c -= p.width{k};\n"));
    }
    let mut kernel = Kernel::elementwise("cat", rows * columns, &statements).u32("columns", columns);
    for ((k, &i), name) in group.iter().enumerate().zip(NAMES) {
        kernel = kernel.input(name, i, x).u32(format!("width{k}"), width(i));
    }
    let kernel = if whole { elementwise::stored(kernel, out) } else { elementwise::written(kernel, out) };
    (kernel, columns)
}

/// The tensors one behind the other along `dim`.
pub fn cat(x: &[&Tensor], dim: i64) -> Result<Tensor> {
    apply(Cat { dim }, x)
}

fn stack(x: &[Tensor], dim: i64) -> Result<Tensor> {
    if let Some(odd) = x.iter().find(|t| t.shape() != x[0].shape()) {
        return Err(Error::shape(format!(
            "expected tensors of equal shape, got {:?} and {:?}",
            x[0].shape(),
            odd.shape()
        )));
    }
    let parts = x.iter().map(|t| view::unsqueeze(t, dim)).collect::<Result<Vec<_>>>()?;
    cat(&parts.iter().collect::<Vec<_>>(), dim)
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation {
            name: "cat",
            inputs: 1..=usize::MAX,
            call: Call::op(|args| Ok(Rc::new(Cat { dim: args.int("dim")? }))),
            samples: || {
                let x = || vec![sample::floats(&[2, 3]), sample::positives(&[2, 1]), sample::floats(&[2, 2])];
                let nothing = vec![sample::floats(&[0]), sample::floats(&[2, 3]), sample::floats(&[1, 3])];
                let many = (0..9).map(|i| sample::floats(&[2, 1 + i % 3])).collect();
                let mixed = vec![sample::ints(&[1, 2], &[2]), sample::floats(&[3])];
                vec![
                    Sample::new(x(), &[1.0]),
                    Sample::new(x(), &[-1.0]),
                    Sample::new(nothing, &[0.0]),
                    Sample::new(mixed, &[0.0]),
                    Sample::new(many, &[1.0]),
                ]
            },
        },
        Operation {
            name: "stack",
            inputs: 1..=usize::MAX,
            call: Call::Function(|x, args| Ok(vec![stack(x, args.int("dim")?)?])),
            samples: || {
                let x = || vec![sample::floats(&[2, 3]), sample::positives(&[2, 3])];
                vec![Sample::new(x(), &[0.0]), Sample::new(x(), &[1.0]), Sample::new(x(), &[-1.0])]
            },
        },
    ]
}
