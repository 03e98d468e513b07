//! Templates as in Python's `str.format`: the part of it that log messages need.
//!
//! ```text
//! template    text with {field}, and {{ }} for braces
//! field       [number | name] [!s | !r] [:spec]
//! spec        [[fill] < > ^ =] [+ - space] [0] [width] [, _] [.precision] [type]
//! type        s, d b o x X, f e g %
//! ```
//!
//! Not supported: attributes (`{x.y}`), items (`{x[0]}`), nested fields, `#`, and the types `n`,
//! `c`, `F`, `E`, `G`.

mod number;
mod render;
mod spec;

use std::borrow::Cow;

use super::escape::split_at_char;
use super::value::Value;
use spec::Spec;

/// Largest width and precision of a field, in characters.
pub const MAX_WIDTH: usize = 1024;

/// A template and its values do not fit together.
///
/// ```
/// use loggerplex::message::FormatError;
/// use loggerplex::words;
///
/// assert_eq!(words![1].format("{} of {}"), Err(FormatError::NoValue(1)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A brace has no partner.
    #[error("single brace in the template; write a literal brace twice")]
    Brace,
    /// The template numbers a value that is missing.
    #[error("no value for field {{{0}}}")]
    NoValue(usize),
    /// The template names a value that is missing.
    #[error("no value with the name {0:?}")]
    NoName(String),
    /// The template mixes `{}` and `{0}`.
    #[error("template mixes automatic fields {{}} and numbered fields {{0}}")]
    Mixed,
    /// The field's format is malformed or not supported.
    #[error("field format {0:?} is unknown")]
    UnknownSpec(String),
    /// A width or a precision exceeds [`MAX_WIDTH`].
    #[error("field of {0} characters is too wide: at most {MAX_WIDTH} are allowed")]
    TooWide(String),
    /// The format is for another type, such as `d` for a text.
    #[error("field format {spec:?} does not fit {value}")]
    WrongType {
        /// Format of the field.
        spec: String,
        /// Value, as printed without a format.
        value: String,
    },
}

/// Fills the fields of a template.
pub(super) fn fill(
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
    while let Some((text, brace, tail)) = split_at_char(rest, |c| matches!(c, '{' | '}')) {
        out.push_str(text);
        if let Some(tail) = tail.strip_prefix(brace) {
            out.push(brace);
            rest = tail;
            continue;
        }
        let (field, tail) = tail
            .split_once('}')
            .filter(|(field, _)| brace == '{' && !field.contains('{'))
            .ok_or(FormatError::Brace)?;
        out.push_str(&fields.render(field)?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

struct Fields<'a> {
    values: &'a [Value],
    named: &'a [(Cow<'static, str>, Value)],
    /// Index of the value for the next `{}`.
    next: usize,
    /// Set once the template used a numbered field such as `{0}`.
    numbered: bool,
}

impl Fields<'_> {
    fn render(&mut self, field: &str) -> Result<String, FormatError> {
        let (head, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = match head.split_once('!') {
            Some((name, conversion)) => (name, Some(conversion)),
            None => (head, None),
        };
        let value = self.value(name)?;
        let spec = Spec::parse(spec)?;
        match conversion {
            None => spec.render(value),
            Some("s") => spec.render(&Value::Text(value.to_string())),
            Some("r") => {
                let mut text = String::new();
                // Writing to a `String` cannot fail.
                let _ = value.repr(&mut text);
                spec.render(&Value::Text(text))
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
