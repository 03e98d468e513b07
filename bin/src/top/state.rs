//! What is known of the runs and of the broker.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use remotecall::{Backlog, BrokerWatch};
use serde_json::{Value, json};
use tensorplex::logdir::Pattern;
use tensorplex::tfevents::{Content, DatumView, EventView, Number, ValueView};

/// Values of a tag that are kept for its sparkline.
pub(super) const KEPT: usize = 40;
/// Most runs, and most tags of a run, that are shown; tags of more than [`tensorplex::MAX_TAG`] bytes are not.
const MOST: usize = 10_000;

pub(super) struct State {
    runs: Vec<Pattern>,
    tags: Vec<Pattern>,
    pub by_run: BTreeMap<String, Run>,
    pub broker: Broker,
    /// Records per second of all runs.
    pub rate: f64,
    turned: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Run {
    pub step: i64,
    /// When its last record was logged, in seconds since 1970, by the worker's clock.
    pub time: f64,
    /// Records per second.
    pub rate: f64,
    /// Records since the last turn.
    records: u64,
    pub tags: BTreeMap<String, Series>,
}

pub(super) struct Series {
    pub step: i64,
    pub last: Number,
    pub values: VecDeque<f64>,
}

/// What waits in the broker, by queue; or why nothing is known.
pub(super) struct Broker(pub Result<[(&'static str, Backlog); 2], String>);

impl Broker {
    pub fn look(watch: &mut BrokerWatch) -> Self {
        let mut look = |queue| match watch.look(queue) {
            Ok(backlog) => Ok((queue, backlog)),
            Err(error) => Err(error.to_string()),
        };
        let both = look(tensorplex::QUEUE).and_then(|records| Ok([records, look(loggerplex::QUEUE)?]));
        Self(both)
    }
}

impl State {
    pub fn new(runs: Vec<Pattern>, tags: Vec<Pattern>) -> Self {
        Self {
            runs,
            tags,
            by_run: BTreeMap::new(),
            broker: Broker(Err("not looked at yet".to_owned())),
            rate: 0.0,
            turned: None,
        }
    }

    /// Notices an event of a run.
    pub fn event(&mut self, name: &str, event: &EventView<'_>) {
        if !self.runs.is_empty() && !self.runs.iter().any(|pattern| pattern.matches(name)) {
            return;
        }
        if !self.by_run.contains_key(name) {
            if self.by_run.len() == MOST {
                return;
            }
            self.by_run.insert(name.to_owned(), Run::default());
        }
        let Some(run) = self.by_run.get_mut(name) else {
            return;
        };
        if event.wall_time.is_finite() {
            run.time = run.time.max(event.wall_time);
        }
        if let Content::Summary(summary) = &event.content {
            run.step = event.step;
            for value in summary.values().flatten() {
                run.records += 1;
                run.value(&value, event.step, &self.tags);
            }
        }
    }

    /// Turns what was counted since the last turn into rates.
    pub fn turn(&mut self) {
        let seconds = self.turned.map(|turned| turned.elapsed().as_secs_f64());
        self.turned = Some(Instant::now());
        self.rate = 0.0;
        for run in self.by_run.values_mut() {
            let records = std::mem::take(&mut run.records);
            // What was there at the first look was not logged just now.
            run.rate = seconds.map_or(0.0, |seconds| records as f64 / seconds.max(0.001));
            self.rate += run.rate;
        }
    }

    pub fn as_json(&self, silent_after: Duration) -> Value {
        let runs = self.by_run.iter().map(|(name, run)| {
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

impl Run {
    fn value(&mut self, value: &ValueView<'_>, step: i64, wanted: &[Pattern]) {
        let number = match value.datum {
            Some(DatumView::Simple(number)) => Number::Single(number),
            Some(DatumView::Tensor(tensor)) => match tensor.number() {
                Some(number) => number,
                None => return,
            },
            _ => return,
        };
        let fits = value.tag.len() <= tensorplex::MAX_TAG
            && match wanted {
                [] => self.tags.is_empty() || self.tags.contains_key(value.tag),
                some => some.iter().any(|pattern| pattern.matches(value.tag)),
            };
        if !fits || (self.tags.len() == MOST && !self.tags.contains_key(value.tag)) {
            return;
        }
        let series = self.tags.entry(value.tag.to_owned()).or_insert_with(|| Series {
            step,
            last: number,
            values: VecDeque::new(),
        });
        (series.step, series.last) = (step, number);
        if series.values.len() == KEPT {
            series.values.pop_front();
        }
        series.values.push_back(number.as_f64());
    }

    /// How long nothing came.
    pub fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let then = Duration::try_from_secs_f64(self.time).unwrap_or_default();
        now.saturating_sub(then)
    }
}
