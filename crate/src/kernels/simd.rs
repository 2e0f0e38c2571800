//! Four float32 lanes: WASM's `v128`, or an array that the compiler turns into whatever the host has.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    use std::arch::wasm32::*;

    #[derive(Clone, Copy)]
    pub struct F32x4(v128);

    impl F32x4 {
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            F32x4(f32x4_splat(x))
        }
        #[inline(always)]
        pub fn from_array(x: [f32; 4]) -> Self {
            F32x4(f32x4(x[0], x[1], x[2], x[3]))
        }
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            [
                f32x4_extract_lane::<0>(self.0),
                f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0),
                f32x4_extract_lane::<3>(self.0),
            ]
        }
        /// `self + a * b`.
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            F32x4(f32x4_add(self.0, f32x4_mul(a.0, b.0)))
        }
        /// The bits that are set in both.
        #[inline(always)]
        pub fn and(self, mask: Self) -> Self {
            F32x4(v128_and(self.0, mask.0))
        }
        /// Rows to columns.
        #[inline(always)]
        pub fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
            let (ab_low, ab_high) =
                (i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0), i32x4_shuffle::<2, 6, 3, 7>(a.0, b.0));
            let (cd_low, cd_high) =
                (i32x4_shuffle::<0, 4, 1, 5>(c.0, d.0), i32x4_shuffle::<2, 6, 3, 7>(c.0, d.0));
            [
                F32x4(i64x2_shuffle::<0, 2>(ab_low, cd_low)),
                F32x4(i64x2_shuffle::<1, 3>(ab_low, cd_low)),
                F32x4(i64x2_shuffle::<0, 2>(ab_high, cd_high)),
                F32x4(i64x2_shuffle::<1, 3>(ab_high, cd_high)),
            ]
        }
        /// # Safety
        /// Four elements must lie at `p`.
        #[inline(always)]
        pub unsafe fn load(p: *const f32) -> Self {
            F32x4(v128_load(p.cast()))
        }
        /// # Safety
        /// Four elements must lie at `p`.
        #[inline(always)]
        pub unsafe fn store(self, p: *mut f32) {
            v128_store(p.cast(), self.0)
        }
        /// # Safety
        /// An element must lie at `p`.
        #[inline(always)]
        pub unsafe fn load_splat(p: *const f32) -> Self {
            F32x4(v128_load32_splat(p.cast()))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod lanes {
    #[derive(Clone, Copy)]
    pub struct F32x4([f32; 4]);

    impl F32x4 {
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            F32x4([x; 4])
        }
        #[inline(always)]
        pub fn from_array(x: [f32; 4]) -> Self {
            F32x4(x)
        }
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            self.0
        }
        /// `self + a * b`.
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            F32x4(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
        }
        /// The bits that are set in both.
        #[inline(always)]
        pub fn and(self, mask: Self) -> Self {
            F32x4(std::array::from_fn(|i| f32::from_bits(self.0[i].to_bits() & mask.0[i].to_bits())))
        }
        /// Rows to columns.
        #[inline(always)]
        pub fn transpose(rows: [Self; 4]) -> [Self; 4] {
            std::array::from_fn(|i| F32x4(rows.map(|row| row.0[i])))
        }
        /// # Safety
        /// Four elements must lie at `p`.
        #[inline(always)]
        pub unsafe fn load(p: *const f32) -> Self {
            F32x4(p.cast::<[f32; 4]>().read_unaligned())
        }
        /// # Safety
        /// Four elements must lie at `p`.
        #[inline(always)]
        pub unsafe fn store(self, p: *mut f32) {
            p.cast::<[f32; 4]>().write_unaligned(self.0)
        }
        /// # Safety
        /// An element must lie at `p`.
        #[inline(always)]
        pub unsafe fn load_splat(p: *const f32) -> Self {
            Self::splat(*p)
        }
    }
}

pub use lanes::F32x4;

impl F32x4 {
    pub fn sum(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        (a + b) + (c + d)
    }
}
