//! The exponential function, in a form that the compiler turns into SIMD.

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; multiples of the first are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// A sum with this has no fraction, and a whole number in its low bits.
const ROUNDS: f32 = 12_582_912.0;

/// e^x to 2 units in the last place. NaN stays NaN; what is too large becomes infinite, what is too small 0.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond these limits the result is 0 or infinite; NaN passes.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    // e^x = 2^n e^r, with |r| <= ln(2) / 2
    let shifted = x * LOG2_E + ROUNDS;
    let n = shifted - ROUNDS;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    // A polynomial in r, with the coefficients of Cephes' expf.
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let e = p * (r * r) + r + 1.0;
    // 2^n in two factors, as n may lie outside of the exponents.
    let n = shifted.to_bits().wrapping_sub(ROUNDS.to_bits()) as i32;
    let half = n >> 1;
    e * power_of_two(half) * power_of_two(n - half)
}

/// 2^n for n from -126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn agrees_with_the_exact_function() {
        for i in -1_050_000..900_000 {
            let x = i as f32 * 1e-4;
            let exact = (x as f64).exp();
            let error = (exp(x) as f64 - exact).abs();
            // Units in the last place, which stop shrinking below the smallest normal number.
            let unit = (exact * f32::EPSILON as f64).max(f32::from_bits(1) as f64);
            assert!(error <= unit || exact > f32::MAX as f64, "exp({x}) is {}, not {exact}", exp(x));
        }
    }

    #[test]
    fn limits() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(89.0), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-104.0), 0.0);
        assert!(exp(-103.0) > 0.0);
        assert!(exp(88.7) < f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }
}
