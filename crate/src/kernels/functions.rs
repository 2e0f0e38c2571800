//! Logarithms, the error function, sine and cosine, in a form that the compiler turns into SIMD.
use super::exp::exp;

/// ln 2 in two parts; multiples of the first are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// The natural logarithm. NaN for what is below 0, minus infinity for 0.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // Numbers below the normal ones are made normal.
    let tiny = x < f32::MIN_POSITIVE;
    let bits = (if tiny { x * 8_388_608.0 } else { x }).to_bits() as i32;
    // x = 2^n m, with m from sqrt(1/2) to sqrt(2)
    let above = bits.wrapping_sub(SQRT_1_2_BITS);
    let n = (above >> 23) - if tiny { 23 } else { 0 };
    let m = f32::from_bits(((above & 0x7f_ffff) + SQRT_1_2_BITS) as u32);
    let (n, z) = (n as f32, m - 1.0);
    // A polynomial in z, with the coefficients of Cephes' logf.
    let p = 7.037_683_6e-2;
    let p = p * z - 1.151_461e-1;
    let p = p * z + 1.167_7e-1;
    let p = p * z - 1.242_014_1e-1;
    let p = p * z + 1.424_932_3e-1;
    let p = p * z - 1.666_805_8e-1;
    let p = p * z + 2.000_071_5e-1;
    let p = p * z - 2.499_999_4e-1;
    let p = p * z + 3.333_333e-1;
    let square = z * z;
    let y = p * square * z + n * LN_2_LOW - 0.5 * square + z + n * LN_2_HIGH;
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f32::NAN } else { y };
    // Infinity and NaN are what they were.
    if x < f32::INFINITY {
        y
    } else {
        x
    }
}

const SQRT_1_2_BITS: i32 = 0x3f35_04f3;

/// ln(1 + x), exact to a few units in the last place near 0 as well.
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding 1 + x lost, to first order.
    let y = ln(u) + (x - (u - 1.0)) / u;
    // Where u is 0 or infinite nothing was lost.
    if u > 0.0 && u < f32::INFINITY {
        y
    } else {
        ln(u)
    }
}

/// The error function, to 1e-7.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    // Two polynomials, fitted for the least largest error: erf(x) / x in x^2 up to 1, and -ln(1 - erf(x)) in x above.
    let s = x * x;
    let p = -5.631_576_6e-4;
    let p = p * s + 4.917_594e-3;
    let p = p * s - 2.671_135_4e-2;
    let p = p * s + 1.128_018_2e-1;
    let p = p * s - 3.761_232_8e-1;
    let p = p * s + std::f32::consts::FRAC_2_SQRT_PI;
    let near = p * x;
    // Beyond 4 the result is 1; NaN passes.
    let t = x.abs();
    let t = if t > 4.0 { 4.0 } else { t };
    let q = -1.855_749e-4;
    let q = q * t + 2.939_615_6e-3;
    let q = q * t - 2.180_535_2e-2;
    let q = q * t + 1.030_374_3e-1;
    let q = q * t + 6.382_256e-1;
    let q = q * t + 1.127_04;
    let q = q * t + 3.537_089e-4;
    let far = (1.0 - exp(-q)).copysign(x);
    if t < 1.0 {
        near
    } else {
        far
    }
}

/// Sine and cosine of angles up to some thousands.
#[inline(always)]
pub fn sin_cos(x: f32) -> (f32, f32) {
    const ROUNDS: f32 = 12_582_912.0;
    // x = n pi / 2 + r; pi / 2 in three parts, so that multiples of the first two are exact.
    let shifted = x * std::f32::consts::FRAC_2_PI + ROUNDS;
    let n = shifted - ROUNDS;
    let r = x - n * 1.570_312_5 - n * 4.837_513e-4 - n * 7.549_79e-8;
    let s = r * r;
    // Polynomials with the coefficients of Cephes' sinf and cosf.
    let sin = ((-1.951_529_6e-4 * s + 8.332_161e-3) * s - 1.666_665_5e-1) * s * r + r;
    let cos = ((2.443_315_7e-5 * s - 1.388_731_6e-3) * s + 4.166_664_6e-2) * s * s - 0.5 * s + 1.0;
    let quarter = shifted.to_bits();
    let (a, b) = if quarter & 1 == 0 { (sin, cos) } else { (cos, sin) };
    // The signs: that of the sine changes in the third and fourth quarter, that of the cosine in the second and third.
    let sign = |flip: u32, value: f32| f32::from_bits(value.to_bits() ^ ((flip & 2) << 30));
    (sign(quarter, a), sign(quarter + 1, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn logarithms_agree_with_the_exact_functions() {
        for bits in (1..f32::INFINITY.to_bits()).step_by(4099) {
            let x = f32::from_bits(bits);
            for (name, y, exact) in [("ln", ln(x), (x as f64).ln()), ("ln_1p", ln_1p(x), (x as f64).ln_1p())]
            {
                let error = (y as f64 - exact).abs() / exact.abs().max(f32::MIN_POSITIVE as f64);
                assert!(error < 2.5e-7, "{name}({x:e}) is {y:e}, not {exact:e}");
            }
        }
        for i in -999_999..1_000_000 {
            let x = i as f32 * 1e-6;
            let exact = (x as f64).ln_1p();
            let error = (ln_1p(x) as f64 - exact).abs();
            assert!(error <= 2.5e-7 * exact.abs(), "ln_1p({x}) is {}, not {exact}", ln_1p(x));
        }
    }

    #[test]
    fn erf_agrees_with_the_exact_function() {
        for i in -60_000..60_000 {
            let x = i as f32 * 1e-4;
            let exact = libm::erf(x as f64);
            let error = (erf(x) as f64 - exact).abs();
            assert!(error <= 2.5e-7 * exact.abs(), "erf({x}) is {}, not {exact}", erf(x));
        }
    }

    #[test]
    fn sine_and_cosine_agree_with_the_exact_functions() {
        for i in -100_000..100_000 {
            let x = i as f32 * 1e-3;
            let (sin, cos) = sin_cos(x);
            let (exact_sin, exact_cos) = (x as f64).sin_cos();
            assert!((sin as f64 - exact_sin).abs() < 1.5e-7, "sin({x}) is {sin}, not {exact_sin}");
            assert!((cos as f64 - exact_cos).abs() < 1.5e-7, "cos({x}) is {cos}, not {exact_cos}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(ln(1.0), 0.0);
        assert_eq!([ln(0.0), ln(-0.0)], [f32::NEG_INFINITY; 2]);
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert!(ln(-1.0).is_nan() && ln(f32::NEG_INFINITY).is_nan() && ln(f32::NAN).is_nan());
        assert_eq!(ln_1p(0.0), 0.0);
        assert_eq!(ln_1p(-1.0), f32::NEG_INFINITY);
        assert_eq!(ln_1p(f32::INFINITY), f32::INFINITY);
        assert!(ln_1p(-1.5).is_nan() && ln_1p(f32::NAN).is_nan());
        assert_eq!([erf(0.0), erf(f32::INFINITY), erf(f32::NEG_INFINITY)], [0.0, 1.0, -1.0]);
        assert!(erf(f32::NAN).is_nan());
    }
}
