//! 2-D convolution and its gradients on padded images, without a matrix of patches in memory.
mod correlate;
mod direct;
mod forward;
mod grad_input;
mod grad_weight;
mod layout;
mod patches;

pub use self::forward::conv2d;
pub use self::grad_input::conv2d_grad_input;
pub use self::grad_weight::conv2d_grad_weight;
use crate::shape::Window;

/// Sizes of a convolution: `n` images of `c` channels, `o` filters, windows along h and w.
#[derive(Clone, Copy, Debug)]
pub struct ConvDims {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub o: usize,
    pub rows: Window,
    pub columns: Window,
    pub groups: usize,
    pub h_out: usize,
    pub w_out: usize,
}

impl ConvDims {
    /// Input and output channels of a group.
    fn group(&self) -> (usize, usize) {
        (self.c / self.groups, self.o / self.groups)
    }
    fn taps(&self) -> usize {
        self.rows.kernel * self.columns.kernel
    }
    fn image(&self) -> usize {
        self.h * self.w
    }
    fn positions(&self) -> usize {
        self.h_out * self.w_out
    }
    /// Whether a patch is one element, so that the image is the matrix already.
    fn is_pointwise(&self) -> bool {
        let unit = |w: Window| w.kernel == 1 && w.stride == 1 && w.padding == 0;
        unit(self.rows) && unit(self.columns)
    }
}

/// A group's channels of each image: `length` elements from `start` in every `image` elements.
fn group(x: &[f32], image: usize, start: usize, length: usize) -> impl Iterator<Item = &[f32]> {
    x.chunks_exact(image.max(1)).map(move |x| &x[start..start + length])
}

fn group_mut(x: &mut [f32], image: usize, start: usize, length: usize) -> impl Iterator<Item = &mut [f32]> {
    x.chunks_exact_mut(image.max(1)).map(move |x| &mut x[start..start + length])
}

/// Rows of a product in blocks of up to four, for which there are register tiles: (first row, rows).
/// Five are three and two, as a single row would leave most of a tile unused.
fn row_blocks(m: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rows = match m - from {
            0 => return None,
            5 => 3,
            rest => rest.min(4),
        };
        from += rows;
        Some((from - rows, rows))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn naive(d: &ConvDims, x: &[f32], weight: &[f32]) -> Vec<f64> {
        let (cg, og) = d.group();
        let mut y = vec![];
        for n in 0..d.n {
            for o in 0..d.o {
                for p in 0..d.positions() {
                    let (oy, ox) = (p / d.w_out, p % d.w_out);
                    let mut sum = 0.0;
                    for c in 0..cg {
                        for t in 0..d.taps() {
                            let iy = oy * d.rows.stride + t / d.columns.kernel * d.rows.dilation;
                            let ix = ox * d.columns.stride + t % d.columns.kernel * d.columns.dilation;
                            let inside = iy >= d.rows.padding
                                && ix >= d.columns.padding
                                && iy - d.rows.padding < d.h
                                && ix - d.columns.padding < d.w;
                            if inside {
                                let (iy, ix) = (iy - d.rows.padding, ix - d.columns.padding);
                                let at = ((n * d.c + o / og * cg + c) * d.h + iy) * d.w + ix;
                                sum += x[at] as f64 * weight[(o * cg + c) * d.taps() + t] as f64;
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
        y
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| a as f64 * b as f64).sum()
    }

    /// The convolution agrees with plain loops, and the gradients are its adjoints:
    /// <conv(x, w), dy> = <x, dx> = <w, dw>.
    fn check(d: &ConvDims) {
        let x = values(d.n * d.c * d.image(), 1);
        let weight = values(d.o * d.c / d.groups * d.taps(), 2);
        let dy = values(d.n * d.o * d.positions(), 3);
        let mut y = vec![f32::NAN; dy.len()];
        conv2d(d, &x, &weight, None, &mut y).unwrap();
        for (a, b) in y.iter().zip(naive(d, &x, &weight)) {
            assert!((*a as f64 - b).abs() < 1e-4, "{d:?}");
        }
        let mut dx = vec![f32::NAN; x.len()];
        conv2d_grad_input(d, &dy, &weight, &mut dx).unwrap();
        let mut dw = vec![f32::NAN; weight.len()];
        conv2d_grad_weight(d, &x, &dy, &mut dw).unwrap();
        let expected = dot(&y, &dy);
        let tolerance = 1e-3 * (1.0 + expected.abs());
        assert!((dot(&x, &dx) - expected).abs() < tolerance, "dx {d:?}");
        assert!((dot(&weight, &dw) - expected).abs() < tolerance, "dw {d:?}");
    }

    fn window(kernel: usize, stride: usize, padding: usize, dilation: usize) -> Window {
        Window { kernel, stride, padding, dilation }
    }

    #[test]
    fn agrees_with_plain_loops_and_its_adjoints() {
        let mut cases = 0;
        for (kh, kw) in [(1, 1), (3, 3), (2, 5), (5, 1)] {
            for (sh, sw) in [(1, 1), (2, 1), (2, 3), (4, 4)] {
                for (ph, pw) in [(0, 0), (1, 1), (3, 0), (0, 4)] {
                    for dilation in [1, 2] {
                        for (c, o, groups) in [(1, 6, 1), (4, 6, 2), (3, 3, 3), (9, 5, 1), (2, 20, 1)] {
                            let (rows, columns) =
                                (window(kh, sh, ph, dilation), window(kw, sw, pw, dilation));
                            let (h, w) = (9, 13);
                            let Ok(h_out) = rows.output(h, false) else { continue };
                            let Ok(w_out) = columns.output(w, false) else { continue };
                            check(&ConvDims { n: 2, c, h, w, o, rows, columns, groups, h_out, w_out });
                            cases += 1;
                        }
                    }
                }
            }
        }
        assert!(cases > 500, "{cases}");
    }

    #[test]
    fn agrees_where_something_is_missing() {
        for (n, c, o) in [(0, 2, 3), (2, 0, 3), (2, 2, 0)] {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2)] {
                let side = window(kernel, stride, 0, 1);
                let out = side.output(7, false).unwrap();
                let (h, w, h_out, w_out) = (7, 7, out, out);
                check(&ConvDims { n, c, h, w, o, rows: side, columns: side, groups: 1, h_out, w_out });
            }
        }
    }

    #[test]
    fn agrees_beyond_one_batch_and_one_span() {
        for (n, size, c, o) in [(7, 14, 2, 3), (2, 43, 1, 4), (2, 72, 4, 5)] {
            let side = window(3, 1, 1, 1);
            let (h, w, h_out, w_out) = (size, size, size, size);
            check(&ConvDims { n, c, h, w, o, rows: side, columns: side, groups: 1, h_out, w_out });
        }
    }

    /// What no window reads must not be seen, not even times 0.
    #[test]
    fn nan_outside_of_every_window_does_not_matter() {
        let side = window(3, 2, 0, 1);
        let d = ConvDims {
            n: 2,
            c: 1,
            h: 8,
            w: 8,
            o: 5,
            rows: side,
            columns: side,
            groups: 1,
            h_out: 3,
            w_out: 3,
        };
        let mut x = values(2 * 64, 1);
        for (i, x) in x.iter_mut().enumerate() {
            if i % 8 == 7 || i / 8 % 8 == 7 {
                *x = f32::NAN;
            }
        }
        let (weight, dy) = (values(5 * 9, 2), values(2 * 5 * 9, 3));
        let (mut y, mut dw) = (vec![f32::NAN; dy.len()], vec![f32::NAN; weight.len()]);
        conv2d(&d, &x, &weight, None, &mut y).unwrap();
        conv2d_grad_weight(&d, &x, &dy, &mut dw).unwrap();
        assert!(y.iter().chain(&dw).all(|v| v.is_finite()));
    }
}
