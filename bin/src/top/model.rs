//! Model of the view: runs with their tags, and the status of the broker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use remotecall::{Backlog, BrokerWatch};
use serde_json::{Value, json};
use tensorplex::logdir::{LeftOut, Pattern, natural_order};
use tensorplex::tfevents::{DatumView, EventView, Number, PayloadView, ValueView};

/// Number of values per tag that the sparkline shows.
pub(super) const MAX_VALUES: usize = 40;
/// Limit on runs, and on the tags of a run. Tags longer than [`tensorplex::limits::MAX_TAG`] bytes are
/// ignored.
const MAX_ENTRIES: usize = 10_000;

pub(super) struct Model {
    run_patterns: Vec<Pattern>,
    tag_patterns: Vec<Pattern>,
    pub runs: BTreeMap<String, RunStats>,
    /// Names of all runs, also of those that the patterns do not select.
    pub names: BTreeSet<String>,
    /// Entries of the log directory that cannot be read.
    pub left_out: Vec<LeftOut>,
    pub broker: BrokerStatus,
    /// Records per second of all runs.
    pub rate: f64,
    /// Time of the last [`update_rates`](Self::update_rates).
    rates_updated: Option<Instant>,
}

/// Statistics of one run.
#[derive(Default)]
pub(super) struct RunStats {
    /// Last step.
    pub step: i64,
    /// Time of the last record by the worker's clock, in seconds since 1970-01-01 UTC.
    pub time: f64,
    /// Records per second.
    pub rate: f64,
    /// Records since the last update of the rates.
    records: u64,
    pub tags: BTreeMap<String, TagValues>,
}

/// Last values of one tag.
pub(super) struct TagValues {
    pub step: i64,
    pub last: Number,
    pub values: VecDeque<f64>,
}

/// Backlog of each queue, or the reason why it is unknown.
pub(super) struct BrokerStatus(pub Result<[(&'static str, Backlog); 2], String>);

impl BrokerStatus {
    pub fn query(watch: &mut BrokerWatch) -> Self {
        let mut query = |queue| match watch.look(queue) {
            Ok(backlog) => Ok((queue, backlog)),
            Err(error) => Err(error.to_string()),
        };
        let both = query(tensorplex::QUEUE).and_then(|records| Ok([records, query(loggerplex::QUEUE)?]));
        Self(both)
    }
}

impl Model {
    pub fn new(run_patterns: Vec<Pattern>, tag_patterns: Vec<Pattern>) -> Self {
        Self {
            run_patterns,
            tag_patterns,
            runs: BTreeMap::new(),
            names: BTreeSet::new(),
            left_out: Vec::new(),
            broker: BrokerStatus(Err("not queried yet".to_owned())),
            rate: 0.0,
            rates_updated: None,
        }
    }

    /// Adds an event of a run.
    pub fn add_event(&mut self, name: &str, event: &EventView<'_>) {
        if self.names.len() < MAX_ENTRIES && !self.names.contains(name) {
            self.names.insert(name.to_owned());
        }
        if !self.run_patterns.is_empty() && !self.run_patterns.iter().any(|pattern| pattern.matches(name)) {
            return;
        }
        if !self.runs.contains_key(name) {
            if self.runs.len() == MAX_ENTRIES {
                return;
            }
            self.runs.insert(name.to_owned(), RunStats::default());
        }
        let Some(run) = self.runs.get_mut(name) else {
            return;
        };
        if event.wall_time.is_finite() {
            run.time = run.time.max(event.wall_time);
        }
        if let PayloadView::Summary(summary) = &event.content {
            run.step = event.step;
            for value in summary.values().flatten() {
                run.records += 1;
                run.add_value(&value, event.step, &self.tag_patterns);
            }
        }
    }

    /// Computes the rates from the records since the last update.
    pub fn update_rates(&mut self) {
        let seconds = self.rates_updated.map(|updated| updated.elapsed().as_secs_f64());
        self.rates_updated = Some(Instant::now());
        self.rate = 0.0;
        for run in self.runs.values_mut() {
            let records = std::mem::take(&mut run.records);
            // The first refresh reads old records too, so it gives no rate.
            run.rate = seconds.map_or(0.0, |seconds| records as f64 / seconds.max(0.001));
            self.rate += run.rate;
        }
    }

    pub fn as_json(&self, silent_after: Duration) -> Value {
        let mut runs: Vec<_> = self.runs.iter().collect();
        runs.sort_by(|(a, _), (b, _)| natural_order(a, b));
        let runs = runs.into_iter().map(|(name, run)| {
            let tags = run.tags.iter().map(|(tag, series)| {
                let last = series.last.to_string();
                let value = serde_json::from_str(&last).unwrap_or(Value::String(last));
                (tag.clone(), json!({"step": series.step, "value": value}))
            });
            let tags: serde_json::Map<_, _> = tags.collect();
            json!({
                "run": name, "last_step": run.step, "age_s": run.age().as_secs_f64(), "records_per_s": run.rate,
                "silent": run.age() > silent_after, "tags": tags,
            })
        });
        let runs: Vec<Value> = runs.collect();
        let broker = match &self.broker.0 {
            Err(why) => json!({"error": why}),
            Ok(queues) => queues
                .iter()
                .map(|(queue, backlog)| {
                    let age = backlog.age.map(|age| age.as_secs_f64());
                    let about = json!({
                        "frames": backlog.frames, "age_s": age, "server": backlog.server, "dropped": backlog.dropped,
                    });
                    ((*queue).to_owned(), about)
                })
                .collect(),
        };
        json!({"runs": runs, "records_per_s": self.rate, "broker": broker})
    }
}

impl RunStats {
    fn add_value(&mut self, value: &ValueView<'_>, step: i64, patterns: &[Pattern]) {
        let number = match value.datum {
            Some(DatumView::Simple(number)) => Number::Single(number),
            Some(DatumView::Tensor(tensor)) => match tensor.number() {
                Some(number) => number,
                None => return,
            },
            _ => return,
        };
        let is_shown = value.tag.len() <= tensorplex::limits::MAX_TAG
            && match patterns {
                [] => self.tags.is_empty() || self.tags.contains_key(value.tag),
                some => some.iter().any(|pattern| pattern.matches(value.tag)),
            };
        if !is_shown || (self.tags.len() == MAX_ENTRIES && !self.tags.contains_key(value.tag)) {
            return;
        }
        let series = self
            .tags
            .entry(value.tag.to_owned())
            .or_insert_with(|| TagValues {
                step,
                last: number,
                values: VecDeque::new(),
            });
        (series.step, series.last) = (step, number);
        if series.values.len() == MAX_VALUES {
            series.values.pop_front();
        }
        series.values.push_back(number.as_f64());
    }

    /// Time since the last record.
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let then = Duration::try_from_secs_f64(self.time).unwrap_or_default();
        now.saturating_sub(then)
    }
}
