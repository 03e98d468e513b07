//! Layout: the model as lines of one screen.

use std::path::Path;
use std::time::Duration;

use super::controls::{Controls, HELP};
use super::model::{Model, RunStats, TagValues};
use crate::terminal::escape;
use crate::units::count;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Limit on the width of name columns, in characters.
const MAX_NAME: usize = 32;
/// Widths of the number columns: step, age, rate, value.
const NUMBER_WIDTHS: [usize; 4] = [9, 8, 9, 11];

/// Parameters of the layout.
pub(super) struct View<'a> {
    pub logdir: &'a Path,
    pub broker: &'a str,
    pub silent_after: Duration,
    pub width: usize,
    pub height: usize,
    pub colours: bool,
    pub is_interactive: bool,
}

/// Lines of the screen, at most its height. Limits the position of `controls` to what there is.
pub(super) fn lines(model: &Model, view: &View<'_>, controls: &mut Controls) -> Vec<String> {
    let silent = |run: &RunStats| run.age() > view.silent_after;
    let silent_count = model.runs.values().filter(|run| silent(run)).count();
    let left_out = match model.left_out.len() {
        0 => String::new(),
        number => format!(", {number} left out"),
    };
    let help = if view.is_interactive { "   h: help" } else { "" };
    let mut lines = vec![
        view.paint(
            BOLD,
            &format!(
                "tensorplex top   {}   {}, {silent_count} silent{left_out}   {:.0} records/s{help}",
                view.logdir.display(),
                count(model.runs.len() as u64, "run"),
                model.rate,
            ),
        ),
        view.broker_line(model),
        view.paint(CYAN, &escape(&controls.status())),
    ];
    if controls.shows_help {
        lines.extend(HELP.iter().map(|line| view.paint("", line)));
        lines.truncate(view.height);
        return lines;
    }
    let runs = controls.runs(model, view.silent_after);
    let columns = view.columns(&runs);
    lines.push(view.paint(
        DIM,
        &columns.row("run", ["step", "age", "rec/s", "last"], "tag", ""),
    ));
    let rows: Vec<Vec<String>> = runs.iter().map(|(name, run)| columns.rows(name, run)).collect();
    let height = view.height.saturating_sub(lines.len());
    let (first, shown) = visible(&rows, controls.first, height);
    (controls.first, controls.page) = (first, shown);
    for ((_, run), rows) in runs.iter().zip(&rows).skip(first).take(shown) {
        let colour = if silent(run) { YELLOW } else { "" };
        lines.extend(rows.iter().map(|row| view.paint(colour, row)));
    }
    let runs_of = |number: usize| count(number as u64, "run");
    let more = match (first, runs.len() - first - shown) {
        (0, 0) => None,
        (0, below) => Some(format!("and {} more", runs_of(below))),
        (above, 0) => Some(format!("{} above", runs_of(above))),
        (above, below) => Some(format!("{} above, {} more below", runs_of(above), runs_of(below))),
    };
    lines.extend(more.map(|more| view.paint(DIM, &more)));
    lines.truncate(view.height);
    lines
}

/// First run and number of runs that fit into `height` lines. One line is left for the number of
/// the others. The last page is full.
fn visible(rows: &[Vec<String>], first: usize, height: usize) -> (usize, usize) {
    let total: usize = rows.iter().map(Vec::len).sum();
    if total <= height {
        return (0, rows.len());
    }
    let fitting = |rows: &mut dyn Iterator<Item = &Vec<String>>| {
        let mut left = height.saturating_sub(1);
        rows.take_while(|rows| {
            let fits = rows.len() <= left;
            left = left.saturating_sub(rows.len());
            fits
        })
        .count()
    };
    let last_page = rows.len() - fitting(&mut rows.iter().rev());
    let first = first.min(last_page);
    (first, fitting(&mut rows.iter().skip(first)))
}

impl View<'_> {
    fn broker_line(&self, model: &Model) -> String {
        let queues = match &model.broker.0 {
            Ok(queues) => queues,
            Err(why) => return self.paint(YELLOW, &format!("broker {}: {}", self.broker, escape(why))),
        };
        let mut text = format!("broker {}:", self.broker);
        for (queue, backlog) in queues {
            let age = backlog
                .age
                .map(|age| format!(", oldest {}", format_age(age)))
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

    /// Cuts a line to the width, and colours it.
    fn paint(&self, colour: &str, line: &str) -> String {
        let line: String = line.chars().take(self.width).collect();
        if self.colours && !colour.is_empty() {
            format!("{colour}{line}\x1b[0m")
        } else {
            line
        }
    }

    fn columns(&self, runs: &[(&String, &RunStats)]) -> Columns {
        let longest = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0).clamp(4, MAX_NAME);
        Columns {
            run: longest(&mut runs.iter().map(|(name, _)| escape(name).chars().count())),
            tag: longest(
                &mut runs
                    .iter()
                    .flat_map(|(_, run)| run.tags.keys())
                    .map(|tag| escape(tag).chars().count()),
            ),
        }
    }
}

struct Columns {
    run: usize,
    tag: usize,
}

impl Columns {
    /// Rows of a run: one per tag, at least one.
    fn rows(&self, name: &str, run: &RunStats) -> Vec<String> {
        let about = [
            run.step.to_string(),
            format_age(run.age()),
            format!("{:.0}", run.rate),
        ];
        let mut rows: Vec<String> = Vec::new();
        for (tag, series) in &run.tags {
            let is_first = rows.is_empty();
            let [step, age, rate] = if is_first {
                about.each_ref().map(String::as_str)
            } else {
                [""; 3]
            };
            let name = if is_first { name } else { "" };
            let last = format_value(series.last.as_f64());
            rows.push(self.row(name, [step, age, rate, &last], tag, &sparkline(series)));
        }
        if rows.is_empty() {
            let [step, age, rate] = about.each_ref().map(String::as_str);
            rows.push(self.row(name, [step, age, rate, ""], "", ""));
        }
        rows
    }

    fn row(&self, run: &str, [step, age, rate, last]: [&str; 4], tag: &str, line: &str) -> String {
        let [a, b, c, d] = NUMBER_WIDTHS;
        format!(
            "{} {step:>a$} {age:>b$} {rate:>c$}   {} {last:>d$}  {line}",
            cell(run, self.run),
            cell(tag, self.tag)
        )
    }
}

/// Name padded to its column. A long name keeps its end, which differs most between names.
fn cell(name: &str, width: usize) -> String {
    let name = escape(name);
    let length = name.chars().count();
    if length <= width {
        return format!("{name:width$}");
    }
    let end: String = name.chars().skip(length + 1 - width).collect();
    format!("…{end}")
}

fn format_age(age: Duration) -> String {
    match age.as_secs() {
        0..=99 => format!("{:.1} s", age.as_secs_f64()),
        seconds @ 100..=5999 => format!("{} m", seconds / 60),
        seconds @ 6000..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Number with five significant digits.
fn format_value(number: f64) -> String {
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

/// Sparkline of the last values, scaled from their lowest to their highest.
fn sparkline(values: &TagValues) -> String {
    let finite = values.values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let bar = |&value: &f64| {
        if !value.is_finite() {
            return '×';
        }
        let part = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        // Equal values give 0/0, a NaN, which `as` converts to 0: the lowest bar.
        let index = ((part * BARS.len() as f64) as usize).min(BARS.len() - 1);
        BARS.get(index).copied().unwrap_or('×')
    };
    values.values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::super::keys::Key;
    use super::super::model::{BrokerStatus, MAX_VALUES};
    use super::*;
    use tensorplex::tfevents::{EventView, Number, append_record, messages};

    fn shown(model: &Model, view: &View<'_>) -> Vec<String> {
        lines(model, view, &mut Controls::default())
    }

    fn view(width: usize, height: usize) -> View<'static> {
        View {
            logdir: Path::new("runs"),
            broker: "host:1",
            silent_after: Duration::from_secs(60),
            width,
            height,
            colours: false,
            is_interactive: false,
        }
    }

    fn log(model: &mut Model, run: &str, tag: &str, (step, number): (i64, f32), wall_time: f64) {
        let value = messages::Value {
            tag: tag.to_owned(),
            metadata: None,
            value: Some(messages::Datum::SimpleValue(number)),
        };
        let event = messages::Event {
            wall_time,
            step,
            what: Some(messages::EventPayload::Summary(messages::Summary {
                value: vec![value],
            })),
            source_metadata: None,
        };
        let mut record = Vec::new();
        append_record(&mut record, &event).unwrap();
        model.add_event(run, &EventView::parse(&record[12..record.len() - 4]).unwrap());
    }

    fn now() -> f64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap().as_secs_f64()
    }

    #[test]
    fn silent_runs_come_first_and_values_have_sparklines() {
        let mut model = Model::new(vec![], vec![]);
        for step in 0..3 {
            log(&mut model, "agent/0", "loss", (step, step as f32), now());
            log(&mut model, "agent/0", "other", (step, 1.0), now());
        }
        log(&mut model, "old", "loss", (7, f32::NAN), now() - 600.0);
        let lines = shown(&model, &view(200, 40));
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
    fn runs_that_do_not_fit_are_counted() {
        let mut model = Model::new(vec![], vec!["*".parse().unwrap()]);
        for run in 0..20 {
            log(&mut model, &format!("run/{run}"), "a", (0, 0.5), now());
            log(&mut model, &format!("run/{run}"), "b", (0, 0.5), now());
        }
        let lines = shown(&model, &view(30, 10));
        assert_eq!(lines.last().unwrap(), "and 18 runs more");
        assert!(
            lines.len() <= 10 && lines.iter().all(|line| line.chars().count() <= 30),
            "{lines:?}"
        );
    }

    #[test]
    fn runs_are_scrolled_filtered_and_in_natural_order() {
        let mut model = Model::new(vec![], vec![]);
        for run in 0..65 {
            log(&mut model, &format!("run/{run}"), "a", (0, 0.5), now());
        }
        let mut controls = Controls::default();
        let names = |lines: &[String]| -> Vec<String> {
            let runs = lines.iter().filter(|line| line.starts_with("run/"));
            runs.map(|line| line.split(' ').next().unwrap().to_owned())
                .collect()
        };
        let first = lines(&model, &view(60, 20), &mut controls);
        assert_eq!(names(&first)[..3], ["run/0", "run/1", "run/2"]);
        assert_eq!(
            (first.len(), &first.last().unwrap()[..]),
            (20, "and 50 runs more")
        );
        let mut seen = names(&first);
        for _ in 0..5 {
            controls.press(Key::PageDown);
            seen.extend(names(&lines(&model, &view(60, 20), &mut controls)));
        }
        seen.sort();
        seen.dedup();
        let last = lines(&model, &view(60, 20), &mut controls);
        assert_eq!(names(&last).last().unwrap(), "run/64");
        assert_eq!((last.len(), &last.last().unwrap()[..]), (20, "50 runs above"));
        assert_eq!(seen.len(), 65);
        for key in "/6".chars() {
            controls.press(Key::Character(key));
        }
        let filtered = lines(&model, &view(60, 20), &mut controls);
        assert!(filtered[2].contains("filter: 6_"), "{filtered:?}");
        assert_eq!(names(&filtered)[..3], ["run/6", "run/16", "run/26"]);
        controls.press(Key::Enter);
        controls.press(Key::Character('?'));
        assert!(
            lines(&model, &view(90, 20), &mut controls)
                .concat()
                .contains("this help")
        );
    }

    #[test]
    fn unserved_queues_and_dropped_calls_are_shown() {
        let mut model = Model::new(vec![], vec![]);
        let waiting = remotecall::Backlog {
            frames: 3,
            age: Some(Duration::from_secs(200)),
            server: None,
            dropped: 2,
        };
        model.broker = BrokerStatus(Ok([
            ("tensorplex", waiting),
            ("loggerplex", remotecall::Backlog::default()),
        ]));
        let lines = shown(&model, &view(200, 40));
        assert!(
            lines[1].contains("tensorplex 3 waiting, oldest 3 m, NOT SERVED, 2 calls dropped by workers"),
            "{lines:?}"
        );
    }

    #[test]
    fn numbers_have_five_significant_digits() {
        for (number, expect) in [
            (0.0, "0"),
            (0.1234567, "0.12346"),
            (123.456789, "123.46"),
            (-999_999.4, "-999999"),
            (1e9, "1.000e9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(format_value(number), expect);
        }
        assert_eq!(cell("agent/0123456789", 8), "…3456789");
    }

    #[test]
    fn a_sparkline_accepts_every_number() {
        let curve = |values: &[f64]| {
            let values = values.iter().copied().collect();
            sparkline(&TagValues {
                step: 0,
                last: Number::Double(0.0),
                values,
            })
        };
        assert_eq!(curve(&[1.0, 1.0]), "▁▁");
        assert_eq!(curve(&[f64::MIN, 0.0, f64::MAX]), "▁▅█");
        assert_eq!(curve(&[0.0, f64::NAN, 1.0]), "▁×█");
        assert_eq!(curve(&[]), "");
        assert_eq!(MAX_VALUES, 40);
    }
}
