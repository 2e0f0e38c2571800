//! Where the elements of views and broadcast tensors lie, in WGSL.
use super::kernel::Kernel;
use crate::shape::Layout;

/// The axes of a loop over `shape`, with the strides of several layouts of that shape, merged where all allow it.
pub struct Axes {
    sizes: Vec<usize>,
    strides: Vec<Vec<usize>>,
    offsets: Vec<usize>,
}

impl Axes {
    pub fn new(shape: &[usize], layouts: &[&Layout]) -> Self {
        let mut axes =
            Axes { sizes: vec![], strides: vec![], offsets: layouts.iter().map(|l| l.offset).collect() };
        for (d, &size) in shape.iter().enumerate().filter(|(_, &size)| size != 1) {
            let step: Vec<usize> = layouts.iter().map(|layout| layout.strides[d]).collect();
            match (axes.sizes.last_mut(), axes.strides.last_mut()) {
                (Some(outer), Some(last)) if last.iter().zip(&step).all(|(l, s)| *l == s * size) => {
                    *outer *= size;
                    *last = step;
                }
                _ => {
                    axes.sizes.push(size);
                    axes.strides.push(step);
                }
            }
        }
        axes
    }

    /// Adds `fn NAME_at(i: u32) -> u32` for each layout: the place in its storage of element `i` of the loop.
    /// Sizes and strides are numbers of the kernel, so that one pipeline serves all of one rank.
    pub fn add_to(&self, mut kernel: Kernel, names: &[&'static str]) -> Kernel {
        let rank = self.sizes.len();
        // A kernel may have several loops.
        let first = names[0];
        for (k, name) in names.iter().enumerate() {
            kernel = kernel.u32(format!("{name}_offset"), self.offsets[k]);
            let mut body = format!("fn {name}_at(i: u32) -> u32 {{\n");
            if rank > 1 {
                body.push_str("  var rest = i;\n");
            }
            body.push_str(&format!("  var at = p.{name}_offset;\n"));
            for d in (0..rank).rev() {
                kernel = kernel.u32(format!("{name}_stride{d}"), self.strides[d][k]);
                let index = match (rank, d) {
                    (1, _) => "i".to_string(),
                    (_, 0) => "rest".to_string(),
                    _ => format!("rest % p.{first}_size{d}"),
                };
                body.push_str(&format!("  at += ({index}) * p.{name}_stride{d};\n"));
                if d > 0 {
                    body.push_str(&format!("  rest /= p.{first}_size{d};\n"));
                }
            }
            body.push_str("  return at;\n}\n");
            kernel = kernel.with(&body);
        }
        for d in 1..rank {
            kernel = kernel.u32(format!("{first}_size{d}"), self.sizes[d]);
        }
        kernel
    }
}
