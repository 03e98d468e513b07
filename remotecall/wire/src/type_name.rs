//! Type names without paths, as they are written in source code.

/// The name of `T` without the paths: `Option<Vec<i64>>`, `Box<dyn Error>`.
///
/// For people to read only: Rust does not promise the output of `std::any::type_name`.
pub fn type_name<T: ?Sized>() -> String {
    without_paths(std::any::type_name::<T>())
}

fn without_paths(name: &str) -> String {
    let mut short = String::new();
    let mut word = 0;
    for c in name.chars() {
        short.push(c);
        if short.ends_with("::") {
            short.truncate(word);
        } else if !(c.is_alphanumeric() || c == '_' || c == ':') {
            word = short.len();
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_left_out() {
        for (long, short) in [
            ("i64", "i64"),
            ("core::num::error::ParseIntError", "ParseIntError"),
            ("alloc::boxed::Box<dyn core::error::Error>", "Box<dyn Error>"),
            ("core::option::Option<alloc::vec::Vec<&a::b>>", "Option<Vec<&b>>"),
            ("(a::b, [c::d; 3])", "(b, [d; 3])"),
        ] {
            assert_eq!(without_paths(long), short);
        }
    }
}
