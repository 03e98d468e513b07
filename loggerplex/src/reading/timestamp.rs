//! Timestamps: the time at the beginning of a line, with its missing parts guessed.
//!
//! A time format often writes no date, and rarely a zone. The missing parts come from a reference:
//! the time of the next entry, or now. An entry is at most [`MAX_SKEW`] later than its reference.

use chrono::{
    DateTime, Datelike, Days, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc,
};

use crate::format::Zone;

/// Largest clock difference between workers: an entry may be this much later than the next one.
const MAX_SKEW: TimeDelta = TimeDelta::hours(1);

/// Parses the time at the beginning of a line. Returns it with the rest of the line.
pub(super) fn parse_timestamp(
    line: &str,
    reference: DateTime<Utc>,
    zone: Zone,
) -> Option<(DateTime<Utc>, &str)> {
    let line = line.trim_start_matches(['[', '<', '(']);
    let (first, after) = line.split_once(' ')?;
    if let Ok(time) = DateTime::parse_from_rfc3339(bare(first)) {
        return Some((time.to_utc(), after));
    }
    let reference = to_local(reference, zone);
    let date_and_time = parse_iso(bare(first));
    if let Some(time) = date_and_time.or_else(|| guess_day(bare(first), reference)) {
        return Some((to_utc(time, zone)?, after));
    }
    let (second, rest) = after.split_once(' ').unwrap_or((after, ""));
    let time = parse_date_and_time(first, bare(second), reference)?;
    Some((to_utc(time, zone)?, rest))
}

/// Word without closing brackets and punctuation.
fn bare(word: &str) -> &str {
    word.trim_end_matches([']', '>', ')', ',', ':'])
}

fn parse_iso(word: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(word, "%Y-%m-%dT%H:%M:%S%.f").ok()
}

fn parse_time_of_day(word: &str) -> Option<NaiveTime> {
    let with_seconds = NaiveTime::parse_from_str(word, "%H:%M:%S%.f");
    with_seconds
        .or_else(|_| NaiveTime::parse_from_str(word, "%H:%M"))
        .ok()
}

/// Time of day on the reference's day, or on the day before when the former is too late.
fn guess_day(word: &str, reference: NaiveDateTime) -> Option<NaiveDateTime> {
    let time = reference.date().and_time(parse_time_of_day(word)?);
    if time > reference + MAX_SKEW {
        return time.checked_sub_days(Days::new(1));
    }
    Some(time)
}

/// Date and time of day; a date without a year is in the reference's year, or in the one before.
fn parse_date_and_time(date: &str, time: &str, reference: NaiveDateTime) -> Option<NaiveDateTime> {
    let time = parse_time_of_day(time)?;
    let date_of = |pattern| NaiveDate::parse_from_str(date, pattern).ok();
    if let Some(date) = date_of("%m-%d-%y").or_else(|| date_of("%Y-%m-%d")) {
        return Some(date.and_time(time));
    }
    let in_year = |year: i32| NaiveDate::parse_from_str(&format!("{year}-{date}"), "%Y-%m-%d").ok();
    let this_year = in_year(reference.year())?.and_time(time);
    if this_year > reference + MAX_SKEW {
        return Some(in_year(reference.year() - 1)?.and_time(time));
    }
    Some(this_year)
}

fn to_local(time: DateTime<Utc>, zone: Zone) -> NaiveDateTime {
    match zone {
        Zone::Utc => time.naive_utc(),
        Zone::Local => time.with_timezone(&Local).naive_local(),
        Zone::Named(zone) => time.with_timezone(&zone.tz()).naive_local(),
    }
}

/// Converts to UTC. A local time that exists twice is the first of both; one that does not exist is
/// none.
fn to_utc(time: NaiveDateTime, zone: Zone) -> Option<DateTime<Utc>> {
    Some(match zone {
        Zone::Utc => time.and_utc(),
        Zone::Local => Local.from_local_datetime(&time).earliest()?.to_utc(),
        Zone::Named(zone) => zone.tz().from_local_datetime(&time).earliest()?.to_utc(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, reference: &str, expect: &str, rest: &str) {
        let (time, after) = parse_timestamp(line, reference.parse().unwrap(), Zone::Utc).unwrap();
        assert_eq!((time, after), (expect.parse().unwrap(), rest));
    }

    #[test]
    fn missing_parts_come_from_the_reference() {
        let reference = "2018-03-09T12:34:56Z";
        check("12:34:50 INFO> x", reference, "2018-03-09T12:34:50Z", "INFO> x");
        check("12:34 INFO> x", reference, "2018-03-09T12:34:00Z", "INFO> x");
        check("23:59:59 INFO> x", reference, "2018-03-08T23:59:59Z", "INFO> x");
        check(
            "03-08 01:02:03 INFO> x",
            reference,
            "2018-03-08T01:02:03Z",
            "INFO> x",
        );
        check(
            "12-31 23:00 INFO> x",
            reference,
            "2017-12-31T23:00:00Z",
            "INFO> x",
        );
        check(
            "03-01-18 01:02:03 INFO> x",
            reference,
            "2018-03-01T01:02:03Z",
            "INFO> x",
        );
    }

    #[test]
    fn full_times_need_no_reference() {
        let reference = "2018-03-09T12:34:56Z";
        check(
            "2020-01-02T03:04:05.678 INFO> x",
            reference,
            "2020-01-02T03:04:05.678Z",
            "INFO> x",
        );
        check(
            "2020-01-02T03:04:05+01:00 INFO> x",
            reference,
            "2020-01-02T02:04:05Z",
            "INFO> x",
        );
        check("[2020-01-02 03:04:05] x", reference, "2020-01-02T03:04:05Z", "x");
    }

    #[test]
    fn clocks_may_differ_by_the_skew() {
        check("12:35:10 x", "2018-03-09T12:34:56Z", "2018-03-09T12:35:10Z", "x");
        check("00:00:01 x", "2018-03-08T23:59:59Z", "2018-03-08T00:00:01Z", "x");
    }

    #[test]
    fn other_words_are_not_times() {
        for line in ["INFO> x", "", "hello world", "99:99:99 x", "13-45 12:00:00 x"] {
            assert!(
                parse_timestamp(line, DateTime::UNIX_EPOCH, Zone::Utc).is_none(),
                "{line:?}"
            );
        }
    }
}
