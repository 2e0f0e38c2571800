//! pad with a constant; negative widths crop.
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::kernels::map;
use crate::op::{Input, Op, Output};
use crate::ops::{sample, Call, Operation, Sample};
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
