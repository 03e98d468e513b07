//! What a message is made of: values side by side, or in the fields of a template.

use std::borrow::Cow;
use std::fmt;

use crate::{FormatError, Text, Value, str_format};

/// Values for a message, made by [`words!`](crate::words): side by side as Python's `print` has them, or in the
/// fields of a template.
///
/// ```
/// use loggerplex::words;
///
/// assert_eq!(words!["loss", 0.25, true].to_string(), "loss 0.25 True");
/// assert_eq!(words!["a", 1].sep(", ").to_string(), "a, 1");
/// let text = words![3, best = 0.5].format("epoch {:02d}: {best:.1%}");
/// assert_eq!(text.as_deref(), Ok("epoch 03: 50.0%"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    values: Vec<Value>,
    named: Vec<(Cow<'static, str>, Value)>,
    sep: Cow<'static, str>,
}

/// [`Words`] from values, and from values with names: `words!["loss", 0.25, best = 0.5]`.
#[macro_export]
macro_rules! words {
    (@ $words:ident) => {};
    (@ $words:ident $name:ident = $value:expr $(, $($rest:tt)*)?) => {
        $words.push_named(stringify!($name), $value);
        $crate::words!(@ $words $($($rest)*)?);
    };
    (@ $words:ident $value:expr $(, $($rest:tt)*)?) => {
        $words.push($value);
        $crate::words!(@ $words $($($rest)*)?);
    };
    ($($words:tt)*) => {{
        #[allow(unused_mut)]
        let mut words = $crate::Words::default();
        $crate::words!(@ words $($words)*);
        words
    }};
}

impl Default for Words {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            named: Vec::new(),
            sep: " ".into(),
        }
    }
}

impl Words {
    /// Adds a value.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
    }

    /// Adds a value that only a template can ask for.
    pub fn push_named(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.named.push((name.into(), value.into()));
    }

    /// What stands between two values; without it, a space.
    #[must_use]
    pub fn sep(mut self, sep: impl Into<Cow<'static, str>>) -> Self {
        self.sep = sep.into();
        self
    }

    /// The values in the fields of a template, as Python's `str.format` does it.
    ///
    /// Fields are `{}`, `{0}` or `{name}`, with `!s` or `!r` and a format behind a colon:
    /// `[[fill]align][sign][0][width][,][.precision][type]` with the types `s`, `d`, `b`, `o`, `x`, `X`, `f`, `e`,
    /// `g` and `%`. Attributes, items, `#` and fields within a format are not known.
    ///
    /// # Errors
    /// When the template is not one, or asks for what is not there.
    pub fn format(&self, template: &str) -> Result<String, FormatError> {
        str_format::fill(template, &self.values, &self.named)
    }

    /// The filled template; when that fails, the template and why, since no message may get lost.
    pub(crate) fn format_or_say_why(&self, template: &str) -> Text<'static> {
        let why = |error| format!("{template} [not formatted: {error}]");
        self.format(template).unwrap_or_else(why).into()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, value) in self.values.iter().enumerate() {
            let sep = if n > 0 { &*self.sep } else { "" };
            write!(f, "{sep}{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_side_by_side_as_python_prints_them() {
        let map = Value::Map(vec![("k".to_owned(), 2.0.into())]);
        let list = Value::List(vec![1.into(), "a".into()]);
        let words = words!["loss", 0.25, None::<i64>, true, list, map];
        assert_eq!(words.to_string(), "loss 0.25 None True [1, 'a'] {'k': 2.0}");
        assert_eq!(words!["a", 1, 2.5,].sep(", ").to_string(), "a, 1, 2.5");
        assert_eq!(words!["braces {} stay", 3].to_string(), "braces {} stay 3");
        assert_eq!(words![].to_string(), "");
    }

    #[test]
    fn a_template_that_does_not_fit_is_logged_with_the_reason() {
        let text = words![1].format_or_say_why("{} of {all}");
        assert_eq!(
            text.as_str(),
            "{} of {all} [not formatted: no value with the name \"all\"]"
        );
        assert_eq!(
            words![1, all = 2].format_or_say_why("{} of {all}").as_str(),
            "1 of 2"
        );
    }
}
