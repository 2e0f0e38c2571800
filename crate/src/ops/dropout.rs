//! dropout, of elements and of whole channels. The generator draws as PyTorch's does.
use std::rc::Rc;

use super::{binary, sample, Call, Operation, Sample};
use crate::args::Args;
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan};
use crate::gpu::strided::Axes;
use crate::kernels::map::{self, Operand};
use crate::op::{GpuInput, Input, Op, Output, Saves};
use crate::random;
use crate::shape::{self, Layout, Shape};
use crate::storage::scratch;
use crate::tape::Context;
use crate::tensor::{Meta, Tensor};

struct Dropout {
    /// Probability of a zero.
    p: f64,
    generator: u32,
    /// Whether a channel `x[n, c]` is dropped as a whole.
    channels: bool,
}

impl Dropout {
    fn from(args: &mut Args, channels: bool) -> Result<Self> {
        let p = args.float("p")?;
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(format!("expected a probability p from 0 to 1, got {p}")));
        }
        Ok(Dropout { p, generator: args.size("generator")? as u32, channels })
    }

    fn mask(&self, x: &[usize]) -> Result<Shape> {
        if !self.channels {
            return Ok(x.to_vec());
        }
        if x.len() < 2 {
            return Err(Error::shape(format!("expected an input [N, C, ...], got {x:?}")));
        }
        Ok(x.iter().enumerate().map(|(d, &size)| if d < 2 { size } else { 1 }).collect())
    }

    /// Draws the mask of an input that lies so: 0, or what keeps the mean.
    fn draw(&self, x: &Layout, mask: &mut [u32]) -> Result<()> {
        let keep = 1.0 - self.p;
        let values: &mut [f32] = bytemuck::cast_slice_mut(mask);
        if self.p == 0.0 {
            values.fill(1.0);
        } else if self.p == 1.0 {
            values.fill(0.0);
        } else if x.numel() > 0 {
            let scale = 1.0 / keep as f32;
            random::with(self.generator, |g| g.fill_bernoulli(values, keep, scale))?;
        }
        let permuted = x.is_dense() && !x.is_contiguous();
        if permuted && !self.channels {
            // PyTorch's mask has the strides of x, so that it is drawn along the memory.
            let mut drawn = scratch::<u32>(mask.len())?;
            drawn.copy_from_slice(mask);
            map::gather(&drawn, &Layout { offset: 0, ..x.clone() }, mask);
        }
        Ok(())
    }
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        if self.channels {
            "dropout2d"
        } else {
            "dropout"
        }
    }

    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        x[0].require_float()?;
        Ok(vec![x[0].clone(), Meta::f32(self.mask(&x[0].shape)?)])
    }

    fn strided(&self) -> bool {
        true
    }

    fn saves(&self) -> Saves {
        Saves::outputs(0b10)
    }

    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let [out, mask] = out else {
            return Err(Error::argument("expected two outputs"));
        };
        self.draw(x[0].layout, mask.words())?;
        let spread = shape::expand(&Layout::contiguous(mask.shape().to_vec()), x[0].shape())?;
        let x = Operand { data: x[0].storage_f32(), layout: x[0].layout.clone() };
        map::map2(&x, &Operand { data: mask.f32(), layout: spread }, out.f32(), |x, mask| x * mask);
        Ok(())
    }

    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        // Drawn on the host, so that a seed means the same on both devices.
        let mut words = scratch(out[1].numel())?;
        self.draw(x[0].layout, &mut words)?;
        let spread = shape::expand(&Layout::contiguous(out[1].shape.clone()), x[0].shape())?;
        let kernel =
            Kernel::elementwise("dropout", out[0].numel(), "  store(i, x[x_at(i)] * mask[mask_at(i)]);")
                .input("x", 0, x)
                .output("mask", 1, out)
                .result(0);
        let kernel = Axes::new(x[0].shape(), &[x[0].layout, &spread]).add_to(kernel, &["x", "mask"]);
        Ok(Plan::Upload { output: 1, words, kernel })
    }

    fn backward(&self, ctx: &Context, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(binary::mul().of(dy, &ctx.output(1)?)?)])
    }
}

pub fn operations() -> Vec<Operation> {
    let op = |name, channels| Operation {
        name,
        inputs: 1..=1,
        call: Call::op(move |args| Ok(Rc::new(Dropout::from(args, channels)?))),
        // A mask between the ends is drawn along the memory, so that it depends on the strides.
        samples: || {
            vec![
                Sample::new(vec![sample::floats(&[2, 3])], &[0.0, 0.0]),
                Sample::new(vec![sample::floats(&[2, 3])], &[1.0, 0.0]),
            ]
        },
    };
    vec![op("dropout", false), op("dropout2d", true)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::apply;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn drop(x: &[usize], channels: bool) -> Vec<f32> {
        random::seed(random::DEFAULT_GENERATOR, 42).unwrap();
        let op = Dropout { p: 0.4, generator: random::DEFAULT_GENERATOR, channels };
        apply(op, &[&Tensor::full(&Meta::f32(x), 1.0).unwrap()]).unwrap().to_vec_f32().unwrap()
    }

    #[test]
    fn the_mask_of_a_transposed_input_is_drawn_along_its_memory() {
        // torch.manual_seed(42); F.dropout(torch.ones(4, 3).t(), 0.4)
        random::seed(random::DEFAULT_GENERATOR, 42).unwrap();
        let op = Dropout { p: 0.4, generator: random::DEFAULT_GENERATOR, channels: false };
        let x = crate::ops::view::transpose(&Tensor::full(&Meta::f32([4, 3]), 1.0).unwrap()).unwrap();
        let k = 1.6666666;
        let expected = [k, k, 0., k, k, k, 0., k, k, k, k, k];
        assert_eq!(apply(op, &[&x]).unwrap().to_vec_f32().unwrap(), expected);
    }

    #[test]
    fn drops_what_pytorch_drops() {
        // torch.manual_seed(42); F.dropout(torch.ones(12), 0.4)
        let k = 1.6666666;
        assert_eq!(drop(&[12], false), [k, k, k, k, k, k, 0., 0., k, k, k, k]);
        // torch.manual_seed(42); F.dropout2d(torch.ones(2, 4, 2, 1), 0.4).flatten()
        let channels = drop(&[2, 4, 2, 1], true);
        assert_eq!(channels, [k, k, k, k, k, k, k, k, k, k, k, k, 0., 0., 0., 0.]);
    }
}
