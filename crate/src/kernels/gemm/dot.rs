//! Products of few rows with rows, as dot products.
use super::{Matrix, Start};
use crate::kernels::simd::F32x4;

/// `C[i, j] = a_i . b_j` for few rows of A and rows of B that lie in order: packing B would cost more than the product.
#[allow(clippy::too_many_arguments)] // as gemm
pub fn dot_rows(m: usize, n: usize, k: usize, a: Matrix, b: Matrix, c: &mut [f32], ldc: usize, start: Start) {
    let row = |x: &Matrix<'_>, i: usize, last: usize| {
        let start = i.min(last) * x.row;
        start..start + k
    };
    for j in (0..n).step_by(2) {
        let y: [&[f32]; 2] = std::array::from_fn(|s| &b.data[row(&b, j + s, n - 1)]);
        for i in (0..m).step_by(4) {
            let x: [&[f32]; 4] = std::array::from_fn(|r| &a.data[row(&a, i + r, m - 1)]);
            let sums = dot_tile(x, y);
            for (r, sums) in sums.iter().enumerate().take(m - i) {
                for (s, sum) in sums.iter().enumerate().take(n - j) {
                    let at = (i + r) * ldc + j + s;
                    c[at] = sum
                        + match start {
                            Start::Zero => 0.0,
                            Start::C => c[at],
                            Start::RowBias(bias) => bias[i + r],
                            Start::ColumnBias(bias) => bias[j + s],
                        };
                }
            }
        }
    }
}

/// The dot products of four vectors with two.
fn dot_tile(x: [&[f32]; 4], y: [&[f32]; 2]) -> [[f32; 2]; 4] {
    let k = y[0].len();
    assert!(x.iter().chain(&y).all(|v| v.len() == k));
    let mut sum = [[F32x4::splat(0.0); 2]; 4];
    let whole = k - k % 4;
    // SAFETY: all slices have k elements.
    unsafe {
        for p in (0..whole).step_by(4) {
            let y0 = F32x4::load(y[0].as_ptr().add(p));
            let y1 = F32x4::load(y[1].as_ptr().add(p));
            for (sum, x) in sum.iter_mut().zip(&x) {
                let x = F32x4::load(x.as_ptr().add(p));
                sum[0] = sum[0].add_product(x, y0);
                sum[1] = sum[1].add_product(x, y1);
            }
        }
    }
    let rest = |x: &[f32], y: &[f32]| -> f32 { x[whole..].iter().zip(&y[whole..]).map(|(x, y)| x * y).sum() };
    std::array::from_fn(|i| std::array::from_fn(|j| sum[i][j].sum() + rest(x[i], y[j])))
}
