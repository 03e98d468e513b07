//! Coordinates of a value.

/// Series, step and time of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'a> {
    /// Tag of the series.
    pub tag: &'a str,
    /// Global step.
    pub step: i64,
    /// Seconds since 1970; finite.
    pub wall_time: f64,
}
