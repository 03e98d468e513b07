//! Messages with fields, as Python's `str.format` has them: the part of it that messages need.
//!
//! ```text
//! template    text with {field}, and {{ }} for braces
//! field       [number | name] [!s | !r] [:spec]
//! spec        [[fill] < > ^ =] [+ - space] [0] [width] [, _] [.precision] [type]
//! type        s, d b o x X, f e g %
//! ```
//!
//! There are no attributes (`{x.y}`), no items (`{x[0]}`), no fields within a spec, no `#` and no `n`, `c`, `F`,
//! `E`, `G`.

mod number;
mod spec;

use std::borrow::Cow;

use crate::Value;
use spec::Spec;

/// Widest field, and most digits behind a point.
pub const MAX_WIDTH: usize = 1024;

/// A template and its values do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A brace without its partner.
    #[error("single brace in the template; a brace as text is written twice")]
    Brace,
    /// The template wants a value by its number.
    #[error("no value for field {{{0}}}")]
    NoValue(usize),
    /// The template wants a value by its name.
    #[error("no value with the name {0:?}")]
    NoName(String),
    /// `{}` and `{0}` in one template.
    #[error("fields are counted by themselves, {{}}, or numbered, {{0}}, not both")]
    Mixed,
    /// Not a spec, or none that this module knows.
    #[error("field format {0:?} is unknown")]
    UnknownSpec(String),
    /// A width or a precision above the limit.
    #[error("field of {0} characters is too wide: at most {MAX_WIDTH} are allowed")]
    TooWide(String),
    /// Such as a text as `d`.
    #[error("field format {spec:?} does not fit {value}")]
    WrongType {
        /// The format.
        spec: String,
        /// The value, as it would be printed.
        value: String,
    },
}

/// Fills the fields of a template.
pub(crate) fn fill(
    template: &str,
    values: &[Value],
    named: &[(Cow<'static, str>, Value)],
) -> Result<String, FormatError> {
    let mut out = String::new();
    let mut fields = Fields {
        values,
        named,
        next: 0,
        numbered: false,
    };
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let (brace, tail) = rest[at..].split_at(1);
        if let Some(tail) = tail.strip_prefix(brace) {
            out.push_str(brace);
            rest = tail;
            continue;
        }
        let (field, tail) = tail
            .split_once('}')
            .filter(|(field, _)| brace == "{" && !field.contains('{'))
            .ok_or(FormatError::Brace)?;
        out.push_str(&fields.show(field)?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

struct Fields<'a> {
    values: &'a [Value],
    named: &'a [(Cow<'static, str>, Value)],
    /// The number of the next `{}`.
    next: usize,
    /// Whether a `{0}` was there.
    numbered: bool,
}

impl Fields<'_> {
    fn show(&mut self, field: &str) -> Result<String, FormatError> {
        let (head, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = match head.split_once('!') {
            Some((name, conversion)) => (name, Some(conversion)),
            None => (head, None),
        };
        let value = self.value(name)?;
        let spec = Spec::parse(spec)?;
        match conversion {
            None => spec.show(value),
            Some("s") => spec.show(&Value::Text(value.to_string())),
            Some("r") => {
                let mut text = String::new();
                // A `String` takes everything.
                let _ = value.repr(&mut text);
                spec.show(&Value::Text(text))
            }
            Some(_) => Err(FormatError::UnknownSpec(field.to_owned())),
        }
    }

    fn value(&mut self, name: &str) -> Result<&Value, FormatError> {
        let number = if name.is_empty() {
            self.next += 1;
            self.next - 1
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
            self.numbered = true;
            name.parse().map_err(|_| FormatError::NoName(name.to_owned()))?
        } else {
            let found = self.named.iter().find(|(known, _)| known == name);
            return found
                .map(|(_, value)| value)
                .ok_or_else(|| FormatError::NoName(name.to_owned()));
        };
        if self.numbered && self.next > 0 {
            return Err(FormatError::Mixed);
        }
        self.values.get(number).ok_or(FormatError::NoValue(number))
    }
}

#[cfg(test)]
mod tests;
