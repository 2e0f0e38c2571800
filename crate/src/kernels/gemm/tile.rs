//! The micro-kernel: a tile of the product in registers.
use super::{Start, NR};
use crate::kernels::simd::F32x4;

/// A tile of C in registers.
pub struct Tile<'a> {
    pub row: usize,
    pub column: usize,
    pub width: usize,
    pub ldc: usize,
    pub start: Start<'a>,
}

impl Tile<'_> {
    #[inline(always)]
    pub fn run<const ROWS: usize>(&self, kc: usize, left: &[f32], right: &[f32], c: &mut [f32]) {
        assert!(left.len() >= kc * ROWS && right.len() >= kc * NR);
        let at = self.row * self.ldc + self.column;
        let whole = self.width == NR;
        if whole {
            assert!(c.len() >= at + (ROWS - 1) * self.ldc + NR);
        }
        let mut sum = [[F32x4::splat(0.0); 2]; ROWS];
        for (i, sum) in sum.iter_mut().enumerate() {
            *sum = match self.start {
                Start::Zero => [F32x4::splat(0.0); 2],
                Start::RowBias(bias) => [F32x4::splat(bias[self.row + i]); 2],
                Start::ColumnBias(bias) => two(&bias[self.column..self.column + self.width]),
                Start::C => {
                    let from = at + i * self.ldc;
                    two(&c[from..from + self.width])
                }
            };
        }
        let (mut a, mut b) = (left.as_ptr(), right.as_ptr());
        // SAFETY: the assertion above bounds every read; both pointers end one past their panels.
        unsafe {
            for _ in 0..kc {
                let b0 = F32x4::load(b);
                let b1 = F32x4::load(b.add(4));
                for (i, sum) in sum.iter_mut().enumerate() {
                    let x = F32x4::load_splat(a.add(i));
                    sum[0] = sum[0].add_product(x, b0);
                    sum[1] = sum[1].add_product(x, b1);
                }
                a = a.add(ROWS);
                b = b.add(NR);
            }
        }
        for (i, sum) in sum.iter().enumerate() {
            let from = at + i * self.ldc;
            if whole {
                // SAFETY: asserted above.
                unsafe {
                    sum[0].store(c.as_mut_ptr().add(from));
                    sum[1].store(c.as_mut_ptr().add(from + 4));
                }
            } else {
                let row = [sum[0].to_array(), sum[1].to_array()];
                let target = &mut c[from..from + self.width];
                for (j, value) in row.as_flattened().iter().enumerate() {
                    if j < target.len() {
                        target[j] = *value;
                    }
                }
            }
        }
    }
}

/// Up to eight elements as two vectors.
#[inline(always)]
fn two(x: &[f32]) -> [F32x4; 2] {
    if x.len() == NR {
        // SAFETY: there are eight.
        return unsafe { [F32x4::load(x.as_ptr()), F32x4::load(x.as_ptr().add(4))] };
    }
    let mut row = [0.0; NR];
    for (j, r) in row.iter_mut().enumerate() {
        if j < x.len() {
            *r = x[j];
        }
    }
    [F32x4::from_array([row[0], row[1], row[2], row[3]]), F32x4::from_array([row[4], row[5], row[6], row[7]])]
}
