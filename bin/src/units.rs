//! Durations, sizes and numbers of things: parsing options, printing.

use std::num::NonZeroU64;
use std::time::Duration;

/// Parses a duration such as `30s`, `500ms`, `2m`, `1h`; seconds without a unit.
///
/// # Errors
/// Fails on any other text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is not a unit of time: use ms, s, m or h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} is not a duration: write it like 30s"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("{text:?} is too long a duration"))
}

/// Parses a size such as `100M`; bytes without a unit.
///
/// # Errors
/// Fails on any other text, and on 0.
pub fn parse_size(text: &str) -> Result<NonZeroU64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit: u64 = match unit {
        "B" | "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err(format!("{unit:?} is not a unit of size: use B, K, M or G")),
    };
    let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    let bytes = bytes.and_then(NonZeroU64::new);
    bytes.ok_or_else(|| format!("{text:?} is not a size: write it like 100M"))
}

/// Prints a number of bytes, such as `1.5 MiB`.
pub fn format_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}").replace(".0 ", " ");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Prints a number of things, such as `1 run` or `2 runs`.
pub fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1.5s", 1_500),
            ("3", 3_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "1 day", "-1s", "1e400s", "1.2.3s"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_have_units() {
        let sizes = [
            ("7", 7),
            ("7B", 7),
            ("2K", 2048),
            ("100M", 100 << 20),
            ("3G", 3 << 30),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse_size(text).map(NonZeroU64::get), Ok(bytes), "{text}");
        }
        for text in ["", "0", "K", "1.5M", "-1", "1k", "99999999999G", "1 M"] {
            assert!(parse_size(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_thing_is_singular() {
        assert_eq!(
            [0, 1, 2].map(|number| count(number, "run")),
            ["0 runs", "1 run", "2 runs"]
        );
    }

    #[test]
    fn bytes_are_printed_with_binary_units() {
        assert_eq!(format_bytes(1023), "1023 B");
        assert_eq!(format_bytes(3 << 19), "1.5 MiB");
        assert_eq!(format_bytes(2 << 40), "2.0 TiB");
    }
}
