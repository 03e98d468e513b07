//! The time at the beginning of a line.
//!
//! A line says as much of its time as its format has: often no date, never a zone unless the format has one. What is missing
//! comes from a time that is known: that of the next entry, or now. A line is never much later than that.

use chrono::{
    DateTime, Datelike, Days, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc,
};

use crate::Zone;

/// How much later than the next one an entry may be: clocks of workers differ.
const SKEW: TimeDelta = TimeDelta::hours(1);

/// The time that `line` begins with, and what follows it.
pub(super) fn time_of(line: &str, known: DateTime<Utc>, zone: Zone) -> Option<(DateTime<Utc>, &str)> {
    let line = line.trim_start_matches(['[', '<', '(']);
    let (first, after) = line.split_once(' ')?;
    if let Ok(time) = DateTime::parse_from_rfc3339(bare(first)) {
        return Some((time.to_utc(), after));
    }
    let here = local(known, zone);
    if let Some(time) = iso(bare(first)).or_else(|| of_day(bare(first), here)) {
        return Some((utc(time, zone)?, after));
    }
    let (second, rest) = after.split_once(' ').unwrap_or((after, ""));
    let time = with_date(first, bare(second), here)?;
    Some((utc(time, zone)?, rest))
}

fn bare(word: &str) -> &str {
    word.trim_end_matches([']', '>', ')', ',', ':'])
}

fn iso(word: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(word, "%Y-%m-%dT%H:%M:%S%.f").ok()
}

fn clock(word: &str) -> Option<NaiveTime> {
    let exact = NaiveTime::parse_from_str(word, "%H:%M:%S%.f");
    exact.or_else(|_| NaiveTime::parse_from_str(word, "%H:%M")).ok()
}

/// A time of the day: today's, or yesterday's when that is later than can be.
fn of_day(word: &str, known: NaiveDateTime) -> Option<NaiveDateTime> {
    let time = known.date().and_time(clock(word)?);
    if time > known + SKEW {
        return time.checked_sub_days(Days::new(1));
    }
    Some(time)
}

fn with_date(date: &str, time: &str, known: NaiveDateTime) -> Option<NaiveDateTime> {
    let time = clock(time)?;
    let date_of = |pattern| NaiveDate::parse_from_str(date, pattern).ok();
    if let Some(date) = date_of("%m-%d-%y").or_else(|| date_of("%Y-%m-%d")) {
        return Some(date.and_time(time));
    }
    let in_year = |year: i32| NaiveDate::parse_from_str(&format!("{year}-{date}"), "%Y-%m-%d").ok();
    let this_year = in_year(known.year())?.and_time(time);
    if this_year > known + SKEW {
        return Some(in_year(known.year() - 1)?.and_time(time));
    }
    Some(this_year)
}

fn local(time: DateTime<Utc>, zone: Zone) -> NaiveDateTime {
    match zone {
        Zone::Utc => time.naive_utc(),
        Zone::Local => time.with_timezone(&Local).naive_local(),
        Zone::Named(zone) => time.with_timezone(&zone).naive_local(),
    }
}

/// An hour that is there twice is taken for the first, one that is not there for none.
fn utc(time: NaiveDateTime, zone: Zone) -> Option<DateTime<Utc>> {
    Some(match zone {
        Zone::Utc => time.and_utc(),
        Zone::Local => Local.from_local_datetime(&time).earliest()?.to_utc(),
        Zone::Named(zone) => zone.from_local_datetime(&time).earliest()?.to_utc(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, known: &str, expect: &str, rest: &str) {
        let (time, after) = time_of(line, known.parse().unwrap(), Zone::Utc).unwrap();
        assert_eq!((time, after), (expect.parse().unwrap(), rest));
    }

    #[test]
    fn what_the_line_does_not_say_comes_from_what_is_known() {
        let known = "2018-03-09T12:34:56Z";
        check("12:34:50 INFO> x", known, "2018-03-09T12:34:50Z", "INFO> x");
        check("12:34 INFO> x", known, "2018-03-09T12:34:00Z", "INFO> x");
        check("23:59:59 INFO> x", known, "2018-03-08T23:59:59Z", "INFO> x");
        check("03-08 01:02:03 INFO> x", known, "2018-03-08T01:02:03Z", "INFO> x");
        check("12-31 23:00 INFO> x", known, "2017-12-31T23:00:00Z", "INFO> x");
        check(
            "03-01-18 01:02:03 INFO> x",
            known,
            "2018-03-01T01:02:03Z",
            "INFO> x",
        );
    }

    #[test]
    fn full_times_are_taken_as_they_are() {
        let known = "2018-03-09T12:34:56Z";
        check(
            "2020-01-02T03:04:05.678 INFO> x",
            known,
            "2020-01-02T03:04:05.678Z",
            "INFO> x",
        );
        check(
            "2020-01-02T03:04:05+01:00 INFO> x",
            known,
            "2020-01-02T02:04:05Z",
            "INFO> x",
        );
        check("[2020-01-02 03:04:05] x", known, "2020-01-02T03:04:05Z", "x");
    }

    #[test]
    fn clocks_may_differ_a_little() {
        check("12:35:10 x", "2018-03-09T12:34:56Z", "2018-03-09T12:35:10Z", "x");
        check("00:00:01 x", "2018-03-08T23:59:59Z", "2018-03-08T00:00:01Z", "x");
    }

    #[test]
    fn other_words_are_no_times() {
        for line in ["INFO> x", "", "hello world", "99:99:99 x", "13-45 12:00:00 x"] {
            assert!(
                time_of(line, DateTime::UNIX_EPOCH, Zone::Utc).is_none(),
                "{line:?}"
            );
        }
    }
}
