//! PyTorch's CPU generators: the same seed draws the same numbers, in the same order.
use std::cell::RefCell;
use std::collections::HashMap;
use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::kernels::functions::{ln, sin_cos};
use crate::tensor::{DType, Meta, Tensor};

/// What PyTorch's generators start from before `manual_seed`.
const DEFAULT_SEED: u64 = 67280421310721;

/// The generator that functions use when none is given.
pub const DEFAULT_GENERATOR: u32 = 0;

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// Bytes of an exported state: PyTorch's own layout, so that states can be exchanged with it.
const STATE_BYTES: usize = 5056;

/// A Mersenne Twister, seeded and read as PyTorch does.
#[derive(Clone)]
pub struct Generator {
    seed: u64,
    state: [u32; WORDS],
    /// What the words of the state give when they are drawn.
    drawn: [u32; WORDS],
    /// Draws until the state is renewed, plus one.
    left: u32,
    next: usize,
    /// Normal numbers come in pairs; the second of a lone draw waits here.
    spare_normal: Option<f64>,
}

impl Generator {
    /// The engine takes the seed modulo 2^32; [`Generator::initial_seed`] remembers all of it.
    pub fn new(seed: u64) -> Self {
        let mut state = [0u32; WORDS];
        state[0] = seed as u32;
        for i in 1..WORDS {
            let last = state[i - 1];
            state[i] = 1812433253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        Generator { seed, state, drawn: state.map(temper), left: 1, next: 0, spare_normal: None }
    }

    pub fn initial_seed(&self) -> u64 {
        self.seed
    }

    fn renew(&mut self) {
        let twist = |u: u32, v: u32| {
            let mixed = (u & 0x8000_0000) | (v & 0x7fff_ffff);
            (mixed >> 1) ^ ((v & 1).wrapping_neg() & 0x9908_b0df)
        };
        let s = &mut self.state;
        for i in 0..WORDS - SHIFT {
            s[i] = s[i + SHIFT] ^ twist(s[i], s[i + 1]);
        }
        for i in WORDS - SHIFT..WORDS - 1 {
            s[i] = s[i + SHIFT - WORDS] ^ twist(s[i], s[i + 1]);
        }
        s[WORDS - 1] = s[SHIFT - 1] ^ twist(s[WORDS - 1], s[0]);
        self.drawn.iter_mut().zip(s).for_each(|(drawn, word)| *drawn = temper(*word));
        self.left = WORDS as u32;
        self.next = 0;
    }

    /// 32 random bits.
    #[inline]
    pub fn u32(&mut self) -> u32 {
        self.left -= 1;
        if self.left == 0 {
            self.renew();
        }
        // The modulus tells the compiler that the index is in range.
        let drawn = self.drawn[self.next % WORDS];
        self.next += 1;
        drawn
    }

    /// The next draws, as many as are at hand; at least one, at most `wanted`.
    fn block(&mut self, wanted: usize) -> &[u32] {
        if self.left == 1 {
            self.renew();
            // As if one had been drawn and put back.
            self.left += 1;
        }
        let count = wanted.min(self.left as usize - 1);
        let start = self.next;
        self.left -= count as u32;
        self.next += count;
        self.drawn.get(start..start + count).unwrap_or(&[])
    }

    /// 64 random bits: two draws, the high half first.
    #[inline]
    pub fn u64(&mut self) -> u64 {
        let high = self.u32() as u64;
        high << 32 | self.u32() as u64
    }

    /// A non-negative 64-bit integer, as `DataLoader` draws its seeds.
    pub fn int63(&mut self) -> i64 {
        (self.u64() & i64::MAX as u64) as i64
    }

    /// A number in [0, 1) of 53 bits.
    fn uniform53(&mut self) -> f64 {
        (self.u64() & MASK53) as f64 / (1u64 << 53) as f64
    }

    /// Numbers in [low, high).
    pub fn fill_uniform(&mut self, out: &mut [f32], low: f32, high: f32) {
        let (low, range) = (low as f64, (high - low) as f64);
        let mut rest = out;
        while !rest.is_empty() {
            let block = self.block(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(block.len());
            for (o, &bits) in now.iter_mut().zip(block) {
                // In float64, so that it is rounded once.
                *o = (uniform24(bits) as f64 * range + low) as f32;
            }
            rest = later;
        }
    }

    /// Normal numbers; PyTorch draws short and long tensors in two ways.
    pub fn fill_normal(&mut self, out: &mut [f32], mean: f64, std: f64) {
        const BLOCK: usize = 16;
        if out.len() < BLOCK {
            for o in out {
                *o = (self.normal() * std + mean) as f32;
            }
            return;
        }
        self.fill_uniform(out, 0.0, 1.0);
        let mut blocks = out.chunks_exact_mut(BLOCK);
        blocks.by_ref().for_each(|block| box_muller(block, mean as f32, std as f32));
        if !blocks.into_remainder().is_empty() {
            let start = out.len() - BLOCK;
            self.fill_uniform(&mut out[start..], 0.0, 1.0);
            box_muller(&mut out[start..], mean as f32, std as f32);
        }
    }

    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let (u1, u2) = (self.uniform53(), self.uniform53());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = 2.0 * PI * u1;
        self.spare_normal = Some(radius * theta.sin());
        radius * theta.cos()
    }

    /// Integers from `low` up to `high`, exclusive. `low < high`.
    fn fill_integers(&mut self, out: &mut [i32], low: i64, high: i64) {
        let range = high.abs_diff(low).max(1);
        for o in out {
            let drawn = if range < 1 << 28 { self.u32() as u64 % range } else { self.u64() % range };
            *o = (drawn as i64).wrapping_add(low) as i32;
        }
    }

    /// 0, 1, 2 ... in random order.
    fn fill_permutation(&mut self, out: &mut [i32]) {
        for (i, o) in out.iter_mut().enumerate() {
            *o = i as i32;
        }
        let n = out.len();
        for i in 0..n.saturating_sub(1) {
            let z = self.u32() as usize % (n - i);
            out.swap(i, i + z);
        }
    }

    /// `yes` with probability `p`, else 0.
    pub fn fill_bernoulli(&mut self, out: &mut [f32], p: f64, yes: f32) {
        // Of integers the same as of numbers in [0, 1), and faster.
        let below = (p * (1u64 << 53) as f64).ceil() as u64;
        let choose = |high: u32, low: u32| {
            let drawn = (high as u64) << 32 | low as u64;
            if drawn & MASK53 < below {
                yes
            } else {
                0.0
            }
        };
        let mut rest = out;
        while !rest.is_empty() {
            let block = self.block(2 * rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(block.len() / 2);
            let pairs = block.chunks_exact(2);
            let odd = pairs.remainder().first().copied();
            now.iter_mut().zip(pairs).for_each(|(o, pair)| *o = choose(pair[0], pair[1]));
            rest = later;
            // A pair may begin in one block and end in the next.
            if let Some(high) = odd {
                let low = self.u32();
                if let Some((o, later)) = std::mem::take(&mut rest).split_first_mut() {
                    *o = choose(high, low);
                    rest = later;
                }
            }
        }
    }

    /// The state in the 5056 bytes of `torch.get_rng_state()`.
    pub fn state(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(STATE_BYTES);
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(self.left.to_le_bytes());
        bytes.extend(1u32.to_le_bytes()); // seeded
        bytes.extend((self.next as u64).to_le_bytes());
        self.state.iter().for_each(|&word| bytes.extend((word as u64).to_le_bytes()));
        let spare = self.spare_normal.unwrap_or(0.0);
        [0.0, spare, 0.0].iter().for_each(|v: &f64| bytes.extend(v.to_le_bytes()));
        bytes.extend((self.spare_normal.is_some() as u32).to_le_bytes());
        // Padding, and a float32 spare that PyTorch's CPU kernels do not use.
        bytes.resize(STATE_BYTES, 0);
        bytes
    }

    pub fn from_state(bytes: &[u8]) -> Result<Self> {
        if bytes.len() != STATE_BYTES {
            return Err(Error::argument(format!(
                "a generator's state has {STATE_BYTES} bytes, got {}",
                bytes.len()
            )));
        }
        let word = |i: usize| u64::from_le_bytes(std::array::from_fn(|k| bytes[i * 8 + k]));
        let (left, next) = (word(1) as u32, word(2) as usize);
        // A state that was just seeded has drawn nothing: left 1, next 0.
        if left == 0
            || left as usize > WORDS
            || next > WORDS
            || (left > 1 && next + left as usize > WORDS + 1)
        {
            return Err(Error::argument("the bytes are not the state of a generator"));
        }
        let valid = word(3 + WORDS + 3) as u32 != 0;
        let state: [u32; WORDS] = std::array::from_fn(|i| word(3 + i) as u32);
        Ok(Generator {
            seed: word(0),
            state,
            drawn: state.map(temper),
            left,
            next,
            spare_normal: valid.then(|| f64::from_bits(word(3 + WORDS + 1))),
        })
    }
}

/// The bits of a 64-bit draw that become a number in [0, 1).
const MASK53: u64 = (1 << 53) - 1;

/// A number in [0, 1) from 24 bits of a draw.
fn uniform24(bits: u32) -> f32 {
    // From a signed integer: that is one instruction.
    (bits & 0xff_ffff) as i32 as f32 / (1 << 24) as f32
}

/// A word of the state as it is drawn.
fn temper(word: u32) -> u32 {
    let mut y = word;
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^ (y >> 18)
}

/// 16 uniform numbers become normal ones.
fn box_muller(block: &mut [f32], mean: f32, std: f32) {
    let (first, second) = block.split_at_mut(8);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0 * ln(1.0 - *a)).sqrt();
        let (sin, cos) = sin_cos(2.0 * std::f32::consts::PI * *b);
        *a = radius * cos * std + mean;
        *b = radius * sin * std + mean;
    }
}

struct Table {
    /// In boxes: a table of their states would grow by hundreds of kilobytes.
    generators: HashMap<u32, Box<Generator>>,
    next: u32,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::new(Table {
        generators: HashMap::from([(DEFAULT_GENERATOR, Box::new(Generator::new(DEFAULT_SEED)))]),
        next: DEFAULT_GENERATOR + 1,
    });
}

/// Runs `f` with the generator of a handle.
pub fn with<R>(gen: u32, f: impl FnOnce(&mut Generator) -> R) -> Result<R> {
    TABLE.with(|table| {
        let mut table = table.borrow_mut();
        let generator = table.generators.get_mut(&gen);
        generator
            .map(|generator| f(generator))
            .ok_or_else(|| Error::argument(format!("there is no generator {gen}")))
    })
}

/// A handle of a new generator with PyTorch's default seed.
pub fn new_generator() -> u32 {
    TABLE.with(|table| {
        let mut table = table.borrow_mut();
        let gen = table.next;
        table.next += 1;
        table.generators.insert(gen, Box::new(Generator::new(DEFAULT_SEED)));
        gen
    })
}

/// Forgets a generator; the default one stays.
pub fn free_generator(gen: u32) {
    if gen != DEFAULT_GENERATOR {
        TABLE.with(|table| table.borrow_mut().generators.remove(&gen));
    }
}

pub fn seed(gen: u32, seed: u64) -> Result<()> {
    with(gen, |generator| *generator = Generator::new(seed))
}

pub fn initial_seed(gen: u32) -> Result<u64> {
    with(gen, |generator| generator.initial_seed())
}

pub fn state(gen: u32) -> Result<Vec<u8>> {
    with(gen, |generator| generator.state())
}

pub fn set_state(gen: u32, bytes: &[u8]) -> Result<()> {
    let restored = Generator::from_state(bytes)?;
    with(gen, |generator| *generator = restored)
}

pub fn int63(gen: u32) -> Result<i64> {
    with(gen, Generator::int63)
}

/// A float32 tensor of uniform numbers in [low, high).
pub fn uniform(gen: u32, shape: &[usize], low: f64, high: f64) -> Result<Tensor> {
    let (from, to) = (low as f32, high as f32);
    // Written so that NaN is refused.
    if !(from <= to && (to - from).is_finite()) {
        return Err(Error::argument(format!(
            "expected low <= high and a finite range, got {low} and {high}"
        ))
        .of("uniform"));
    }
    floats(gen, shape, |generator, out| generator.fill_uniform(out, from, to))
}

/// A float32 tensor of normal numbers.
pub fn normal(gen: u32, shape: &[usize], mean: f64, std: f64) -> Result<Tensor> {
    if mean.is_nan() || std.is_nan() || std < 0.0 {
        return Err(
            Error::argument(format!("expected a mean and std >= 0, got {mean} and {std}")).of("normal")
        );
    }
    floats(gen, shape, |generator, out| generator.fill_normal(out, mean, std))
}

/// An int32 tensor of integers from `low` up to `high`, exclusive.
pub fn integers(gen: u32, shape: &[usize], low: i64, high: i64) -> Result<Tensor> {
    if low >= high {
        return Err(Error::argument(format!("expected low < high, got {low} and {high}")).of("randint"));
    }
    if low < i32::MIN as i64 || high > i32::MAX as i64 + 1 {
        return Err(
            Error::argument(format!("int32 does not hold the range from {low} to {high}")).of("randint")
        );
    }
    ints(gen, shape, |generator, out| generator.fill_integers(out, low, high))
}

/// An int32 vector of 0 to n - 1 in random order.
pub fn permutation(gen: u32, n: usize) -> Result<Tensor> {
    ints(gen, &[n], Generator::fill_permutation)
}

/// A float32 tensor of ones with probability `p`, else zeros.
pub fn bernoulli(gen: u32, shape: &[usize], p: f64) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::argument(format!("expected a probability p from 0 to 1, got {p}")).of("bernoulli"));
    }
    floats(gen, shape, |generator, out| generator.fill_bernoulli(out, p, 1.0))
}

fn floats(gen: u32, shape: &[usize], fill: impl FnOnce(&mut Generator, &mut [f32])) -> Result<Tensor> {
    let tensor = Tensor::uninitialized(&Meta::f32(shape))?;
    with(gen, |generator| fill(generator, bytemuck::cast_slice_mut(&mut tensor.storage().words_mut())))?;
    Ok(tensor)
}

fn ints(gen: u32, shape: &[usize], fill: impl FnOnce(&mut Generator, &mut [i32])) -> Result<Tensor> {
    let tensor = Tensor::uninitialized(&Meta::new(shape.to_vec(), DType::I32))?;
    with(gen, |generator| fill(generator, bytemuck::cast_slice_mut(&mut tensor.storage().words_mut())))?;
    Ok(tensor)
}

#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "numbers as PyTorch prints them")]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn seeded(seed: u64) -> Generator {
        Generator::new(seed)
    }

    fn f32s(n: usize, fill: impl FnOnce(&mut [f32])) -> Vec<f32> {
        let mut out = vec![f32::NAN; n];
        fill(&mut out);
        out
    }

    fn i32s(n: usize, fill: impl FnOnce(&mut [i32])) -> Vec<i32> {
        let mut out = vec![-1; n];
        fill(&mut out);
        out
    }

    fn assert_close(actual: &[f32], expected: &[f32]) {
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() <= 2e-6, "{actual:?} is not {expected:?}");
        }
    }

    #[test]
    fn rand() {
        // torch.manual_seed(42); torch.rand(5)
        let mut g = seeded(42);
        assert_eq!(
            f32s(5, |out| g.fill_uniform(out, 0.0, 1.0)),
            [0.88226926, 0.91500396, 0.38286376, 0.95930564, 0.39044821]
        );
        // torch.manual_seed(42); torch.rand(1000)[[620, 624, 625, 999]]: the state is renewed on the way
        let mut g = seeded(42);
        let x = f32s(1000, |out| g.fill_uniform(out, 0.0, 1.0));
        assert_eq!([x[620], x[624], x[625], x[999]], [0.3766839, 0.4897902, 0.18942028, 0.029657006]);
        // torch.manual_seed(123456789012345); torch.rand(2); torch.initial_seed()
        let mut g = seeded(123456789012345);
        assert_eq!(f32s(2, |out| g.fill_uniform(out, 0.0, 1.0)), [0.09692395, 0.9876813]);
        assert_eq!(g.initial_seed(), 123456789012345);
    }

    #[test]
    fn uniform_is_rounded_once() {
        // torch.manual_seed(42); torch.empty(6).uniform_(-0.3, 0.7)
        let mut g = seeded(42);
        assert_eq!(
            f32s(6, |out| g.fill_uniform(out, -0.3, 0.7)),
            [0.58226925, 0.61500394, 0.08286375, 0.65930563, 0.0904482, 0.30089533]
        );
    }

    #[test]
    fn randn_below_16_keeps_the_second_of_a_pair() {
        // torch.manual_seed(42); torch.randn(3); torch.randn(3); torch.randn(2)
        let mut g = seeded(42);
        let mut randn = |n| f32s(n, |out| g.fill_normal(out, 0.0, 1.0));
        assert_close(&randn(3), &[0.33669037, 0.12880941, 0.23446237]);
        assert_close(&randn(3), &[0.23033303, -1.1228564, -0.18632829]);
        assert_close(&randn(2), &[2.2082014, -0.63799703]);
        // torch.manual_seed(42); torch.empty(3).normal_(2, 0.5)
        let mut g = seeded(42);
        assert_close(&f32s(3, |out| g.fill_normal(out, 2.0, 0.5)), &[2.1683452, 2.0644047, 2.1172311]);
    }

    #[test]
    fn randn_from_16_on() {
        // torch.manual_seed(42); torch.randn(16); torch.randn(19)
        let mut g = seeded(42);
        let mut randn = |n| f32s(n, |out| g.fill_normal(out, 0.0, 1.0));
        #[rustfmt::skip]
        assert_close(&randn(16), &[
            1.9269153, 1.4872841, 0.9007172, -2.105521, 0.67841846, -1.2345449, -0.043067478, -1.604667,
            -0.7521353, 1.648723, -0.39247864, -1.4036071, -0.7278813, -0.5594302, -0.7688389, 0.76244539,
        ]);
        #[rustfmt::skip]
        assert_close(&randn(19), &[
            1.6423169, -0.15959747, -0.49739754, 1.7173614, 0.31888032, -0.42451897, 0.30572093, -0.7745926,
            0.034912344, 0.321103, 1.5736002, -0.60114205, -1.2741512, 2.1227851, -1.2346531, -0.48791388,
            -1.4180599, 0.8962683, 0.049905386,
        ]);
        // torch.manual_seed(42); torch.empty(20).normal_(2, 0.5)
        let mut g = seeded(42);
        let x = f32s(20, |out| g.fill_normal(out, 2.0, 0.5));
        assert_close(&x[..4], &[2.9634576, 2.743642, 2.4503586, 0.9472395]);
        assert_close(&x[16..], &[1.8451366, 1.8021448, 2.4017048, 1.6892023]);
    }

    #[test]
    fn randint_and_randperm() {
        // torch.manual_seed(42); torch.randint(0, 10, (10,)); torch.randint(-5, 2**28 - 6, (3,));
        // torch.randint(-5, 2**28 - 5, (3,)); torch.randint(0, 2**31 - 1, (3,)); torch.randint(-2**31, 2**31, (3,))
        let mut g = seeded(42);
        let mut randint = |low, high, n| i32s(n, |out| g.fill_integers(out, low, high));
        assert_eq!(randint(0, 10, 10), [2, 7, 6, 4, 6, 5, 0, 4, 0, 3]);
        assert_eq!(randint(-5, (1 << 28) - 6, 3), [133120463, 160953554, 249467205]);
        assert_eq!(randint(-5, (1 << 28) - 5, 3), [230537298, 165850206, 88358546]);
        assert_eq!(randint(0, (1 << 31) - 1, 3), [1384531867, 355335531, 1187301533]);
        assert_eq!(randint(-1 << 31, 1 << 31, 3), [-1235494107, -1366551361, -1359767276]);
        // torch.manual_seed(42); torch.randperm(10); torch.randperm(1); torch.randperm(5)
        let mut g = seeded(42);
        let mut randperm = |n| i32s(n, |out| g.fill_permutation(out));
        assert_eq!(randperm(10), [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]);
        assert_eq!(randperm(1), [0]);
        assert_eq!(randperm(5), [3, 0, 1, 2, 4]);
    }

    #[test]
    fn bernoulli_and_int63() {
        // torch.manual_seed(42); torch.empty(12).bernoulli_(0.3); torch.rand(1)
        let mut g = seeded(42);
        assert_eq!(
            f32s(12, |out| g.fill_bernoulli(out, 0.3, 1.0)),
            [1., 1., 1., 1., 0., 0., 0., 0., 1., 1., 1., 0.]
        );
        assert_eq!(f32s(1, |out| g.fill_uniform(out, 0.0, 1.0)), [0.10531491]);
        // torch.manual_seed(42); torch.rand(3); x = torch.empty(1000).bernoulli_(0.3); torch.rand(1)
        // x.sum(), x[305:325]: pairs of draws begin in one state and end in the next
        let mut g = seeded(42);
        f32s(3, |out| g.fill_uniform(out, 0.0, 1.0));
        let x = f32s(1000, |out| g.fill_bernoulli(out, 0.3, 1.0));
        assert_eq!(f32s(1, |out| g.fill_uniform(out, 0.0, 1.0)), [0.29172224]);
        assert_eq!(x.iter().sum::<f32>(), 300.0);
        let digits: String = x[305..325].iter().map(|v| v.to_string()).collect();
        assert_eq!(digits, "01000000111001101110");
        // torch.manual_seed(42); torch.empty((), dtype=torch.int64).random_(); torch.rand(1)
        let mut g = seeded(42);
        assert_eq!(g.int63(), 6909045637428952499);
        assert_eq!(f32s(1, |out| g.fill_uniform(out, 0.0, 1.0)), [0.38286376]);
    }

    #[test]
    fn the_state_is_pytorchs() {
        // torch.manual_seed(42); s = bytes(torch.get_rng_state().tolist()); len(s), s[:24].hex(), s[24:40].hex()
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut g = seeded(42);
        assert_eq!(g.state().len(), 5056);
        assert_eq!(hex(&g.state()[..24]), "2a0000000000000001000000010000000000000000000000");
        assert_eq!(hex(&g.state()[24..40]), "2a00000000000000938a3cb900000000");
        // torch.manual_seed(42); torch.randn(3); s = bytes(torch.get_rng_state().tolist()); s[:24].hex(), s[-64:].hex()
        f32s(3, |out| g.fill_normal(out, 0.0, 1.0));
        assert_eq!(hex(&g.state()[..24]), "2a0000000000000069020000010000000800000000000000");
        let tail = hex(&g.state()[5056 - 64..]);
        assert!(tail.starts_with("687fb26e00000000d2095f55000000005f42acf30000000000000000000000"), "{tail}");
        assert!(tail.ends_with("8d7bcd3f000000000000000001000000000000000000000000000000"), "{tail}");

        let mut restored = Generator::from_state(&g.state()).unwrap();
        assert_eq!(
            f32s(700, |out| restored.fill_normal(out, 0.0, 1.0)),
            f32s(700, |out| g.fill_normal(out, 0.0, 1.0))
        );
        assert!(Generator::from_state(&[0; 5056]).is_err());
        assert!(Generator::from_state(&[0; 12]).is_err());
    }

    #[test]
    fn generators_by_handle() {
        let gen = new_generator();
        assert_eq!(initial_seed(gen).unwrap(), 67280421310721);
        seed(gen, 42).unwrap();
        seed(DEFAULT_GENERATOR, 42).unwrap();
        let draw = |gen| uniform(gen, &[2, 3], 0.0, 1.0).unwrap().to_vec_f32().unwrap();
        assert_eq!(draw(gen), draw(DEFAULT_GENERATOR));
        let before = state(gen).unwrap();
        let first = draw(gen);
        set_state(gen, &before).unwrap();
        assert_eq!(draw(gen), first);
        free_generator(gen);
        assert!(uniform(gen, &[1], 0.0, 1.0).is_err());
        assert!(uniform(DEFAULT_GENERATOR, &[1], 1.0, 0.0).is_err());
        assert!(uniform(DEFAULT_GENERATOR, &[1], f64::NAN, 0.0).is_err());
        assert!(integers(DEFAULT_GENERATOR, &[1], 0, 0).is_err());
        assert!(integers(DEFAULT_GENERATOR, &[1], 0, 1 << 40).is_err());
        assert!(normal(DEFAULT_GENERATOR, &[1], 0.0, -1.0).is_err());
        assert!(bernoulli(DEFAULT_GENERATOR, &[1], 1.5).is_err());
        assert!(permutation(DEFAULT_GENERATOR, usize::MAX / 2).is_err());
    }
}
