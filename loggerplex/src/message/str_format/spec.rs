//! Format specs: parsing the part of a field after its colon.

use super::{FormatError, MAX_WIDTH};

/// Parsed format of a field.
#[derive(Debug, Default)]
pub(super) struct Spec {
    /// Source text, for error messages.
    pub text: String,
    pub fill: Option<char>,
    pub align: Option<char>,
    pub sign: Sign,
    pub width: usize,
    pub grouping: Option<char>,
    pub precision: Option<usize>,
    pub kind: Option<char>,
}

/// Sign of a number that is not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sign {
    #[default]
    Minus,
    Plus,
    Space,
}

impl Sign {
    fn parse(text: &str) -> Option<(Self, &str)> {
        let mut chars = text.chars();
        let sign = match chars.next()? {
            '-' => Self::Minus,
            '+' => Self::Plus,
            ' ' => Self::Space,
            _ => return None,
        };
        Some((sign, chars.as_str()))
    }

    /// Sign text of a number.
    pub fn of(self, negative: bool) -> &'static str {
        match (negative, self) {
            (true, _) => "-",
            (false, Self::Minus) => "",
            (false, Self::Plus) => "+",
            (false, Self::Space) => " ",
        }
    }
}

impl Spec {
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut spec = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        let mut rest = spec.parse_align(text);
        if let Some((sign, tail)) = Sign::parse(rest) {
            (spec.sign, rest) = (sign, tail);
        }
        if let Some(tail) = rest.strip_prefix('0') {
            rest = tail;
            spec.fill.get_or_insert('0');
            spec.align.get_or_insert('=');
        }
        (spec.width, rest) = parse_number(rest)?;
        if let Some(tail) = rest.strip_prefix([',', '_']) {
            spec.grouping = rest.chars().next();
            rest = tail;
        }
        if let Some(tail) = rest.strip_prefix('.') {
            let (precision, after) = parse_number(tail)?;
            if after.len() == tail.len() {
                return Err(FormatError::UnknownSpec(text.to_owned()));
            }
            (spec.precision, rest) = (Some(precision), after);
        }
        let mut kinds = rest.chars();
        spec.kind = kinds.next();
        let known = spec.kind.is_none_or(|kind| "sdboxXfeg%".contains(kind));
        // Python also groups the padding zeros. That is not supported.
        let grouped_zeros = spec.align == Some('=') && spec.grouping.is_some();
        if !known || grouped_zeros || kinds.next().is_some() {
            return Err(FormatError::UnknownSpec(text.to_owned()));
        }
        Ok(spec)
    }

    /// Parses `[[fill]align]` and returns the rest.
    fn parse_align<'a>(&mut self, text: &'a str) -> &'a str {
        let is_align = |c: &char| "<>^=".contains(*c);
        let mut chars = text.chars();
        let first = chars.next();
        let after_first = chars.as_str();
        let second = chars.next().filter(is_align);
        if first.is_some() && second.is_some() {
            (self.fill, self.align) = (first, second);
            return chars.as_str();
        }
        self.align = first.filter(is_align);
        if self.align.is_some() { after_first } else { text }
    }
}

/// Parses a number, 0 when there are no digits, and returns the rest.
fn parse_number(text: &str) -> Result<(usize, &str), FormatError> {
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
