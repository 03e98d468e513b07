//! Messages built from values: joined by a separator, or filled into a template.

use std::borrow::Cow;
use std::fmt;

use super::str_format::{self, FormatError};
use super::text::Text;
use super::value::Value;

/// Values of a message, made by [`words!`](crate::words).
///
/// `Display` joins them as Python's `print` does; [`format`](Self::format) fills them into a
/// template.
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

/// Makes [`Words`] from values and named values: `words!["loss", 0.25, best = 0.5]`.
///
/// Joining uses the values without a name; a template can use all of them.
///
/// ```
/// use loggerplex::words;
///
/// assert_eq!(words!["loss", 0.25].to_string(), "loss 0.25");
/// let filled = words![7, best = 0.5].format("step {}: {best:.2f}");
/// assert_eq!(filled.as_deref(), Ok("step 7: 0.50"));
/// ```
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
    /// Appends a value.
    pub fn push(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
    }

    /// Appends a named value, which only templates use.
    pub fn push_named(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.named.push((name.into(), value.into()));
    }

    /// Sets the separator of joined values. Default: a space.
    #[must_use]
    pub fn sep(mut self, sep: impl Into<Cow<'static, str>>) -> Self {
        self.sep = sep.into();
        self
    }

    /// Fills the values into a template, as Python's `str.format` does.
    ///
    /// A field is `{}`, `{0}` or `{name}`, with an optional `!s` or `!r` and an optional format
    /// after a colon: `[[fill]align][sign][0][width][,][.precision][type]`. The types are `s`, `d`,
    /// `b`, `o`, `x`, `X`, `f`, `e`, `g` and `%`. Attributes, items, `#` and nested fields are not
    /// supported.
    ///
    /// # Errors
    /// Fails when the template is malformed, names a missing value, or gives a value a format of
    /// another type.
    pub fn format(&self, template: &str) -> Result<String, FormatError> {
        str_format::fill(template, &self.values, &self.named)
    }

    /// Fills a template, or returns it unfilled with the reason: a bad template must not lose the
    /// message.
    pub(crate) fn format_or_explain(&self, template: &str) -> Text<'static> {
        let why = |error| format!("{template} [not formatted: {error}]");
        self.format(template).unwrap_or_else(why).into()
    }
}

impl From<Words> for Text<'_> {
    fn from(words: Words) -> Self {
        words.to_string().into()
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
    fn values_are_joined_as_python_prints_them() {
        let map = Value::Map(vec![("k".to_owned(), 2.0.into())]);
        let list = Value::List(vec![1.into(), "a".into()]);
        let words = words!["loss", 0.25, None::<i64>, true, list, map];
        assert_eq!(words.to_string(), "loss 0.25 None True [1, 'a'] {'k': 2.0}");
        assert_eq!(words!["a", 1, 2.5,].sep(", ").to_string(), "a, 1, 2.5");
        assert_eq!(words!["braces {} stay", 3].to_string(), "braces {} stay 3");
        assert_eq!(words![].to_string(), "");
    }

    #[test]
    fn a_bad_template_is_logged_with_the_reason() {
        let text = words![1].format_or_explain("{} of {all}");
        assert_eq!(
            text.as_str(),
            "{} of {all} [not formatted: no value with the name \"all\"]"
        );
        assert_eq!(
            words![1, all = 2].format_or_explain("{} of {all}").as_str(),
            "1 of 2"
        );
    }
}
