//! Integer division that rounds down, as Python's. Wraps at the ends; a divisor of 0 gives 0, callers refuse it.

pub fn floor_divide(a: i32, b: i32) -> i32 {
    let quotient = a.checked_div(b).unwrap_or(if b == 0 { 0 } else { a });
    let rounds_up = b != 0 && a.wrapping_rem(b) != 0 && (a < 0) != (b < 0);
    quotient - rounds_up as i32
}

/// With the sign of `b`.
pub fn remainder(a: i32, b: i32) -> i32 {
    if b == 0 {
        return 0;
    }
    let rest = a.wrapping_rem(b);
    if rest != 0 && (rest < 0) != (b < 0) {
        rest + b
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rounds_down_and_survives_the_ends() {
        assert_eq!([7, -7].map(|a| [2, -2].map(|b| floor_divide(a, b))), [[3, -4], [-4, 3]]);
        assert_eq!([7, -7].map(|a| [2, -2].map(|b| remainder(a, b))), [[1, -1], [1, -1]]);
        assert_eq!((floor_divide(i32::MIN, -1), remainder(i32::MIN, -1)), (i32::MIN, 0));
        assert_eq!((floor_divide(5, 0), remainder(5, 0)), (0, 0));
    }
}
