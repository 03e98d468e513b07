//! What stands behind the colon of a field.

use super::number::{Sign, float, integer};
use super::{FormatError, MAX_WIDTH};
use crate::Value;

/// A parsed format of a field.
#[derive(Debug, Default)]
pub(super) struct Spec {
    /// As it was written, for messages.
    text: String,
    fill: Option<char>,
    align: Option<char>,
    pub sign: Sign,
    width: usize,
    pub grouping: Option<char>,
    pub precision: Option<usize>,
    pub kind: Option<char>,
}

impl Spec {
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut spec = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        let mut rest = spec.take_align(text);
        if let Some((sign, tail)) = Sign::take(rest) {
            (spec.sign, rest) = (sign, tail);
        }
        if let Some(tail) = rest.strip_prefix('0') {
            rest = tail;
            spec.fill.get_or_insert('0');
            spec.align.get_or_insert('=');
        }
        (spec.width, rest) = take_number(rest)?;
        if let Some(tail) = rest.strip_prefix([',', '_']) {
            spec.grouping = rest.chars().next();
            rest = tail;
        }
        if let Some(tail) = rest.strip_prefix('.') {
            let (precision, after) = take_number(tail)?;
            if after.len() == tail.len() {
                return Err(FormatError::UnknownSpec(text.to_owned()));
            }
            (spec.precision, rest) = (Some(precision), after);
        }
        let mut kinds = rest.chars();
        spec.kind = kinds.next();
        let known = spec.kind.is_none_or(|kind| "sdboxXfeg%".contains(kind));
        // Python groups the zeros too.
        let grouped_zeros = spec.align == Some('=') && spec.grouping.is_some();
        if !known || grouped_zeros || kinds.next().is_some() {
            return Err(FormatError::UnknownSpec(text.to_owned()));
        }
        Ok(spec)
    }

    fn take_align<'a>(&mut self, text: &'a str) -> &'a str {
        let is_align = |c: &char| "<>^=".contains(*c);
        let mut chars = text.chars();
        let (first, second) = (chars.next(), chars.next());
        if let (Some(fill), Some(align)) = (first, second.filter(is_align)) {
            (self.fill, self.align) = (Some(fill), Some(align));
            return &text[fill.len_utf8() + 1..];
        }
        self.align = first.filter(is_align);
        &text[self.align.map_or(0, char::len_utf8)..]
    }

    pub fn show(&self, value: &Value) -> Result<String, FormatError> {
        let wrong = || FormatError::WrongType {
            spec: self.text.clone(),
            value: value.to_string(),
        };
        if self.text.is_empty() {
            return Ok(value.to_string());
        }
        let kind = self.kind.unwrap_or(' ');
        match value {
            // As in Python, a truth value with a format is a number.
            Value::Bool(truth) => self.show(&Value::Int((*truth).into())),
            Value::Int(n) if " dboxX".contains(kind) => {
                let digits = integer(*n, self).ok_or_else(wrong)?;
                Ok(self.pad(self.sign.of(*n < 0), &digits, '>'))
            }
            Value::Int(n) if "feg%".contains(kind) => self.show(&Value::Float(*n as f64)),
            Value::Float(x) if " feg%".contains(kind) => Ok(self.pad(
                self.sign.of(x.is_sign_negative() && !x.is_nan()),
                &float(x.abs(), self),
                '>',
            )),
            Value::Text(text) if " s".contains(kind) && self.is_for_text() => {
                let shown: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
                Ok(self.pad("", &shown, '<'))
            }
            _ => Err(wrong()),
        }
    }

    /// Texts have no sign, no groups of digits, and nothing between a sign and digits.
    fn is_for_text(&self) -> bool {
        self.sign == Sign::default() && self.grouping.is_none() && self.align != Some('=')
    }

    fn pad(&self, sign: &str, body: &str, default: char) -> String {
        let missing = self.width.saturating_sub(sign.len() + body.chars().count());
        let fill = |n: usize| self.fill.unwrap_or(' ').to_string().repeat(n);
        match self.align.unwrap_or(default) {
            '<' => format!("{sign}{body}{}", fill(missing)),
            '^' => format!("{}{sign}{body}{}", fill(missing / 2), fill(missing - missing / 2)),
            '=' => format!("{sign}{}{body}", fill(missing)),
            _ => format!("{}{sign}{body}", fill(missing)),
        }
    }
}

fn take_number(text: &str) -> Result<(usize, &str), FormatError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Ok((0, rest));
    }
    let number = digits.parse().ok().filter(|&n| n <= MAX_WIDTH);
    number
        .map(|n| (n, rest))
        .ok_or_else(|| FormatError::TooWide(digits.to_owned()))
}
