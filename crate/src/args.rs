//! Parameters of a call: numbers that crossed the boundary as f64 and are checked here, by name.
use crate::error::{Error, Result};
use crate::shape::{checked_numel, Shape};

/// Reads the parameters of one call in their order.
pub struct Args<'a> {
    rest: std::slice::Iter<'a, f64>,
}

/// Sizes above this do not fit the engine's 32-bit indices.
const MAX_SIZE: f64 = 2_147_483_647.0;

impl<'a> Args<'a> {
    pub fn new(values: &'a [f64]) -> Self {
        Args { rest: values.iter() }
    }

    pub fn float(&mut self, name: &str) -> Result<f64> {
        self.rest.next().copied().ok_or_else(|| Error::argument(format!("{name} is missing")))
    }

    pub fn flag(&mut self, name: &str) -> Result<bool> {
        Ok(self.float(name)? != 0.0)
    }

    /// An integer, possibly negative.
    pub fn int(&mut self, name: &str) -> Result<i64> {
        let value = self.float(name)?;
        if value.fract() == 0.0 && value.abs() <= MAX_SIZE {
            Ok(value as i64)
        } else {
            Err(Error::argument(format!("{name} must be an integer, got {value}")))
        }
    }

    /// An index that may lie beyond any size, where it stands for the end.
    pub fn bound(&mut self, name: &str) -> Result<i64> {
        let value = self.float(name)?;
        if value.fract() == 0.0 || value.is_infinite() {
            Ok(value.clamp(-MAX_SIZE, MAX_SIZE) as i64)
        } else {
            Err(Error::argument(format!("{name} must be an integer, got {value}")))
        }
    }

    /// An integer, or nothing where NaN came.
    pub fn optional_int(&mut self, name: &str) -> Result<Option<i64>> {
        match self.rest.clone().next() {
            Some(value) if value.is_nan() => {
                self.rest.next();
                Ok(None)
            }
            _ => self.int(name).map(Some),
        }
    }

    /// An integer of at least `min`.
    pub fn at_least(&mut self, min: usize, name: &str) -> Result<usize> {
        let value = self.float(name)?;
        if value.fract() == 0.0 && value >= min as f64 && value <= MAX_SIZE {
            Ok(value as usize)
        } else {
            Err(Error::argument(format!("{name} must be an integer of at least {min}, got {value}")))
        }
    }

    pub fn size(&mut self, name: &str) -> Result<usize> {
        self.at_least(0, name)
    }

    /// A list of integers, written as its length and then its items.
    pub fn ints(&mut self, name: &str) -> Result<Vec<i64>> {
        let count = self.size(name)?;
        // Not `with_capacity(count)`: a wrong count must not reserve memory.
        (0..count).map(|_| self.int(name)).collect()
    }

    pub fn floats(&mut self) -> Vec<f64> {
        self.rest.by_ref().copied().collect()
    }
}

/// A shape given by the user, with a number of elements that can be stored.
pub fn shape_from(sizes: &[f64]) -> Result<Shape> {
    let mut args = Args::new(sizes);
    let shape = sizes.iter().map(|_| args.size("size")).collect::<Result<Shape>>()?;
    checked_numel(&shape)?;
    Ok(shape)
}
