//! flip.
use std::rc::Rc;

use crate::error::Result;
use crate::gpu::kernel::{Kernel, Plan};
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{elementwise, sample, Call, Operation, Sample};
use crate::shape::normalize_dims;
use crate::tape::{apply, Context};
use crate::tensor::{Meta, Tensor};

/// `axes`: size of each dimension and whether it is reversed; none of size 1, so that there are few.
fn flip(axes: &[(usize, bool)], x: &[u32], out: &mut [u32]) {
    match axes {
        _ if axes.iter().all(|a| !a.1) => out.copy_from_slice(x),
        [_] => out.iter_mut().zip(x.iter().rev()).for_each(|(o, &v)| *o = v),
        [(size, reversed), inner @ ..] => {
            let row = x.len() / size;
            let rows = x.chunks_exact(row);
            let out = out.chunks_exact_mut(row);
            if *reversed {
                out.zip(rows.rev()).for_each(|(out, x)| flip(inner, x, out));
            } else {
                out.zip(rows).for_each(|(out, x)| flip(inner, x, out));
            }
        }
        [] => {}
    }
}

#[derive(Clone)]
struct Flip {
    dims: Vec<i64>,
}

impl Flip {
    /// Unlike in a reduction, an empty list means no dimension.
    fn dims(&self, rank: usize) -> Result<Vec<usize>> {
        if self.dims.is_empty() {
            return Ok(vec![]);
        }
        normalize_dims(&self.dims, rank)
    }
}

impl Op for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        self.dims(x[0].rank())?;
        Ok(vec![x[0].clone()])
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let shape = x[0].shape();
        if x[0].meta.numel() == 0 {
            return Ok(());
        }
        let dims = self.dims(shape.len())?;
        let axes = (0..shape.len()).filter(|&d| shape[d] != 1).map(|d| (shape[d], dims.contains(&d)));
        flip(&axes.collect::<Vec<_>>(), x[0].words(), out[0].words());
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let shape = x[0].shape();
        let dims = self.dims(shape.len())?;
        // Neighbours that are both reversed, or both not, are one axis.
        let mut axes: Vec<(usize, bool)> = vec![];
        for (d, &size) in shape.iter().enumerate().filter(|(_, &size)| size != 1) {
            match axes.last_mut() {
                Some((outer, reversed)) if *reversed == dims.contains(&d) => *outer *= size,
                _ => axes.push((size, dims.contains(&d))),
            }
        }
        let mut statements = String::from("  var rest = i;\n  var at = 0u;\n  var stride = 1u;\n");
        for (d, (_, reversed)) in axes.iter().enumerate().rev() {
            let index = format!("rest % p.size{d}");
            let index = if *reversed { format!("p.size{d} - 1u - {index}") } else { index };
            statements.push_str(&format!("  at += ({index}) * stride;\n"));
            statements.push_str(&format!("  rest /= p.size{d};\n  stride *= p.size{d};\n"));
        }
        statements.push_str("  store(i, x[at]);");
        let mut kernel = Kernel::elementwise("flip", x[0].numel(), &statements).input("x", 0, x);
        for (d, (size, _)) in axes.iter().enumerate() {
            kernel = kernel.u32(format!("size{d}"), *size);
        }
        Ok(elementwise::stored(kernel, out).into())
    }
    fn backward(&self, _: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(apply(self.clone(), &[dy])?)])
    }
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "flip",
        inputs: 1..=1,
        call: Call::op(|args| Ok(Rc::new(Flip { dims: args.ints("dims")? }))),
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[2, 3, 4])], &[2.0, 0.0, -1.0]),
                Sample::new(vec![sample::floats(&[2, 3, 4])], &[1.0, 1.0]),
                Sample::new(vec![sample::floats(&[2, 1])], &[0.0]),
            ]
        },
    }]
}
