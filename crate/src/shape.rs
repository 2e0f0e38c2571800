//! Shapes: broadcasting, strides, views, and the sizes that convolution and pooling give. Nowhere else.
use crate::error::{Error, Result};

pub type Shape = Vec<usize>;

/// No tensor has more elements than this: they are four bytes each and addresses have 32 bits.
pub const MAX_ELEMENTS: usize = (u32::MAX / 4) as usize;

/// Where the elements of a tensor lie in its storage, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub offset: usize,
    pub shape: Shape,
    pub strides: Vec<usize>,
}

impl Layout {
    pub fn contiguous(shape: Shape) -> Self {
        let strides = contiguous_strides(&shape);
        Layout { offset: 0, shape, strides }
    }

    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size == 0 {
                return true;
            }
            if size != 1 {
                if stride != expected {
                    return false;
                }
                expected *= size;
            }
        }
        true
    }

    /// Whether the elements fill a piece of memory without gaps, in whatever order of dimensions.
    pub fn is_dense(&self) -> bool {
        let axes = self.strides.iter().copied().zip(self.shape.iter().copied());
        let mut axes: Vec<(usize, usize)> = axes.filter(|&(_, size)| size != 1).collect();
        axes.sort_unstable();
        let mut expected = 1;
        axes.iter().all(|&(stride, size)| {
            let fits = stride == expected;
            expected *= size;
            fits
        })
    }

    /// Whether two indices name one element, as in an expanded tensor.
    pub fn overlaps(&self) -> bool {
        self.shape.iter().zip(&self.strides).any(|(&size, &stride)| size > 1 && stride == 0)
    }
}

pub fn contiguous_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1);
    }
    strides
}

/// The number of elements, or an error where it cannot be stored.
pub fn checked_numel(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &size| n.checked_mul(size))
        .filter(|&n| n <= MAX_ELEMENTS || shape.contains(&0))
        .ok_or_else(|| {
            Error::memory(format!(
                "a tensor of shape {shape:?} has more elements than the {MAX_ELEMENTS} that fit in memory"
            ))
        })
        .map(|n| if shape.contains(&0) { 0 } else { n })
}

/// The shape that both broadcast to, as in PyTorch and NumPy.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Shape> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            (x, y) => Err(Error::shape(format!(
                "shapes {a:?} and {b:?} do not broadcast: size {x} meets {y} at dimension {i}"
            ))),
        })
        .collect()
}

/// `layout` read as `shape`, repeating what is broadcast with stride 0.
pub fn expand(layout: &Layout, shape: &[usize]) -> Result<Layout> {
    let fails = || Error::shape(format!("a tensor of shape {:?} does not expand to {shape:?}", layout.shape));
    let new = shape.len().checked_sub(layout.shape.len()).ok_or_else(fails)?;
    let mut strides = vec![0; shape.len()];
    for (i, (&size, &stride)) in layout.shape.iter().zip(&layout.strides).enumerate() {
        if size == shape[new + i] {
            strides[new + i] = stride;
        } else if size != 1 {
            return Err(fails());
        }
    }
    Ok(Layout { offset: layout.offset, shape: shape.to_vec(), strides })
}

/// A dimension counted from the front; `dim` may count from the end (-1 is the last).
pub fn normalize_dim(dim: i64, rank: usize) -> Result<usize> {
    // A scalar takes 0 and -1, as in PyTorch.
    let n = rank.max(1) as i64;
    if (-n..n).contains(&dim) {
        Ok((if dim < 0 { dim + n } else { dim }) as usize)
    } else {
        Err(Error::index(format!("dimension out of range (expected {} to {}, got {dim})", -n, n - 1)))
    }
}

/// Distinct dimensions counted from the front; an empty list means all of them.
pub fn normalize_dims(dims: &[i64], rank: usize) -> Result<Vec<usize>> {
    if dims.is_empty() {
        return Ok((0..rank).collect());
    }
    let mut seen = vec![false; rank.max(1)];
    for &dim in dims {
        let d = normalize_dim(dim, rank)?;
        if std::mem::replace(&mut seen[d], true) {
            return Err(Error::argument(format!("dimension {d} appears more than once in {dims:?}")));
        }
    }
    Ok((0..rank).filter(|&d| seen[d]).collect())
}

/// `shape` with its one -1 replaced by what fits `numel` elements.
pub fn infer_shape(shape: &[i64], numel: usize) -> Result<Shape> {
    let fails = || Error::shape(format!("shape {shape:?} is invalid for input of size {numel}"));
    let unknown = shape.iter().filter(|&&s| s == -1).count();
    if let Some(bad) = shape.iter().find(|&&s| s < -1) {
        return Err(Error::argument(format!("invalid shape dimension {bad} in {shape:?}")));
    }
    if unknown > 1 {
        return Err(Error::argument(format!("only one dimension can be inferred, got {shape:?}")));
    }
    let known = shape
        .iter()
        .filter(|&&s| s >= 0)
        .try_fold(1usize, |n, &s| n.checked_mul(s as usize))
        .ok_or_else(fails)?;
    let inferred = if unknown == 0 {
        if known != numel {
            return Err(fails());
        }
        0
    } else {
        if known == 0 || !numel.is_multiple_of(known) {
            return Err(fails());
        }
        numel / known
    };
    Ok(shape.iter().map(|&s| if s == -1 { inferred } else { s as usize }).collect())
}

/// `layout` seen with another shape of equal size without moving elements, where strides allow it.
pub fn view(layout: &Layout, shape: &[usize]) -> Option<Layout> {
    if layout.is_contiguous() || layout.numel() == 0 {
        return Some(Layout { offset: layout.offset, ..Layout::contiguous(shape.to_vec()) });
    }
    // Old dimensions that lie evenly behind each other form a block; new ones must not cross blocks.
    let mut strides = vec![0; shape.len()];
    let mut next = shape.len();
    let mut block = 1;
    let mut base = *layout.strides.last()?;
    for d in (0..layout.shape.len()).rev() {
        block *= layout.shape[d];
        let ends = d == 0 || (layout.shape[d - 1] != 1 && layout.strides[d - 1] != block * base);
        if !ends {
            continue;
        }
        let mut filled = 1;
        while next > 0 && (filled < block || shape[next - 1] == 1) {
            next -= 1;
            strides[next] = filled * base;
            filled *= shape[next];
        }
        if filled != block {
            return None;
        }
        if d > 0 {
            block = 1;
            base = layout.strides[d - 1];
        }
    }
    (next == 0).then(|| Layout { offset: layout.offset, shape: shape.to_vec(), strides })
}

/// The shape that is left after reducing `dims`.
pub fn reduced(shape: &[usize], dims: &[usize], keepdim: bool) -> Shape {
    shape
        .iter()
        .enumerate()
        .filter_map(|(d, &size)| match (dims.contains(&d), keepdim) {
            (false, _) => Some(size),
            (true, true) => Some(1),
            (true, false) => None,
        })
        .collect()
}

/// One spatial axis of a convolution or a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
}

impl Window {
    /// How many input positions the kernel spans.
    pub fn span(&self) -> Option<usize> {
        self.kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// Output positions for `size` input positions, as PyTorch counts them.
    pub fn output(&self, size: usize, ceil: bool) -> Result<usize> {
        let padded = self.padding.checked_mul(2).and_then(|p| p.checked_add(size));
        let free = padded.zip(self.span()).and_then(|(padded, span)| padded.checked_sub(span));
        let free = free.ok_or_else(|| {
            Error::shape(format!(
                "a kernel of {} with dilation {} does not fit an input of {size} with padding {}",
                self.kernel, self.dilation, self.padding
            ))
        })?;
        if !ceil {
            return Ok(free / self.stride + 1);
        }
        let count = free.div_ceil(self.stride) + 1;
        // The last window must start inside the input or its left padding.
        Ok(if (count - 1) * self.stride >= size + self.padding { count - 1 } else { count })
    }
}
