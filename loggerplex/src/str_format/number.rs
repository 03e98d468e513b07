//! The digits of numbers.

use super::spec::Spec;
use crate::value::{shortest, with_exponent};

/// What stands before a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sign {
    #[default]
    Minus,
    Plus,
    Space,
}

impl Sign {
    pub fn take(text: &str) -> Option<(Self, &str)> {
        let sign = match text.chars().next()? {
            '-' => Self::Minus,
            '+' => Self::Plus,
            ' ' => Self::Space,
            _ => return None,
        };
        Some((sign, &text[1..]))
    }

    pub fn of(self, negative: bool) -> &'static str {
        match (negative, self) {
            (true, _) => "-",
            (false, Self::Minus) => "",
            (false, Self::Plus) => "+",
            (false, Self::Space) => " ",
        }
    }
}

/// The digits of an integer without its sign; `None` when the format has digits behind a point.
pub(super) fn integer(n: i128, spec: &Spec) -> Option<String> {
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

/// The digits of a number that is not negative.
pub(super) fn float(x: f64, spec: &Spec) -> String {
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

/// So many significant digits, without zeros at the end. With `behind` 1 a number without exponent keeps
/// one digit behind its point, and has an exponent when that would need one digit too many.
fn general(x: f64, digits: usize, behind: i32) -> String {
    let scientific = format!("{x:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let most = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= most - behind {
        return with_exponent(&format!("{}e{exponent}", without_zeros(mantissa)));
    }
    let places = usize::try_from(most - 1 - exponent).unwrap_or(0);
    let plain = without_zeros(&format!("{x:.places$}")).to_owned();
    if behind == 1 && !plain.contains('.') {
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

/// Puts a separator between groups of digits before the point.
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
