//! Reductions over dimensions. Every kernel works on [`Fold`]: three dimensions, of which the middle one goes.
mod arg;
mod cumsum;
mod extreme;
pub mod gpu;
mod logic;
mod moment;
mod norm;
mod prod;
mod spread;
mod sum;

pub use arg::{arg_extreme, ArgExtreme};
pub use cumsum::cumsum;
pub use extreme::extreme;
pub use prod::product;
pub use sum::{sum, sum_dims, sum_i32};

use super::Operation;
use crate::args::Args;
use crate::error::{Error, Result};
use crate::ops::view;
use crate::shape::{normalize_dims, reduced, Shape};
use crate::storage::scratch;
use crate::tensor::{DType, Meta, Tensor};

/// Elements `(o, r, i)` of a contiguous `[outer, reduced, inner]`; results lie at `(o, i)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    pub outer: usize,
    pub reduced: usize,
    pub inner: usize,
}

impl Fold {
    /// Along one dimension of `shape`.
    pub fn along(shape: &[usize], dim: usize) -> Self {
        // A scalar counts as a vector of one element.
        Fold {
            outer: shape.iter().take(dim).product(),
            reduced: shape.get(dim).copied().unwrap_or(1),
            inner: shape.iter().skip(dim + 1).product(),
        }
    }

    /// How many elements go in.
    pub fn len(&self) -> usize {
        self.outer * self.reduced * self.inner
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many results come out.
    pub fn results(&self) -> usize {
        self.outer * self.inner
    }
}

/// The folds, one after the other, that reduce `dims` (ascending) of `shape`: neighbouring dimensions go at once.
pub fn folds(shape: &[usize], dims: &[usize]) -> Vec<Fold> {
    // Dimensions of size 1 are nothing to step over.
    let sizes: Vec<(usize, bool)> =
        (0..shape.len()).filter(|&d| shape[d] != 1).map(|d| (shape[d], dims.contains(&d))).collect();
    let mut folds = vec![];
    let (mut end, mut inner) = (sizes.len(), 1);
    while end > 0 {
        let goes = sizes[end - 1].1;
        let start = sizes[..end].iter().rposition(|s| s.1 != goes).map_or(0, |last| last + 1);
        let size: usize = sizes[start..end].iter().map(|s| s.0).product();
        if goes {
            let outer = sizes[..start].iter().map(|s| s.0).product();
            folds.push(Fold { outer, reduced: size, inner });
        } else {
            inner *= size;
        }
        end = start;
    }
    folds
}

/// Runs `kernel` for every fold, through scratch memory where there are several.
fn run_folds<T: bytemuck::Pod>(
    x: &[T],
    folds: &[Fold],
    out: &mut [T],
    kernel: impl Fn(Fold, &[T], &mut [T]),
) -> Result<()> {
    match folds {
        [] => out.copy_from_slice(x),
        [only] => kernel(*only, x, out),
        [first, rest @ ..] => {
            let mut partial = scratch(first.results())?;
            kernel(*first, x, &mut partial);
            run_folds(&partial, rest, out, kernel)?;
        }
    }
    Ok(())
}

/// Which dimensions go, as the user wrote it; an empty list means all.
#[derive(Clone)]
struct Dims {
    dims: Vec<i64>,
    keepdim: bool,
}

impl Dims {
    fn from(args: &mut Args) -> Result<Self> {
        Ok(Dims { dims: args.ints("dim")?, keepdim: args.flag("keepdim")? })
    }

    fn over(dims: &[usize], keepdim: bool) -> Self {
        Dims { dims: dims.iter().map(|&d| d as i64).collect(), keepdim }
    }

    /// Counted from the front, ascending.
    fn of(&self, shape: &[usize]) -> Result<Vec<usize>> {
        normalize_dims(&self.dims, shape.len())
    }

    fn output(&self, shape: &[usize]) -> Result<Shape> {
        Ok(reduced(shape, &self.of(shape)?, self.keepdim))
    }

    fn folds(&self, shape: &[usize]) -> Result<Vec<Fold>> {
        Ok(folds(shape, &self.of(shape)?))
    }

    /// How many elements become one.
    fn count(&self, shape: &[usize]) -> Result<usize> {
        Ok(self.of(shape)?.iter().map(|&d| shape[d]).product())
    }

    /// An error where there is nothing to choose from, for reductions without a neutral element.
    fn require_elements(&self, shape: &[usize]) -> Result<()> {
        match self.of(shape)?.iter().find(|&&d| shape[d] == 0) {
            Some(d) if !self.dims.is_empty() => Err(Error::index(format!(
                "expected dimension {d} to have non-zero size, got shape {shape:?}"
            ))),
            Some(_) => Err(Error::argument(format!("expected at least one element, got shape {shape:?}"))),
            None => Ok(()),
        }
    }

    /// `y`, a result for inputs of `shape`, with the reduced dimensions as size 1.
    fn keep(&self, y: &Tensor, shape: &[usize]) -> Result<Tensor> {
        view::reshape(y, &reduced(shape, &self.of(shape)?, true))
    }
}

/// The dtype must be float32, as for PyTorch's `mean` and its relatives.
fn require_float(x: &Meta) -> Result<()> {
    if x.dtype == DType::F32 {
        return Ok(());
    }
    Err(Error::dtype(format!("expected a float32 tensor, got {}; cast it first", x.dtype.name())))
}

pub fn operations() -> Vec<Operation> {
    let files = [
        sum::operations,
        extreme::operations,
        arg::operations,
        prod::operations,
        cumsum::operations,
        moment::operations,
        logic::operations,
        norm::operations,
    ];
    files.iter().flat_map(|file| file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn neighbouring_dimensions_fold_at_once() {
        let fold = |outer, reduced, inner| Fold { outer, reduced, inner };
        assert_eq!(folds(&[2, 3, 4], &[1]), [fold(2, 3, 4)]);
        assert_eq!(folds(&[2, 3, 4], &[0, 1, 2]), [fold(1, 24, 1)]);
        assert_eq!(folds(&[2, 3, 4, 5], &[0, 2, 3]), [fold(6, 20, 1), fold(1, 2, 3)]);
        assert_eq!(folds(&[2, 1, 4], &[0, 2]), [fold(1, 8, 1)]);
        assert_eq!(folds(&[0, 3], &[0]), [fold(1, 0, 3)]);
        assert_eq!(folds(&[], &[]), []);
    }
}
