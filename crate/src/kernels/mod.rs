//! Plain loops on slices that several operations share.
pub mod conv;
pub mod exp;
pub mod functions;
pub mod gemm;
pub mod integer;
pub mod map;
mod simd;
