//! The exponential function and its relatives, in a form that the compiler turns into SIMD.

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; multiples of the first are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// A sum with this has no fraction, and a whole number in its low bits.
const ROUNDS: f32 = 12_582_912.0;

/// e^x to 2 units in the last place. NaN stays NaN; what is too large becomes infinite, what is too small 0.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let (n, e) = split(x);
    // 2^n in two factors, as n may lie outside of the exponents.
    let half = n >> 1;
    (e + 1.0) * power_of_two(half) * power_of_two(n - half)
}

/// e^x - 1, exact to a few units in the last place near 0 as well.
#[inline(always)]
pub fn expm1(x: f32) -> f32 {
    let (n, e) = split(x);
    // Beyond 2^64 and below 2^-64 the 1 is lost in rounding.
    let scale = power_of_two(n.clamp(-64, 64));
    let near = e * scale + (scale - 1.0);
    if n > 64 {
        exp(x)
    } else {
        near
    }
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh(x) = (e^2x - 1) / (e^2x + 1)
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    // Of the absolute value, whose exponential does not fall to 0; beyond 10 the result is 1. NaN passes.
    let t = x.abs();
    let t = if t > 10.0 { 10.0 } else { t };
    let e = expm1(2.0 * t);
    (e / (e + 2.0)).copysign(x)
}

/// n and e^r - 1 with e^x = 2^n e^r, |r| <= ln(2) / 2.
#[inline(always)]
fn split(x: f32) -> (i32, f32) {
    // Beyond these limits e^x is 0 or infinite; NaN passes.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
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
    (shifted.to_bits().wrapping_sub(ROUNDS.to_bits()) as i32, p * (r * r) + r)
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

    /// The largest error in units of the last place, which stop shrinking below the smallest normal number.
    fn worst(range: std::ops::Range<i32>, step: f32, f: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let error = |x: f32| {
            let exact = exact(x as f64);
            let unit = (exact.abs() * f32::EPSILON as f64).max(f32::from_bits(1) as f64);
            (f(x) as f64 - exact).abs() / unit
        };
        range.map(|i| error(i as f32 * step)).fold(0.0, f64::max)
    }

    #[test]
    fn agrees_with_the_exact_functions() {
        let near_exp = worst(-1_050_000..887_200, 1e-4, exp, f64::exp);
        assert!(near_exp <= 1.0, "exp: {near_exp}");
        for (range, step) in [(-1_050_000..887_200, 1e-4), (-100_000..100_000, 1e-6)] {
            for (name, f, exact) in
                [("expm1", expm1 as fn(f32) -> f32, f64::exp_m1 as fn(f64) -> f64), ("tanh", tanh, f64::tanh)]
            {
                let error = worst(range.clone(), step, f, exact);
                assert!(error <= 2.0, "{name}: {error} for multiples of {step}");
            }
        }
        let near_sigmoid = worst(-850_000..1_000_000, 1e-4, sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
        assert!(near_sigmoid <= 2.0, "sigmoid: {near_sigmoid}");
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
        assert_eq!(expm1(0.0), 0.0);
        assert_eq!(expm1(f32::INFINITY), f32::INFINITY);
        assert_eq!(expm1(f32::NEG_INFINITY), -1.0);
        assert!(expm1(88.7) < f32::INFINITY);
        assert!(expm1(f32::NAN).is_nan());
        assert_eq!(tanh(-0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!([tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)], [1.0, -1.0]);
        assert!(tanh(f32::NAN).is_nan());
        assert_eq!([sigmoid(f32::INFINITY), sigmoid(f32::NEG_INFINITY)], [1.0, 0.0]);
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
