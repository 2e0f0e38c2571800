//! pad with a constant; negative widths crop.
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::gpu::kernel::{element, Kernel, Plan};
use crate::kernels::map;
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{elementwise, sample, Call, Operation, Sample};
use crate::shape::{contiguous_strides, Layout, Shape};
use crate::storage::scratch;
use crate::tape::{apply, Context};
use crate::tensor::{DType, Meta, Tensor};

struct Pad {
    /// Before and after, the last dimension first.
    widths: Vec<i64>,
    value: f64,
}

impl Pad {
    /// Before and after dimension `d`.
    fn width(&self, d: usize, rank: usize) -> (i64, i64) {
        let i = 2 * (rank - 1 - d);
        (self.widths.get(i).copied().unwrap_or(0), self.widths.get(i + 1).copied().unwrap_or(0))
    }

    fn output(&self, x: &[usize]) -> Result<Shape> {
        if self.widths.len() % 2 == 1 || self.widths.len() > 2 * x.len() {
            return Err(Error::argument(format!(
                "expected up to {} pairs of widths for an input {x:?}, got {:?}",
                x.len(),
                self.widths
            )));
        }
        let sizes = x.iter().enumerate().map(|(d, &size)| {
            let (before, after) = self.width(d, x.len());
            usize::try_from(size as i64 + before + after).map_err(|_| {
                Error::shape(format!("widths {:?} leave less than nothing of an input {x:?}", self.widths))
            })
        });
        sizes.collect()
    }

    /// What of the input is in the output, where it lies in the one and in the other.
    fn regions(&self, x: &[usize], out: &[usize]) -> (Layout, Layout) {
        let mut source = Layout::contiguous(x.to_vec());
        let mut target = Layout { offset: 0, shape: x.to_vec(), strides: contiguous_strides(out) };
        for d in 0..x.len() {
            let (before, after) = self.width(d, x.len());
            let cut = |width: i64| width.min(0).unsigned_abs() as usize;
            let kept = x[d].saturating_sub(cut(before)).saturating_sub(cut(after));
            source.offset += cut(before) * source.strides[d];
            target.offset += before.max(0) as usize * target.strides[d];
            (source.shape[d], target.shape[d]) = (kept, kept);
        }
        (source, target)
    }

    /// The sizes of the output, those of the input, and how many elements come before it, along axes: what is not
    /// padded is part of the axis around it.
    fn axes(&self, x: &[usize], out: &[usize]) -> Vec<[i64; 3]> {
        let mut axes: Vec<[i64; 3]> = vec![];
        for d in 0..x.len() {
            let padding = self.width(d, x.len());
            let size = x[d] as i64;
            match axes.last_mut() {
                Some(axis) if padding == (0, 0) => *axis = axis.map(|n| n * size),
                _ => axes.push([out[d] as i64, size, padding.0]),
            }
        }
        axes
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        let dtype = x[0].dtype;
        if dtype != DType::F32 && dtype.value(dtype.word(self.value)) != self.value {
            return Err(Error::dtype(format!("a tensor of {} cannot hold {}", dtype.name(), self.value)));
        }
        Ok(vec![Meta::new(self.output(&x[0].shape)?, dtype)])
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let (source, target) = self.regions(x[0].shape(), out[0].shape());
        let dtype = x[0].dtype();
        let out = out[0].words();
        out.fill(dtype.word(self.value));
        if source.numel() == 0 {
            return Ok(());
        }
        if source.numel() == x[0].meta.numel() {
            map::scatter(x[0].words(), out, &target);
        } else {
            let mut kept = scratch(source.numel())?;
            map::gather(x[0].words(), &source, &mut kept);
            map::scatter(&kept, out, &target);
        }
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        let dtype = out[0].dtype;
        let axes = self.axes(x[0].shape(), out[0].shape.as_slice());
        let mut statements = String::from(
            "  var rest = i;\n  var at = 0;\n  var stride = 1;\n  var inside = true;\n  var c = 0;\n",
        );
        for d in (0..axes.len()).rev() {
            statements.push_str(&format!(
                "  c = i32(rest % p.out{d}) - p.before{d};\n  rest /= p.out{d};\n\
                 \x20 inside = inside && c >= 0 && c < p.size{d};\n  at += c * stride;\n  stride *= p.size{d};\n"
            ));
        }
        statements.push_str(&format!(
            "  var value = bitcast<{}>(p.word);\n  if (inside) {{ value = x[at]; }}\n  store(i, value);",
            element(dtype)
        ));
        let mut kernel = Kernel::elementwise("pad", out[0].numel(), &statements)
            .u32("word", dtype.word(self.value) as usize)
            .input("x", 0, x);
        for (d, [out, size, before]) in axes.into_iter().enumerate() {
            kernel = kernel.u32(format!("out{d}"), out as usize).i32(format!("size{d}"), size as i32);
            kernel = kernel.i32(format!("before{d}"), before as i32);
        }
        Ok(elementwise::stored(kernel, out).into())
    }

    fn backward(&self, _: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let back = Pad { widths: self.widths.iter().map(|w| -w).collect(), value: 0.0 };
        Ok(vec![Some(apply(back, &[dy])?)])
    }
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "pad",
        inputs: 1..=1,
        call: Call::op(|args| {
            let widths = args.ints("pad")?;
            Ok(Rc::new(Pad { widths, value: args.float("value")? }))
        }),
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[2, 3])], &[2.0, 1.0, 2.0, 0.5]),
                Sample::new(vec![sample::floats(&[2, 3, 4])], &[4.0, 1.0, 0.0, 2.0, 3.0, 0.0]),
                Sample::new(vec![sample::floats(&[2, 3, 4])], &[6.0, -1.0, 2.0, 0.0, -1.0, 0.0, 1.0, 0.0]),
            ]
        },
    }]
}
