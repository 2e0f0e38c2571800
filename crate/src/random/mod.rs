//! PyTorch's CPU generators: the same seed draws the same numbers, in the same order.
mod generator;

pub use generator::Generator;

use std::cell::RefCell;
use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::tensor::{DType, Meta, Tensor};

/// What PyTorch's generators start from before `manual_seed`.
const DEFAULT_SEED: u64 = 67280421310721;

/// The generator that functions use when none is given.
pub const DEFAULT_GENERATOR: u32 = 0;

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
