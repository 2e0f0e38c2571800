//! Torchlet's engine: tensors, kernels and the autograd tape.
//!
//! - [`tensor`]: a tensor is a view (offset, shape, strides) of a reference-counted storage.
//! - [`op`]: what an operation is; [`ops`]: every operation, one file each.
//! - [`tape`]: `apply`, the only place that allocates outputs and records; `backward`.
//! - [`gpu`]: the WebGPU device.
//! - [`kernels`]: plain loops on slices that several operations share (matrix multiply, convolution).
//! - [`profile`]: how long operations take.
//! - [`random`]: PyTorch's generators.
//! - [`raw`]: what is exported to TypeScript, as integer handles and typed arrays.

pub mod args;
pub mod error;
pub mod gpu;
pub mod kernels;
pub mod op;
pub mod ops;
pub mod profile;
pub mod random;
pub mod raw;
pub mod shape;
pub mod storage;
pub mod tape;
pub mod tensor;
