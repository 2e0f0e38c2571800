//! WGSL functions that kernels may call: what Rust has and WGSL lacks, under the names that the rows of
//! elementwise operations use. Only those that a source names are added to it.

struct Function {
    name: &'static str,
    source: &'static str,
}

macro_rules! functions {
    ($($name:literal $source:literal)*) => {
        &[$(Function { name: $name, source: $source }),*]
    };
}

static FUNCTIONS: &[Function] = functions! {
    "Numbers" "struct Numbers { a: f32, b: f32 }\n"
    "gelu_tanh_grad" "fn gelu_tanh_grad(x: f32, dy: f32) -> f32 {
  let t = tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x));
  return dy * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * x * x));
}\n"
    "mish_grad" "fn mish_grad(x: f32, dy: f32) -> f32 {
  let t = tanh(softplus(x));
  return dy * (t + x * sigmoid(x) * (1.0 - t * t));
}\n"
    "softplus" "fn softplus(x: f32) -> f32 { return select(log1p(exp(min(x, 20.0))), x, x > 20.0 || is_nan(x)); }\n"
    "sigmoid" "fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }\n"
    "log1p" "fn log1p(x: f32) -> f32 {
  // Kahan: the rounding of 1 + x is undone by the quotient.
  let u = 1.0 + x;
  return select(log(u) * (x / (u - 1.0)), select(x, log(u), u != 1.0), u == 1.0 || is_inf(u));
}\n"
    "expm1" "fn expm1(x: f32) -> f32 {
  let series = x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (0.008333334 + x * 0.0013888889)))));
  return select(exp(x) - 1.0, series, abs(x) < 0.35);
}\n"
    "erf" "fn erf(x: f32) -> f32 {
  // Abramowitz and Stegun 7.1.26 is too coarse for float32: a series near zero, a rational form beyond.
  let a = abs(x);
  let s = x * x;
  let near = x * (1.1283791671 + s * (-0.3761263890 + s * (0.1128379167 + s * (-0.0268661706 + s * (0.0052239776 + s * (-0.0008548327 + s * (0.0001205533 - s * 0.0000149256)))))));
  let t = 1.0 / (1.0 + 0.5 * a);
  let far = 1.0 - t * exp(-s - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))))));
  return select(select(sign(x) * far, near, a < 0.7), x, is_nan(x));
}\n"
    "remainder" "fn remainder(x: f32, y: f32) -> f32 {
  let rest = x % y;
  return select(rest, rest + y, rest != 0.0 && (rest < 0.0) != (y < 0.0));
}\n"
    "within" "fn within(x: f32, low: f32, high: f32) -> bool {
  return (x > low || (is_inf(low) && low < 0.0)) && (x < high || (is_inf(high) && high > 0.0));
}\n"
    "clamp" "fn clamp(x: f32, low: f32, high: f32) -> f32 {
  let y = select(x, low, x < low);
  return select(y, high, y > high);
}\n"
    "tanh" "fn tanh(x: f32) -> f32 {
  let t = expm1(2.0 * clamp(x, -15.0, 15.0));
  return t / (t + 2.0);
}\n"
    "sign" "fn sign(x: f32) -> f32 { return select(select(0.0, -1.0, x < 0.0), 1.0, x > 0.0); }\n"
    // Compilers may assume that no float is NaN or infinite: the bits do not lie.
    "is_nan" "fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }\n"
    "is_inf" "fn is_inf(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u; }\n"
    "GELU_SCALE" "const GELU_SCALE: f32 = 0.7978846;\n"
    "GELU_CUBIC" "const GELU_CUBIC: f32 = 0.044715;\n"
    "LN_2" "const LN_2: f32 = 0.6931472;\n"
    "LN_10" "const LN_10: f32 = 2.3025851;\n"
    "SQRT_1_2" "const SQRT_1_2: f32 = 0.70710677;\n"
    "TWO_OVER_SQRT_PI" "const TWO_OVER_SQRT_PI: f32 = 1.1283792;\n"
    "NORMAL_DENSITY" "const NORMAL_DENSITY: f32 = 0.3989423;\n"
};

/// Appends the functions that `source` names, and those that these name.
pub(super) fn add_functions(source: &mut String) {
    let mut missing: Vec<&Function> = FUNCTIONS.iter().collect();
    loop {
        let (named, others): (Vec<_>, Vec<_>) = missing.into_iter().partition(|f| names(source, f.name));
        if named.is_empty() {
            return;
        }
        named.iter().for_each(|function| source.push_str(function.source));
        missing = others;
    }
}

/// Whether `source` holds `name` as a whole word.
fn names(source: &str, name: &str) -> bool {
    let is_word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let bytes = source.as_bytes();
    source.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).is_some_and(|i| is_word(bytes[i]));
        let after = bytes.get(at + name.len()).is_some_and(|&c| is_word(c));
        !before && !after
    })
}
