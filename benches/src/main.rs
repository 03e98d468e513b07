//! Benchmarks: `make bench`.
//!
//! All measurements take turns, so that a slow minute of the machine affects each of them. The
//! table shows the median of the rounds with the smallest and the largest; ratios are between
//! medians of one run. With a word on the command line: only the measurements whose names contain
//! it, or one of the tables `outages`, `latency`, `rest` and `cliffs`. With `all` and a path:
//! everything, and the numbers as JSON in that file.

mod baseline;
mod brpop;
mod cliffs;
mod latency;
mod measurements;
mod outages;
#[cfg(feature = "tensorboard-rs")]
mod peer;
mod rest;
mod servers;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use measurements::{MEASURES, Measure};
use servers::Servers;

/// Rounds per measurement.
const ROUNDS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [cliffs::WORKER, address, id, count] => return cliffs::work(address, id, count),
        [rest::IDLER, address] => return rest::be_idle(address),
        ["outages"] => return outages::print(),
        ["latency"] => return latency::print(),
        ["rest"] => return rest::print(),
        ["cliffs"] => return drop(cliffs::print()),
        ["all", path] => return all(Path::new(path)),
        _ => {}
    }
    let wanted = words.into_iter().next().unwrap_or_default();
    measure(&wanted);
}

/// Prints every table; returns their numbers as JSON.
fn all(path: &Path) {
    let results = measure("");
    outages::print();
    latency::print();
    rest::print();
    let report = serde_json::json!({
        "machine": machine(),
        "units": MEASURES.iter().map(|measure| (measure.name, measure.unit)).collect::<BTreeMap<_, _>>(),
        "rounds": results,
        "cliffs": cliffs::print(),
    });
    std::fs::write(path, format!("{report:#}\n")).expect("a file");
}

/// Machine, commit and date of the run.
fn machine() -> serde_json::Value {
    let first_line = |program: &str, argument: &str| {
        let output = std::process::Command::new(program)
            .arg(argument)
            .output()
            .expect("a program");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    serde_json::json!({
        "processor": model,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": first_line("uname", "-sr"),
        "redis": first_line("redis-server", "--version"),
        "rust": first_line("rustc", "--version"),
        "date": first_line("date", "+%F"),
    })
}

/// Measurements whose names contain `wanted`, in turns.
fn measure(wanted: &str) -> BTreeMap<&'static str, Vec<f64>> {
    let measurements = || MEASURES.iter().filter(|measure| measure.name.contains(wanted));
    let on_terminal = std::io::stderr().is_terminal();
    let mut results: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for round in 1..=ROUNDS {
        for measure in measurements() {
            if on_terminal {
                eprint!("\r\x1b[Kround {round} of {ROUNDS}: {}", measure.name);
            }
            let setting = Servers::start(measure.through);
            results
                .entry(measure.name)
                .or_default()
                .push((measure.run)(&setting));
        }
    }
    if on_terminal {
        eprintln!("\r\x1b[K");
    }
    print_table(&results);
    print_ratios(&results);
    results
}

fn print_table(results: &BTreeMap<&str, Vec<f64>>) {
    println!("{:<52} {:>12} {:>12} {:>12}", "", "median", "smallest", "largest");
    for Measure { name, unit, .. } in MEASURES {
        let Some(values) = results.get(name) else { continue };
        let (low, middle, high) = spread(values);
        let digits = if high < 100.0 { 2 } else { 0 };
        println!(
            "{:<52} {middle:>12.digits$} {low:>12.digits$} {high:>12.digits$}",
            format!("{name}, {unit}")
        );
    }
}

fn print_ratios(results: &BTreeMap<&str, Vec<f64>>) {
    println!();
    let median = |name: &str| results.get(name).map(|values| spread(values).1);
    for (what, over, under) in [
        (
            "end to end / bare program, Redis",
            "scalars end to end, Redis",
            "scalars, bare program, Redis",
        ),
        (
            "end to end / bare program, embedded",
            "scalars end to end, embedded",
            "scalars, bare program, embedded",
        ),
        (
            "end to end through Redis / tensorboard-rs locally",
            "scalars end to end, Redis",
            "scalars, tensorboard-rs local",
        ),
        (
            "end to end embedded / tensorboard-rs locally",
            "scalars end to end, embedded",
            "scalars, tensorboard-rs local",
        ),
        (
            "one call / one call of tensorboard-rs",
            "one add_scalar",
            "one add_scalar, tensorboard-rs",
        ),
        (
            "future round trip / bare ping-pong, Redis",
            "future round trip, Redis",
            "bare XADD-XREAD ping-pong",
        ),
        (
            "future round trip p99 / bare ping-pong p99, Redis",
            "future round trip p99, Redis",
            "bare XADD-XREAD ping-pong p99",
        ),
        (
            "future round trip / one BRPOP per future",
            "future round trip, Redis",
            "round trip, one BRPOP per future",
        ),
        (
            "calls in flight / one BRPOP per future",
            "calls with 10,000 futures in flight, Redis",
            "calls in flight, one BRPOP per future",
        ),
    ] {
        if let (Some(over), Some(under)) = (median(over), median(under)) {
            println!("{what:<52} {:>12.2}", over / under);
        }
    }
}

/// Smallest value, median and largest value.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| *sorted.get(index).expect("at least one measurement");
    (at(0), at(sorted.len() / 2), at(sorted.len() - 1))
}
