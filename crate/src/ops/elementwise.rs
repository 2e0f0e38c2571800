//! Elementwise kernels of several inputs on the GPU, with broadcasting and conversion.
use super::copy::cast_expression;
use crate::error::Result;
use crate::gpu::kernel::{element, Kernel, Plan, Pointwise};
use crate::gpu::strided::Axes;
use crate::op::GpuInput;
use crate::shape;
use crate::tensor::{DType, Meta};

/// An input as statements see it: its name, which one it is, and the dtype it is converted to.
pub type Operand = (&'static str, usize, DType);

/// A kernel with a thread for each element `i` of `shape`. In `statements` the element that broadcasting puts
/// there has the operand's name.
pub fn broadcast(
    name: &'static str,
    shape: &[usize],
    x: &[GpuInput],
    operands: &[Operand],
    statements: &str,
) -> Result<Kernel> {
    let mut text = String::new();
    let mut layouts = vec![];
    for &(name, i, dtype) in operands {
        layouts.push(shape::expand(x[i].layout, shape)?);
        let value = cast_expression(&format!("{name}[{name}_at(i)]"), x[i].meta.dtype, dtype);
        text.push_str(&format!("  let {name} = {value};\n"));
    }
    text.push_str(statements);
    let mut kernel = Kernel::elementwise(name, shape.iter().product(), &text);
    for &(name, i, _) in operands {
        kernel = kernel.input(name, i, x);
    }
    let names: Vec<&'static str> = operands.iter().map(|operand| operand.0).collect();
    Ok(Axes::new(shape, &layouts.iter().collect::<Vec<_>>()).add_to(kernel, &names))
}

/// Output 0 as a float32 `expression` of all inputs, which it knows by these names. It can become part of the
/// kernel before it where there are at most two inputs that lie in order.
pub fn float(
    name: &'static str,
    x: &[GpuInput],
    names: &[&'static str],
    out: &Meta,
    expression: &'static str,
) -> Result<Plan> {
    let in_order = |x: &GpuInput| x.meta == out && x.layout.offset == 0 && x.layout.is_contiguous();
    if x.len() <= 2 && x.iter().all(in_order) {
        let read = names.get(1).copied();
        return Ok(Plan::Pointwise(Pointwise { value: names[0], read, expression, numbers: [0.0; 2] }));
    }
    let operands: Vec<Operand> = names.iter().enumerate().map(|(i, name)| (*name, i, DType::F32)).collect();
    let store = format!("  store(i, {expression});");
    Ok(broadcast(name, &out.shape, x, &operands, &store)?.result(0).into())
}

/// `kernel` with output 0, of any dtype, as what `store(index, value)` writes.
pub fn stored(kernel: Kernel, out: &[Meta]) -> Kernel {
    if out[0].dtype == DType::F32 {
        kernel.result(0)
    } else {
        written(kernel, out)
    }
}

/// As [`stored`], for kernels that write part of the output: nothing is fused into them.
pub fn written(kernel: Kernel, out: &[Meta]) -> Kernel {
    let store = format!("fn store(i: u32, value: {}) {{ y[i] = value; }}\n", element(out[0].dtype));
    kernel.output("y", 0, out).with(&store)
}
