//! Plain loops on slices that several operations share.
pub mod conv;
pub mod gemm;
pub mod integer;
pub mod map;
mod simd;
