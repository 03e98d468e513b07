//! Rendering: a value in the format of its field.

use super::FormatError;
use super::number::{float_digits, integer_digits};
use super::spec::{Sign, Spec};
use crate::message::value::Value;

impl Spec {
    pub fn render(&self, value: &Value) -> Result<String, FormatError> {
        let wrong_type = || FormatError::WrongType {
            spec: self.text.clone(),
            value: value.to_string(),
        };
        if self.text.is_empty() {
            return Ok(value.to_string());
        }
        let kind = self.kind.unwrap_or(' ');
        match value {
            // As in Python, a boolean with a format is a number.
            Value::Bool(truth) => self.render(&Value::Int((*truth).into())),
            Value::Int(n) if " dboxX".contains(kind) => {
                let digits = integer_digits(*n, self).ok_or_else(wrong_type)?;
                Ok(self.pad(self.sign.of(*n < 0), &digits, '>'))
            }
            Value::Int(n) if "feg%".contains(kind) => self.render(&Value::Float(*n as f64)),
            Value::Float(x) if " feg%".contains(kind) => Ok(self.pad(
                self.sign.of(x.is_sign_negative() && !x.is_nan()),
                &float_digits(x.abs(), self),
                '>',
            )),
            Value::Text(text) if " s".contains(kind) && self.allows_text() => {
                let cut: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
                Ok(self.pad("", &cut, '<'))
            }
            _ => Err(wrong_type()),
        }
    }

    /// Returns whether the spec has none of the parts that only numbers have.
    fn allows_text(&self) -> bool {
        self.sign == Sign::default() && self.grouping.is_none() && self.align != Some('=')
    }

    /// Pads to the width; `=` pads between the sign and the digits.
    fn pad(&self, sign: &str, body: &str, default_align: char) -> String {
        let missing = self.width.saturating_sub(sign.len() + body.chars().count());
        let fill = |n: usize| self.fill.unwrap_or(' ').to_string().repeat(n);
        match self.align.unwrap_or(default_align) {
            '<' => format!("{sign}{body}{}", fill(missing)),
            '^' => format!("{}{sign}{body}{}", fill(missing / 2), fill(missing - missing / 2)),
            '=' => format!("{sign}{}{body}", fill(missing)),
            _ => format!("{}{sign}{body}", fill(missing)),
        }
    }
}
