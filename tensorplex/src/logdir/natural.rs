//! Natural order: `agent/2` comes before `agent/10`.

use std::cmp::Ordering;

/// Compares two names; digits in them count as numbers.
///
/// ```
/// use tensorplex::logdir::natural_order;
///
/// let mut names = ["agent/10", "agent/2", "agent/02"];
/// names.sort_by(|a, b| natural_order(a, b));
/// assert_eq!(names, ["agent/02", "agent/2", "agent/10"]);
/// ```
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (first, second) = match (take_part(&mut left), take_part(&mut right)) {
            // Numbers with zeros before them are equal so far.
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(first), Some(second)) => (first, second),
        };
        let order = match (is_number(first), is_number(second)) {
            (true, true) => compare_numbers(first, second),
            _ => first.cmp(second),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes the number or the other text at the start of `rest`.
fn take_part<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let is_digit = is_number(rest);
    let end = rest
        .find(|c: char| c.is_ascii_digit() != is_digit)
        .unwrap_or(rest.len());
    let (part, tail) = rest.split_at(end);
    *rest = tail;
    (!part.is_empty()).then_some(part)
}

fn is_number(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_digit())
}

/// Compares numbers of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let sorted = [
            "",
            ".",
            "1",
            "01x",
            "2",
            "10",
            "99999999999999999999",
            "a",
            "a/b2/c10",
            "a/b10/c2",
            "b",
        ];
        for (index, first) in sorted.iter().enumerate() {
            for (other, second) in sorted.iter().enumerate() {
                assert_eq!(
                    natural_order(first, second),
                    index.cmp(&other),
                    "{first} {second}"
                );
            }
        }
    }
}
