//! Digits of numbers.

use super::spec::Spec;
use crate::message::value::{shortest, with_exponent};

/// Digits of an integer without its sign; `None` when the format does not fit integers.
pub(super) fn integer_digits(n: i128, spec: &Spec) -> Option<String> {
    let n = n.unsigned_abs();
    let digits = match spec.kind {
        Some('b') => format!("{n:b}"),
        Some('o') => format!("{n:o}"),
        Some('x') => format!("{n:x}"),
        Some('X') => format!("{n:X}"),
        _ => n.to_string(),
    };
    let decimal = matches!(spec.kind, None | Some('d'));
    let fits = spec.precision.is_none() && (decimal || spec.grouping != Some(','));
    let size = if decimal { 3 } else { 4 };
    fits.then(|| grouped(&digits, spec.grouping, size))
}

/// Digits of a float that is not negative.
pub(super) fn float_digits(x: f64, spec: &Spec) -> String {
    if !x.is_finite() {
        let percent = if spec.kind == Some('%') { "%" } else { "" };
        return if x.is_nan() {
            format!("nan{percent}")
        } else {
            format!("inf{percent}")
        };
    }
    let precision = spec.precision.unwrap_or(6);
    let digits = match (spec.kind, spec.precision) {
        (Some('f'), _) => format!("{x:.precision$}"),
        (Some('e'), _) => with_exponent(&format!("{x:.precision$e}")),
        (Some('%'), _) => format!("{:.precision$}%", x * 100.0),
        (Some('g'), _) => general(x, precision.max(1), 0),
        (_, Some(precision)) => general(x, precision.max(1), 1),
        (_, None) => shortest(x),
    };
    grouped(&digits, spec.grouping, 3)
}

/// Digits of the type `g`: `digits` significant ones, without trailing zeros.
///
/// `min_decimals` is 0 for the type `g` and 1 for no type. With 1, a number without an exponent
/// keeps one decimal, and the exponent begins one digit earlier.
fn general(x: f64, digits: usize, min_decimals: i32) -> String {
    let scientific = format!("{x:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let most = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= most - min_decimals {
        return with_exponent(&format!("{}e{exponent}", without_zeros(mantissa)));
    }
    let decimals = usize::try_from(most - 1 - exponent).unwrap_or(0);
    let plain = without_zeros(&format!("{x:.decimals$}")).to_owned();
    if min_decimals == 1 && !plain.contains('.') {
        return plain + ".0";
    }
    plain
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        return digits.trim_end_matches('0').trim_end_matches('.');
    }
    digits
}

/// Inserts a separator between groups of `size` digits before the decimal point.
fn grouped(digits: &str, separator: Option<char>, size: usize) -> String {
    let Some(separator) = separator else {
        return digits.to_owned();
    };
    let end = digits
        .find(|c: char| !c.is_ascii_hexdigit() || c == 'e' && digits.contains(['+', '-']))
        .unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(end);
    let mut out = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % size == 0 {
            out.push(separator);
        }
        out.push(digit);
    }
    out + rest
}
