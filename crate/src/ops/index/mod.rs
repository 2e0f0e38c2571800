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
