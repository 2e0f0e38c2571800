//! Operations that pick, place and join elements.
mod cat;
mod choose;
mod flip;
mod gather;
mod one_hot;
mod pad;
mod select;

pub use cat::cat;
pub use choose::masked_fill;
pub use gather::scatter_add;

use super::Operation;
use crate::error::{Error, Result};
use crate::op::GpuInput;
use crate::tensor::{DType, Meta};

/// Indices must be int32.
fn require_index(index: &Meta) -> Result<()> {
    if index.dtype == DType::I32 {
        return Ok(());
    }
    Err(Error::dtype(format!("expected int32 indices, got {}", index.dtype.name())))
}

/// Every index must name one of `size` positions.
fn check_range(indices: &[i32], size: usize, dim: usize) -> Result<()> {
    match indices.iter().find(|&&i| i < 0 || i as usize >= size) {
        None => Ok(()),
        Some(i) => {
            Err(Error::index(format!("index {i} is out of range for dimension {dim} with size {size}")))
        }
    }
}

/// As [`check_range`] where the host knows the indices; elsewhere kernels guard themselves.
fn check_known_range(index: &GpuInput, size: usize, dim: usize) -> Result<()> {
    index.range.map_or(Ok(()), |(min, max)| check_range(&[min, max], size, dim))
}

/// Statements that store `value`, an expression of `j`, where `index` is a `j` of `p.size` positions. Where it is
/// not, float32 gets NaN, other dtypes what is at the nearest position.
fn picked(out: &[Meta], index: &str, value: &str) -> String {
    let mut statements = format!(
        "  let wanted = {index};\n  let j = u32(max(min(wanted, i32(p.size) - 1), 0));\n  var value = {value};\n"
    );
    if out[0].dtype == DType::F32 {
        statements.push_str("  if (i32(j) != wanted) { value = nan(value); }\n");
    }
    statements + "  store(i, value);"
}

pub fn operations() -> Vec<Operation> {
    let files = [
        cat::operations,
        select::operations,
        gather::operations,
        one_hot::operations,
        flip::operations,
        pad::operations,
        choose::operations,
    ];
    files.iter().flat_map(|file| file()).collect()
}
