//! Elementwise loops over broadcast and strided inputs, and copies between strided and contiguous memory.
use crate::shape::Layout;

/// Dimensions with the strides of `N` inputs, merged where all of them allow it.
struct Axes<const N: usize> {
    sizes: Vec<usize>,
    strides: Vec<[usize; N]>,
}

impl<const N: usize> Axes<N> {
    fn new(shape: &[usize], strides: [&[usize]; N]) -> Self {
        let mut axes = Axes { sizes: vec![], strides: vec![] };
        for (d, &size) in shape.iter().enumerate() {
            if size == 1 {
                continue;
            }
            let step: [usize; N] = std::array::from_fn(|i| strides[i][d]);
            match (axes.sizes.last_mut(), axes.strides.last_mut()) {
                (Some(outer), Some(last)) if (0..N).all(|i| last[i] == step[i] * size) => {
                    *outer *= size;
                    *last = step;
                }
                _ => {
                    axes.sizes.push(size);
                    axes.strides.push(step);
                }
            }
        }
        if axes.sizes.is_empty() {
            axes.sizes.push(1);
            axes.strides.push([0; N]);
        }
        axes
    }

    /// Calls `row(position, offsets, strides, length)` for every run along the last axis.
    fn rows(&self, start: [usize; N], mut row: impl FnMut(usize, [usize; N], [usize; N], usize)) {
        let last = self.sizes.len() - 1;
        let (length, step) = (self.sizes[last], self.strides[last]);
        if self.sizes.contains(&0) {
            return;
        }
        let mut index = vec![0; last];
        let mut offsets = start;
        let mut position = 0;
        loop {
            row(position, offsets, step, length);
            position += length;
            let mut d = last;
            loop {
                if d == 0 {
                    return;
                }
                d -= 1;
                index[d] += 1;
                for (offset, stride) in offsets.iter_mut().zip(self.strides[d]) {
                    *offset += stride;
                }
                if index[d] < self.sizes[d] {
                    break;
                }
                for (offset, stride) in offsets.iter_mut().zip(self.strides[d]) {
                    *offset -= stride * self.sizes[d];
                }
                index[d] = 0;
            }
        }
    }
}

/// `out` gets the elements that `layout` names, in order.
pub fn gather(source: &[u32], layout: &Layout, out: &mut [u32]) {
    let axes = Axes::new(&layout.shape, [&layout.strides]);
    axes.rows([layout.offset], |position, [offset], [step], length| {
        let out = &mut out[position..position + length];
        match step {
            1 => out.copy_from_slice(&source[offset..offset + length]),
            0 => out.fill(source[offset]),
            _ => {
                for (o, s) in out.iter_mut().zip(source[offset..].iter().step_by(step)) {
                    *o = *s;
                }
            }
        }
    });
}

/// The elements that `layout` names get `source`, in order.
pub fn scatter(source: &[u32], target: &mut [u32], layout: &Layout) {
    let axes = Axes::new(&layout.shape, [&layout.strides]);
    axes.rows([layout.offset], |position, [offset], [step], length| {
        let source = &source[position..position + length];
        if step == 1 {
            target[offset..offset + length].copy_from_slice(source);
        } else {
            for (i, s) in source.iter().enumerate() {
                target[offset + i * step] = *s;
            }
        }
    });
}

/// Whether an element that `layout` names is `word`.
pub fn contains(source: &[u32], layout: &Layout, word: u32) -> bool {
    let mut found = false;
    Axes::new(&layout.shape, [&layout.strides]).rows([layout.offset], |_, [offset], [step], length| {
        found |= (0..length).any(|i| source[offset + i * step] == word);
    });
    found
}

/// `out[i] = f(x[i])`.
pub fn map1<T: Copy, O>(x: &[T], out: &mut [O], f: impl Fn(T) -> O) {
    for (o, &x) in out.iter_mut().zip(x) {
        *o = f(x);
    }
}

/// An input of a broadcast loop: elements, and where they lie for the output's shape.
pub struct Operand<'a, T> {
    pub data: &'a [T],
    pub layout: Layout,
}

/// `out[i] = f(a[i], b[i])`; both layouts have the output's shape.
pub fn map2<T: Copy, O>(a: &Operand<T>, b: &Operand<T>, out: &mut [O], f: impl Fn(T, T) -> O) {
    let axes = Axes::new(&a.layout.shape, [&a.layout.strides, &b.layout.strides]);
    axes.rows([a.layout.offset, b.layout.offset], |position, [oa, ob], step, length| {
        let out = &mut out[position..position + length];
        let (a, b) = (&a.data[oa..], &b.data[ob..]);
        // The cases that training meets get loops of their own, which the compiler turns into SIMD.
        match step {
            [1, 1] => {
                for ((o, &a), &b) in out.iter_mut().zip(&a[..length]).zip(&b[..length]) {
                    *o = f(a, b);
                }
            }
            [1, 0] => {
                let b = b[0];
                map1(&a[..length], out, |a| f(a, b));
            }
            [0, 1] => {
                let a = a[0];
                map1(&b[..length], out, |b| f(a, b));
            }
            [sa, sb] => {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = f(a[i * sa], b[i * sb]);
                }
            }
        }
    });
}

/// `out[i] = f(a[i], b[i], c[i])`; all layouts have the output's shape.
pub fn map3<T: Copy, O>(x: [&Operand<T>; 3], out: &mut [O], f: impl Fn(T, T, T) -> O) {
    let [a, b, c] = x;
    let axes = Axes::new(&a.layout.shape, x.map(|x| &x.layout.strides[..]));
    axes.rows(x.map(|x| x.layout.offset), |position, offsets, step, length| {
        let out = &mut out[position..position + length];
        let (a, b, c) = (&a.data[offsets[0]..], &b.data[offsets[1]..], &c.data[offsets[2]..]);
        if step == [1, 1, 1] {
            let inputs = a[..length].iter().zip(&b[..length]).zip(&c[..length]);
            for (o, ((&a, &b), &c)) in out.iter_mut().zip(inputs) {
                *o = f(a, b, c);
            }
        } else {
            let [sa, sb, sc] = step;
            for (i, o) in out.iter_mut().enumerate() {
                *o = f(a[i * sa], b[i * sb], c[i * sc]);
            }
        }
    });
}
