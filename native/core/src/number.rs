//! Integers: the only numbers there are, and the decimal text of our own.
//!
//! Source: FORMATS 1 rule 3.

use crate::reject::{Checked, Reject};

/// 2^53-1, the largest integer of the domain.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Scans an integer at `at`; its end and its magnitude. What follows is for the caller to check.
#[inline(always)]
pub(crate) fn scan(text: &[u8], at: usize) -> Checked<(usize, u64)> {
    let negative = text.get(at) == Some(&b'-');
    let first = at + usize::from(negative);
    let mut end = first;
    let mut value = 0u64;
    while let Some(digit @ b'0'..=b'9') = text.get(end) {
        value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        end += 1;
    }
    let leading_zero = text.get(first) == Some(&b'0') && end > first + 1;
    if end == first || leading_zero {
        return Err(Reject::Json);
    }
    if matches!(text.get(end), Some(b'.' | b'e' | b'E')) {
        return Err(Reject::Float);
    }
    if negative && value == 0 {
        return Err(Reject::NegativeZero);
    }
    if value > INTEGER_MAX {
        return Err(Reject::IntegerRange);
    }
    Ok((end, value))
}

/// Appends a number in base 10.
pub(crate) fn append(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_forms() {
        for (text, want) in [
            ("0", Ok((1, 0))),
            ("-1]", Ok((2, 1))),
            ("9007199254740991", Ok((16, INTEGER_MAX))),
            ("9007199254740992", Err(Reject::IntegerRange)),
            ("-99999999999999999999999999999999", Err(Reject::IntegerRange)),
            ("-0", Err(Reject::NegativeZero)),
            ("-0.0", Err(Reject::Float)),
            ("1e3", Err(Reject::Float)),
            ("2.0", Err(Reject::Float)),
            ("01", Err(Reject::Json)),
            ("-", Err(Reject::Json)),
            ("+1", Err(Reject::Json)),
            ("", Err(Reject::Json)),
        ] {
            assert_eq!(scan(text.as_bytes(), 0), want, "{text}");
        }
    }

    #[test]
    fn append_is_decimal() {
        for value in [0, 9, 10, 99, 100, 12345, INTEGER_MAX, u64::MAX] {
            let mut out = Vec::new();
            append(value, &mut out);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }
}
