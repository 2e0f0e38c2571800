//! The Mersenne Twister as PyTorch seeds and reads it, and the numbers that it makes of its words.
use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::kernels::functions::{ln, sin_cos};

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
    pub fn fill_integers(&mut self, out: &mut [i32], low: i64, high: i64) {
        let range = high.abs_diff(low).max(1);
        for o in out {
            let drawn = if range < 1 << 28 { self.u32() as u64 % range } else { self.u64() % range };
            *o = (drawn as i64).wrapping_add(low) as i32;
        }
    }

    /// 0, 1, 2 ... in random order.
    pub fn fill_permutation(&mut self, out: &mut [i32]) {
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
