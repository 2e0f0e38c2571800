//! one_hot.
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Plan};
use crate::op::{GpuInput, Input, Op, Output};
use crate::ops::{sample, Call, Operation, Sample};
use crate::storage::Device;
use crate::tape::apply;
use crate::tensor::{DType, Meta, Tensor};

/// For each index a row of zeros with a 1 at the index.
struct OneHot {
    classes: usize,
}

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }
    fn outputs(&self, x: &[&Meta]) -> Result<Vec<Meta>> {
        super::require_index(x[0])?;
        let mut shape = x[0].shape.clone();
        shape.push(self.classes);
        Ok(vec![Meta::new(shape, DType::I32)])
    }
    fn differentiable(&self) -> bool {
        false
    }
    fn cpu(&self, x: &[Input], out: &mut [Output]) -> Result<()> {
        let (classes, out) = (self.classes, out[0].i32());
        out.fill(0);
        for (k, &label) in x[0].i32().iter().enumerate() {
            self.check(label)?;
            out[k * classes + label as usize] = 1;
        }
        Ok(())
    }
    fn gpu(&self, x: &[GpuInput], out: &[Meta]) -> Result<Plan> {
        // A label that the host does not know, and that is out of range, gets a row of zeros.
        if let Some((min, max)) = x[0].range {
            self.check(min)?;
            self.check(max)?;
        }
        let statement = "  y[i] = i32(x[i / p.classes] == i32(i % p.classes));";
        let kernel = Kernel::elementwise("one_hot", out[0].numel(), statement).u32("classes", self.classes);
        Ok(kernel.input("x", 0, x).output("y", 0, out).into())
    }
}

impl OneHot {
    fn check(&self, label: i32) -> Result<()> {
        if label < 0 || label as usize >= self.classes {
            return Err(Error::index(format!("label {label} is out of range for {} classes", self.classes)));
        }
        Ok(())
    }
}

/// The largest label, if there are any.
fn largest(index: &Tensor) -> Result<Option<i32>> {
    if index.device() == Device::Cpu {
        return Ok(index.to_vec_i32()?.into_iter().max());
    }
    match GpuInput::new(index).range {
        Some((_, max)) => Ok(Some(max)),
        None => {
            Err(Error::device("the number of classes cannot be found on \"webgpu\" without waiting; give it"))
        }
    }
}

/// `classes` of -1: one more than the largest label.
fn one_hot(index: &Tensor, classes: i64) -> Result<Tensor> {
    let classes = match usize::try_from(classes) {
        Ok(0) => return Err(Error::argument("the number of classes should be positive, got 0")),
        Ok(classes) => classes,
        Err(_) if classes == -1 => {
            super::require_index(index.meta())?;
            match largest(index)? {
                Some(largest) => largest.max(-1).wrapping_add(1) as usize,
                None => return Err(Error::argument("the number of classes cannot be found without labels")),
            }
        }
        Err(_) => {
            return Err(Error::argument(format!("the number of classes should be positive, got {classes}")))
        }
    };
    apply(OneHot { classes }, &[index])
}

pub fn operations() -> Vec<Operation> {
    vec![Operation {
        name: "one_hot",
        inputs: 1..=1,
        call: Call::Function(|x, args| Ok(vec![one_hot(&x[0], args.int("numClasses")?)?])),
        samples: || {
            vec![
                Sample::new(vec![sample::ints(&[2, 0, 1, 1], &[2, 2])], &[4.0]),
                Sample::new(vec![sample::ints(&[2, 0, 1], &[3])], &[-1.0]),
            ]
        },
    }]
}
