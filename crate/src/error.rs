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
    /// Whether the message already begins with an operation's name.
    named: bool,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), named: false }
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
        if !self.named {
            self.message = format!("{operation}: {}", self.message);
            self.named = true;
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Error {}
