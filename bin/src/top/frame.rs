//! One screen, as lines.

use std::path::Path;
use std::time::Duration;

use super::state::{Run, Series, State};
use crate::terminal::shown;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Widest columns of names.
const MAX_NAME: usize = 32;
/// Columns of numbers: step, age, rate, value.
const NUMBERS: [usize; 4] = [9, 8, 9, 11];

pub(super) struct Look<'a> {
    pub logdir: &'a Path,
    pub broker: &'a str,
    pub silent_after: Duration,
    pub width: usize,
    pub height: usize,
    pub colours: bool,
}

/// The screen; never more lines than its height.
pub(super) fn lines(state: &State, look: &Look<'_>) -> Vec<String> {
    let silent = |run: &Run| run.age() > look.silent_after;
    let count = state.by_run.values().filter(|run| silent(run)).count();
    let mut lines = vec![
        look.paint(
            BOLD,
            &format!(
                "tensorplex top   {}   {} runs, {count} silent   {:.0} records/s",
                look.logdir.display(),
                state.by_run.len(),
                state.rate,
            ),
        ),
        look.broker_line(state),
        String::new(),
    ];
    let mut runs: Vec<(&String, &Run)> = state.by_run.iter().collect();
    // What needs attention comes first.
    runs.sort_by_key(|(_, run)| !silent(run));
    let columns = look.columns(&runs);
    lines.push(look.paint(
        DIM,
        &columns.row("run", ["step", "age", "rec/s", "last"], "tag", ""),
    ));
    let mut left = runs.len();
    for (name, run) in runs {
        let rows = columns.rows(name, run);
        if lines.len() + rows.len() + usize::from(left > 1) > look.height {
            break;
        }
        left -= 1;
        let colour = if silent(run) { YELLOW } else { "" };
        lines.extend(rows.iter().map(|row| look.paint(colour, row)));
    }
    if left > 0 {
        lines.push(look.paint(DIM, &format!("and {left} runs more")));
    }
    lines.truncate(look.height);
    lines
}

impl Look<'_> {
    fn broker_line(&self, state: &State) -> String {
        let queues = match &state.broker.0 {
            Ok(queues) => queues,
            Err(why) => return self.paint(YELLOW, &format!("broker {}: {}", self.broker, shown(why))),
        };
        let mut text = format!("broker {}:", self.broker);
        for (queue, backlog) in queues {
            let age = backlog
                .age
                .map(|age| format!(", oldest {}", time(age)))
                .unwrap_or_default();
            let served = if backlog.server.is_some() {
                ""
            } else {
                ", NOT SERVED"
            };
            let dropped = match backlog.dropped {
                0 => String::new(),
                count => format!(", {count} calls dropped by workers"),
            };
            text.push_str(&format!(
                "   {queue} {} waiting{age}{served}{dropped}",
                backlog.frames
            ));
        }
        let all_served = queues.iter().all(|(_, backlog)| backlog.server.is_some());
        let all_kept = queues.iter().all(|(_, backlog)| backlog.dropped == 0);
        self.paint(if all_served && all_kept { CYAN } else { YELLOW }, &text)
    }

    /// A line that fits, in a colour.
    fn paint(&self, colour: &str, line: &str) -> String {
        let line: String = line.chars().take(self.width).collect();
        match self.colours && !colour.is_empty() {
            true => format!("{colour}{line}\x1b[0m"),
            false => line,
        }
    }

    fn columns(&self, runs: &[(&String, &Run)]) -> Columns {
        let longest = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0).clamp(4, MAX_NAME);
        Columns {
            run: longest(&mut runs.iter().map(|(name, _)| shown(name).chars().count())),
            tag: longest(
                &mut runs
                    .iter()
                    .flat_map(|(_, run)| run.tags.keys())
                    .map(|tag| shown(tag).chars().count()),
            ),
        }
    }
}

struct Columns {
    run: usize,
    tag: usize,
}

impl Columns {
    /// A run, one line for each of its tags.
    fn rows(&self, name: &str, run: &Run) -> Vec<String> {
        let about = [run.step.to_string(), time(run.age()), format!("{:.0}", run.rate)];
        let mut rows: Vec<String> = Vec::new();
        for (tag, series) in &run.tags {
            let [step, age, rate] = match rows.is_empty() {
                true => about.each_ref().map(String::as_str),
                false => [""; 3],
            };
            let name = if rows.is_empty() { name } else { "" };
            let last = value(series.last.as_f64());
            rows.push(self.row(name, [step, age, rate, &last], tag, &sparkline(series)));
        }
        if rows.is_empty() {
            let [step, age, rate] = about.each_ref().map(String::as_str);
            rows.push(self.row(name, [step, age, rate, ""], "", ""));
        }
        rows
    }

    fn row(&self, run: &str, [step, age, rate, last]: [&str; 4], tag: &str, line: &str) -> String {
        let [a, b, c, d] = NUMBERS;
        format!(
            "{} {step:>a$} {age:>b$} {rate:>c$}   {} {last:>d$}  {line}",
            cell(run, self.run),
            cell(tag, self.tag)
        )
    }
}

/// A name in a column; of one that is too long the end, which tells it from others.
fn cell(name: &str, width: usize) -> String {
    let name = shown(name);
    let length = name.chars().count();
    if length <= width {
        return format!("{name:width$}");
    }
    let end: String = name.chars().skip(length + 1 - width).collect();
    format!("…{end}")
}

fn time(age: Duration) -> String {
    match age.as_secs() {
        0..=99 => format!("{:.1} s", age.as_secs_f64()),
        seconds @ 100..=5999 => format!("{} m", seconds / 60),
        seconds @ 6000..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Five digits, as people read them.
fn value(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        1e-4..1e6 => {
            let digits = (4 - number.abs().log10().floor() as i32).clamp(0, 8) as usize;
            format!("{number:.digits$}")
        }
        _ if number.is_finite() => format!("{number:.3e}"),
        _ => format!("{number}"),
    }
}

/// The last values between their lowest and their highest.
fn sparkline(series: &Series) -> String {
    let finite = series.values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let bar = |&value: &f64| {
        if !value.is_finite() {
            return '×';
        }
        let part = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        // `as` takes the 0/0 of equal values to the lowest bar.
        BARS[((part * BARS.len() as f64) as usize).min(BARS.len() - 1)]
    };
    series.values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::super::state::{Broker, KEPT};
    use super::*;
    use tensorplex::tfevents::{EventView, Number, append_record, messages};

    fn look(width: usize, height: usize) -> Look<'static> {
        Look {
            logdir: Path::new("runs"),
            broker: "host:1",
            silent_after: Duration::from_secs(60),
            width,
            height,
            colours: false,
        }
    }

    fn log(state: &mut State, run: &str, tag: &str, (step, number): (i64, f32), wall_time: f64) {
        let value = messages::Value {
            tag: tag.to_owned(),
            metadata: None,
            value: Some(messages::Datum::SimpleValue(number)),
        };
        let event = messages::Event {
            wall_time,
            step,
            what: Some(messages::What::Summary(messages::Summary { value: vec![value] })),
            source_metadata: None,
        };
        let mut record = Vec::new();
        append_record(&mut record, &event).unwrap();
        state.event(run, &EventView::parse(&record[12..record.len() - 4]).unwrap());
    }

    fn now() -> f64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap().as_secs_f64()
    }

    #[test]
    fn silent_runs_come_first_and_values_have_their_curves() {
        let mut state = State::new(vec![], vec![]);
        for step in 0..3 {
            log(&mut state, "agent/0", "loss", (step, step as f32), now());
            log(&mut state, "agent/0", "other", (step, 1.0), now());
        }
        log(&mut state, "old", "loss", (7, f32::NAN), now() - 600.0);
        let lines = lines(&state, &look(200, 40));
        assert!(lines[0].contains("2 runs, 1 silent"), "{lines:?}");
        assert!(
            lines[4].starts_with("old") && lines[4].contains("10 m") && lines[4].contains("NaN"),
            "{lines:?}"
        );
        assert!(
            lines[5].starts_with("agent/0") && lines[5].ends_with("2.0000  ▁▅█"),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut state = State::new(vec![], vec!["*".parse().unwrap()]);
        for run in 0..20 {
            log(&mut state, &format!("run/{run}"), "a", (0, 0.5), now());
            log(&mut state, &format!("run/{run}"), "b", (0, 0.5), now());
        }
        let lines = lines(&state, &look(30, 10));
        assert_eq!(lines.last().unwrap(), "and 18 runs more");
        assert!(
            lines.len() <= 10 && lines.iter().all(|line| line.chars().count() <= 30),
            "{lines:?}"
        );
    }

    #[test]
    fn a_broker_that_nobody_serves_and_losses_are_seen() {
        let mut state = State::new(vec![], vec![]);
        let waiting = remotecall::Backlog {
            frames: 3,
            age: Some(Duration::from_secs(200)),
            server: None,
            dropped: 2,
        };
        state.broker = Broker(Ok([
            ("tensorplex", waiting),
            ("loggerplex", remotecall::Backlog::default()),
        ]));
        let lines = lines(&state, &look(200, 40));
        assert!(
            lines[1].contains("tensorplex 3 waiting, oldest 3 m, NOT SERVED, 2 calls dropped by workers"),
            "{lines:?}"
        );
    }

    #[test]
    fn numbers_have_five_digits() {
        for (number, expect) in [
            (0.0, "0"),
            (0.1234567, "0.12346"),
            (123.456789, "123.46"),
            (-999_999.4, "-999999"),
            (1e9, "1.000e9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(value(number), expect);
        }
        assert_eq!(cell("agent/0123456789", 8), "…3456789");
    }

    #[test]
    fn a_sparkline_takes_every_number() {
        let curve = |values: &[f64]| {
            let values = values.iter().copied().collect();
            sparkline(&Series {
                step: 0,
                last: Number::Double(0.0),
                values,
            })
        };
        assert_eq!(curve(&[1.0, 1.0]), "▁▁");
        assert_eq!(curve(&[f64::MIN, 0.0, f64::MAX]), "▁▅█");
        assert_eq!(curve(&[0.0, f64::NAN, 1.0]), "▁×█");
        assert_eq!(curve(&[]), "");
        assert_eq!(KEPT, 40);
    }
}
