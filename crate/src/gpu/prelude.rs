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
  // 2 atanh(x / (2 + x)): near zero nothing cancels.
  let s = x / (2.0 + x);
  let z = s * s;
  let near = s * (2.0 + z * (0.6666667 + z * (0.4 + z * (0.2857143 + z * (0.22222222 + z * 0.18181818)))));
  return select(log(1.0 + x), near, abs(x) < 0.4);
}\n"
    "log" "fn log(x: f32) -> f32 {
  let parts = log_parts(x);
  return log_edges(x, parts.x * 0.6931472 + parts.y);
}\n"
    "log2" "fn log2(x: f32) -> f32 {
  let parts = log_parts(x);
  return log_edges(x, parts.x + parts.y * 1.442695);
}\n"
    "log_parts" "// x = 2^e m with m between sqrt(1/2) and sqrt(2): e, log(m). WGSL's own log is coarse around 1.
fn log_parts(x: f32) -> vec2<f32> {
  let bits = bitcast<u32>(x);
  // What is too small for an implicit bit is an integer times 2^-149.
  let small = bits < 0x00800000u;
  let shifted = select(bits, bitcast<u32>(f32(bits)), small) + 0x004afb0du;
  let m = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
  let s = (m - 1.0) / (m + 1.0);
  let z = s * s;
  let e = f32(i32(shifted >> 23u) - 127) - select(0.0, 149.0, small);
  return vec2<f32>(e, s * (2.0 + z * (0.6666667 + z * (0.4 + z * (0.2857143 + z * 0.22222222)))));
}\n"
    "log_edges" "// y, but what the logarithm is at 0, at infinity, and where there is none.
fn log_edges(x: f32, y: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var edge = bitcast<u32>(y);
  if (bits >= 0x7f800000u) { edge = select(0x7fc00000u, bits, bits == 0x7f800000u); }
  if ((bits << 1u) == 0u) { edge = 0xff800000u; }
  return bitcast<f32>(edge);
}\n"
    "exp" "// Some drivers make infinity or 0 of NaN.
fn exp(x: f32) -> f32 {
  let bound = clamp(x, -110.0, 90.0);
  let n = round(bound * 1.442695);
  let g = (bound - n * 0.69314575) - n * 0.0000014286068;
  let y = 1.0 + g * (1.0 + g * (0.5 + g * (0.16666667 + g * (0.041666668 + g * (0.008333334 + g * (0.0013888889 + g * 0.0001984127))))));
  // In two steps, as in exp2.
  let half = i32(n) / 2;
  return select(y * power_of_two(half) * power_of_two(i32(n) - half), x, is_nan(x));
}\n"
    "exp2" "fn exp2(x: f32) -> f32 {
  let bound = clamp(x, -160.0, 130.0);
  let n = round(bound);
  let g = (bound - n) * 0.6931472;
  let y = 1.0 + g * (1.0 + g * (0.5 + g * (0.16666667 + g * (0.041666668 + g * (0.008333334 + g * (0.0013888889 + g * 0.0001984127))))));
  // In two steps: 2^n alone may be out of range where the result is not.
  let half = i32(n) / 2;
  return select(y * power_of_two(half) * power_of_two(i32(n) - half), x, is_nan(x));
}\n"
    "power_of_two" "fn power_of_two(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }\n"
    "pow" "fn pow(x: f32, y: f32) -> f32 {
  if (y == 0.0 || x == 1.0) { return 1.0; }
  if (is_nan(x) || is_nan(y)) { return nan(x); }
  let a = abs(x);
  let whole = y == trunc(y);
  var r = 1.0;
  if (a == 0.0 || is_inf(a) || (is_inf(y) && a != 1.0)) {
    r = bitcast<f32>(select(0u, 0x7f800000u, (a > 1.0) == (y > 0.0)));
  } else if (whole && abs(y) <= 64.0) {
    // Small integers multiply, so that 3^2 is 9.
    var base = select(a, 1.0 / a, y < 0.0);
    for (var n = u32(abs(y)); n > 0u; n >>= 1u) {
      r *= select(1.0, base, (n & 1u) == 1u);
      base *= base;
    }
  } else if (a != 1.0) {
    r = exp2(y * log2(a));
  }
  if (bitcast<u32>(x) < 0x80000000u) { return r; }
  if (whole) { return select(r, -r, abs(y) < 16777216.0 && (i32(y) & 1) == 1); }
  return select(nan(x), r, a == 0.0 || is_inf(a));
}\n"
    "nan" "// WGSL refuses a NaN that it can compute beforehand.
fn nan(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) | 0x7fc00000u); }\n"
    "quotient" "// x / y for floor(), by long division of the mantissas: WGSL's own division may miss an integer.
fn quotient(x: f32, y: f32) -> f32 {
  let a = bitcast<u32>(x) & 0x7fffffffu;
  let b = bitcast<u32>(y) & 0x7fffffffu;
  let normal = min(a, b) >= 0x00800000u && max(a, b) < 0x7f800000u;
  var m = (a & 0x007fffffu) | 0x00800000u;
  let n = (b & 0x007fffffu) | 0x00800000u;
  var e = i32(a >> 23u) - i32(b >> 23u) - i32(m < n);
  // What is no number below infinity, or is an integer anyway.
  if (!normal || e > 100) { return x / y; }
  m <<= u32(m < n);
  var q = 1u;
  m -= n;
  for (var i = 0; i < 3; i++) {
    m <<= 8u;
    q = (q << 8u) | (m / n);
    m %= n;
  }
  // At most half of the smallest number is 0.
  if (e < -150 || (e == -150 && q == 0x01000000u && m == 0u)) { return 0.0; }
  // 25 bits; a half goes to the even one.
  let up = (q & 1u) == 1u && (m != 0u || (q & 2u) == 2u);
  let size = f32((q >> 1u) + u32(up)) * power_of_two(max(e, -100) - 23);
  return select(size, -size, (x < 0.0) != (y < 0.0));
}\n"
    "sin" "fn sin(x: f32) -> f32 {
  let turns = quarter_turns(abs(x));
  return select(1.0, -1.0, x < 0.0) * sine(turns.angle, turns.count);
}\n"
    "cos" "fn cos(x: f32) -> f32 {
  let turns = quarter_turns(abs(x));
  return sine(turns.angle, turns.count + 1u);
}\n"
    "tan" "fn tan(x: f32) -> f32 {
  let turns = quarter_turns(abs(x));
  let y = sine(turns.angle, turns.count) / sine(turns.angle, turns.count + 1u);
  return select(y, -y, x < 0.0);
}\n"
    "sine" "// sin(x + n pi / 2) for x between -pi / 4 and pi / 4
fn sine(x: f32, n: u32) -> f32 {
  let z = x * x;
  let odd = x + x * z * (-0.16666667 + z * (0.008333333 + z * (-0.00019841270 + z * 0.0000027557319)));
  let even = 1.0 + z * (-0.5 + z * (0.041666668 + z * (-0.0013888889 + z * 0.000024801587)));
  let y = select(odd, even, (n & 1u) == 1u);
  return select(y, -y, (n & 2u) == 2u);
}\n"
    "Turns" "struct Turns { angle: f32, count: u32 }\n"
    "quarter_turns" "// x = count pi / 2 + angle for x >= 0, in integers (Payne and Hanek): exact for the largest x as well.
fn quarter_turns(x: f32) -> Turns {
  let bits = bitcast<u32>(x);
  if (bits >= 0x7f800000u) { return Turns(nan(x), 0u); }
  if (x < 0.78) { return Turns(x, 0u); }
  // 2 / pi behind 32 zeros; of it, 96 bits matter to the last quarters of x = m 2^(e - 23).
  var digits = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
  let m = (bits & 0x007fffffu) | 0x00800000u;
  let first = (bits >> 23u) - 120u;
  let word = first >> 5u;
  let shift = first & 31u;
  let w0 = (digits[word] << shift) | ((digits[word + 1u] >> 1u) >> (31u - shift));
  let w1 = (digits[word + 1u] << shift) | ((digits[word + 2u] >> 1u) >> (31u - shift));
  let w2 = (digits[word + 2u] << shift) | ((digits[word + 3u] >> 1u) >> (31u - shift));
  let middle = m * w1;
  let low = middle + mul_high(m, w2);
  let high = m * w0 + mul_high(m, w1) + u32(low < middle);
  // Two bits of quarters, then the fraction, which is taken between -1/2 and 1/2.
  let count = (high + 0x20000000u) >> 30u;
  var f0 = (high << 2u) | (low >> 30u);
  var f1 = low << 2u;
  let negative = f0 >= 0x80000000u;
  if (negative) {
    f1 = ~f1 + 1u;
    f0 = ~f0 + u32(f1 == 0u);
  }
  let fraction = f32(f0) * 2.3283064e-10 + f32(f1) * 5.4210109e-20;
  return Turns(select(1.5707964, -1.5707964, negative) * fraction, count);
}\n"
    "mul_high" "// The upper half of a product of 64 bits.
fn mul_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let left = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let right = (a & 0xffffu) * (b >> 16u) + (left & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (left >> 16u) + (right >> 16u);
}\n"
    "atan2" "fn atan2(y: f32, x: f32) -> f32 {
  let a = abs(x);
  let b = abs(y);
  let larger = max(a, b);
  var t = select(min(a, b) / larger, 0.0, larger == 0.0);
  if (is_inf(a) && is_inf(b)) { t = 1.0; }
  // Above tan(pi / 8): pi / 4 plus the rest.
  let beyond = t > 0.41421357;
  let u = select(t, (t - 1.0) / (t + 1.0), beyond);
  let z = u * u;
  var r = u + u * z * (-0.3333295 + z * (0.19977711 + z * (-0.13877686 + z * 0.080537445)));
  r += select(0.0, 0.7853982, beyond);
  r = select(r, 1.5707964 - r, b > a);
  r = select(r, 3.1415927 - r, bitcast<u32>(x) >= 0x80000000u);
  r = select(r, -r, bitcast<u32>(y) >= 0x80000000u);
  if (is_nan(x)) { return x; }
  return select(r, y, is_nan(y));
}\n"
    "maximum" "fn maximum(a: f32, b: f32) -> f32 { return select(b, a, a > b || is_nan(a)); }\n"
    "minimum" "fn minimum(a: f32, b: f32) -> f32 { return select(b, a, a < b || is_nan(a)); }\n"
    "share" "fn share(wins: bool, ties: bool, dy: f32) -> f32 {
  return select(select(0.0, dy, wins), dy / 2.0, ties);
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
  let rest = fmod(x, y);
  return select(rest, rest + y, rest != 0.0 && (rest < 0.0) != (y < 0.0));
}\n"
    "fmod" "// x - y trunc(x / y), exactly, by long division of the mantissas: WGSL's % rounds the quotient.
fn fmod(x: f32, y: f32) -> f32 {
  let a = bitcast<u32>(x) & 0x7fffffffu;
  let b = bitcast<u32>(y) & 0x7fffffffu;
  if (a >= 0x7f800000u || b > 0x7f800000u || b == 0u) { return nan(x); }
  if (a < b) { return x; }
  var m = select(a, (a & 0x007fffffu) | 0x00800000u, a >= 0x00800000u);
  let n = select(b, (b & 0x007fffffu) | 0x00800000u, b >= 0x00800000u);
  let exponent = max(b >> 23u, 1u);
  var left = max(a >> 23u, 1u) - exponent;
  m %= n;
  while (left > 0u) {
    let step = min(left, 8u);
    m = (m << step) % n;
    left -= step;
  }
  if (m == 0u) { return bitcast<f32>(bitcast<u32>(x) & 0x80000000u); }
  let shift = min(countLeadingZeros(m) - 8u, exponent - 1u);
  m <<= shift;
  let implicit = select(0u, (exponent - shift) << 23u, m >= 0x00800000u);
  return bitcast<f32>((bitcast<u32>(x) & 0x80000000u) | implicit | (m & 0x007fffffu));
}\n"
    "floor_divide_i32" "fn floor_divide_i32(a: i32, b: i32) -> i32 {
  if (b == 0) { return 0; }
  return a / b - i32(a % b != 0 && (a < 0) != (b < 0));
}\n"
    "remainder_i32" "fn remainder_i32(a: i32, b: i32) -> i32 {
  if (b == 0) { return 0; }
  let rest = a % b;
  return select(rest, rest + b, rest != 0 && (rest < 0) != (b < 0));
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
    // By bits: a comparison may take what is below 2^-126 for 0, and so may floor and sqrt.
    "sign" "fn sign(x: f32) -> f32 {
  let negative = bitcast<u32>(x) >= 0x80000000u;
  return select(select(1.0, -1.0, negative), 0.0, (bitcast<u32>(x) << 1u) == 0u || is_nan(x));
}\n"
    "floor" "fn floor(x: f32) -> f32 {
  let whole = trunc(x);
  return select(select(whole, whole - 1.0, whole > x), -1.0, is_tiny(-x));
}\n"
    "ceil" "fn ceil(x: f32) -> f32 {
  let whole = trunc(x);
  return select(select(whole, whole + 1.0, whole < x), 1.0, is_tiny(x));
}\n"
    "rsqrt" "fn rsqrt(x: f32) -> f32 {
  // What is tiny is an integer times 2^-149.
  let tiny = is_tiny(x);
  let y = 1.0 / sqrt(select(x, f32(bitcast<u32>(x)), tiny));
  return select(y, y * 2.6713738e22, tiny);
}\n"
    "is_tiny" "fn is_tiny(x: f32) -> bool { return bitcast<u32>(x) - 1u < 0x007fffffu; }\n"
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
