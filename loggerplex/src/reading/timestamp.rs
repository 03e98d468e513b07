//! Timestamps: the time at the beginning of a line, with its missing parts guessed.
//!
//! A time format often writes no date, and rarely a zone. The missing parts come from a reference:
//! the time of the next entry, or now. An entry is at most [`MAX_SKEW`] later than its reference.

use chrono::{
    DateTime, Datelike, Days, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Utc,
};

use crate::format::Zone;

/// Largest clock difference between workers: an entry may be this much later than the next one.
const MAX_SKEW: TimeDelta = TimeDelta::hours(1);
/// Largest step back of a clock that is not taken for the hour that comes twice: 5 min.
const MAX_STEP: TimeDelta = TimeDelta::minutes(5);

/// Parses the time at the beginning of a line. Returns it with the rest of the line.
pub(super) fn parse_timestamp(
    line: &str,
    reference: DateTime<Utc>,
    zone: Zone,
) -> Option<(DateTime<Utc>, &str)> {
    let line = line.trim_start_matches(['[', '<', '(']);
    let (first, after) = line.split_once(' ')?;
    let date_and_time = DateTime::parse_from_rfc3339(bare(first))
        .or_else(|_| DateTime::parse_from_str(bare(first), "%Y-%m-%dT%H:%M:%S%.f%z"));
    if let Ok(time) = date_and_time {
        return Some((time.to_utc(), after));
    }
    if let Some(time) = parse_iso(bare(first)) {
        let (place, rest) = take_place(None, after, zone);
        return Some((place.utc(time, reference)?, rest));
    }
    if let Some((time, offset)) = parse_clock(bare(first)) {
        let (place, rest) = take_place(offset, after, zone);
        let time = guess_day(time, place.local(reference))?;
        return Some((place.utc(time, reference)?, rest));
    }
    let (second, after) = after.split_once(' ').unwrap_or((after, ""));
    let (time, offset) = parse_clock(bare(second))?;
    let (place, rest) = take_place(offset, after, zone);
    let time = guess_year(first, time, place.local(reference))?;
    Some((place.utc(time, reference)?, rest))
}

/// Time of day, with the offset from UTC behind it.
fn parse_clock(word: &str) -> Option<(NaiveTime, Option<FixedOffset>)> {
    if let Some(time) = parse_time_of_day(word) {
        return Some((time, None));
    }
    let (time, offset) = word.split_at_checked(word.rfind(['+', '-', 'Z'])?)?;
    Some((parse_time_of_day(time)?, Some(parse_offset(offset)?)))
}

/// Offset from UTC: `+0100`, `+01:00` or `Z`.
fn parse_offset(word: &str) -> Option<FixedOffset> {
    let word = if word == "Z" { "+0000" } else { word };
    let on_a_day = format!("2000-01-01 00:00 {word}");
    let time = DateTime::parse_from_str(&on_a_day, "%Y-%m-%d %H:%M %z");
    time.ok().map(|time| *time.offset())
}

/// Place of a time: its offset, which may be a word of its own, or the zone.
fn take_place(offset: Option<FixedOffset>, after: &str, zone: Zone) -> (Place, &str) {
    if let Some(offset) = offset {
        return (Place::Offset(offset), after);
    }
    let (word, rest) = after.split_once(' ').unwrap_or((after, ""));
    match parse_offset(bare(word)) {
        Some(offset) => (Place::Offset(offset), rest),
        None => (Place::Zone(zone), after),
    }
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
fn guess_day(time: NaiveTime, reference: NaiveDateTime) -> Option<NaiveDateTime> {
    let time = reference.date().and_time(time);
    if time > reference + MAX_SKEW {
        return time.checked_sub_days(Days::new(1));
    }
    Some(time)
}

/// Date and time of day; a date without a year is in the reference's year, or in the one before.
fn guess_year(date: &str, time: NaiveTime, reference: NaiveDateTime) -> Option<NaiveDateTime> {
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

/// Rule that relates local time to UTC.
#[derive(Clone, Copy)]
enum Place {
    Zone(Zone),
    Offset(FixedOffset),
}

impl Place {
    fn local(self, time: DateTime<Utc>) -> NaiveDateTime {
        match self {
            Self::Offset(offset) => time.with_timezone(&offset).naive_local(),
            Self::Zone(Zone::Utc) => time.naive_utc(),
            Self::Zone(Zone::Local) => time.with_timezone(&Local).naive_local(),
            Self::Zone(Zone::Named(zone)) => time.with_timezone(&zone.tz()).naive_local(),
        }
    }

    /// Converts to UTC. A local time that exists twice is the last that is not after `reference`;
    /// one that does not exist is none.
    fn utc(self, time: NaiveDateTime, reference: DateTime<Utc>) -> Option<DateTime<Utc>> {
        fn choose<Z: TimeZone>(
            zone: &Z,
            time: NaiveDateTime,
            reference: DateTime<Utc>,
        ) -> Option<DateTime<Utc>> {
            let times = zone.from_local_datetime(&time);
            let latest = times.clone().latest()?.to_utc();
            let is_possible = latest <= reference + MAX_STEP;
            Some(if is_possible {
                latest
            } else {
                times.earliest()?.to_utc()
            })
        }
        match self {
            Self::Offset(offset) => choose(&offset, time, reference),
            Self::Zone(Zone::Utc) => Some(time.and_utc()),
            Self::Zone(Zone::Local) => choose(&Local, time, reference),
            Self::Zone(Zone::Named(zone)) => choose(&zone.tz(), time, reference),
        }
    }
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
    fn offsets_may_lack_the_colon_or_be_a_word() {
        for line in [
            "2020-01-02T03:04:05+0100 x",
            "2020-01-02T03:04:05 +0100 x",
            "2020-01-02 03:04:05+0100 x",
            "2020-01-02 03:04:05+01:00 x",
            "[2020-01-02 03:04:05 +0100] x",
            "03:04:05+0100 x",
            "03:04:05 +01:00 x",
            "01-02 03:04:05 +0100 x",
            "2020-01-02 02:04:05Z x",
        ] {
            check(line, "2020-01-02T02:30:00Z", "2020-01-02T02:04:05Z", "x");
        }
    }

    /// In Berlin, 2018-10-28 02:00 to 03:00 comes twice: at 0:00 and at 1:00 UTC.
    #[test]
    fn the_hour_that_comes_twice_is_told_by_the_next_entry() {
        let zone: Zone = "Europe/Berlin".parse().unwrap();
        let mut reference: DateTime<Utc> = "2018-10-28T02:05:00Z".parse().unwrap();
        for (line, expect) in [
            ("02:59:59 x", "2018-10-28T01:59:59Z"),
            ("02:10:00 x", "2018-10-28T01:10:00Z"),
            ("02:10:01 x", "2018-10-28T01:10:01Z"),
            ("02:50:00 x", "2018-10-28T00:50:00Z"),
            ("02:00:00 x", "2018-10-28T00:00:00Z"),
            ("01:59:00 x", "2018-10-27T23:59:00Z"),
        ] {
            let (time, _) = parse_timestamp(line, reference, zone).unwrap();
            assert_eq!(time, expect.parse::<DateTime<Utc>>().unwrap(), "{line}");
            reference = time;
        }
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
