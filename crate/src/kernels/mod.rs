//! Plain loops on slices that several operations share.
pub mod conv;
pub mod gemm;
pub mod map;
mod simd;
