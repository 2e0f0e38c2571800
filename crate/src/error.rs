//! What can go wrong with a user's input. Nothing a user passes may panic: a panic kills the WASM.
use std::fmt;

/// Which class of error TypeScript throws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Shape,
    Dtype,
    Argument,
    Index,
    Device,
    DeviceLost,
    Memory,
    Autograd,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Shape => "shape",
            Kind::Dtype => "dtype",
            Kind::Argument => "argument",
            Kind::Index => "index",
            Kind::Device => "device",
            Kind::DeviceLost => "device-lost",
            Kind::Memory => "memory",
            Kind::Autograd => "autograd",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    /// The operation's name with which the message begins, once it is known.
    operation: Option<String>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), operation: None }
    }
    pub fn shape(message: impl Into<String>) -> Self {
        Self::new(Kind::Shape, message)
    }
    pub fn dtype(message: impl Into<String>) -> Self {
        Self::new(Kind::Dtype, message)
    }
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Kind::Argument, message)
    }
    pub fn index(message: impl Into<String>) -> Self {
        Self::new(Kind::Index, message)
    }
    pub fn memory(message: impl Into<String>) -> Self {
        Self::new(Kind::Memory, message)
    }
    pub fn device(message: impl Into<String>) -> Self {
        Self::new(Kind::Device, message)
    }
    pub fn autograd(message: impl Into<String>) -> Self {
        Self::new(Kind::Autograd, message)
    }

    /// Puts the operation's name in front; the innermost caller that knows the name wins.
    pub fn of(mut self, operation: &str) -> Self {
        if self.operation.is_none() {
            self.message = format!("{operation}: {}", self.message);
            self.operation = Some(operation.to_string());
        }
        self
    }

    /// Names the operation that the user called, where one of its own steps is named.
    pub fn instead_of(mut self, operation: &str) -> Self {
        if let Some(inner) = self.operation.take() {
            self.message.replace_range(..inner.len() + 2, "");
        }
        self.of(operation)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Error {}
