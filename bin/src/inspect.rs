//! `tensorplex inspect`: prints the records of an event file.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use serde_json::{Value, json};
use tensorplex::logdir::{Damage, MAX_TAGS, Position, read_records};
use tensorplex::tfevents::{
    DatumView, EventView, MetadataView, Number, PayloadView, TensorView, ValueView, messages,
};

use crate::exit::{FINDINGS, SUCCESS};
use crate::terminal::escape;
use crate::units::count;

/// Limit on the printed text of a value: 60 characters.
const MAX_EXCERPT: usize = 60;
/// Limit on the printed dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;
/// Approximate memory of a tag in the summary besides its name, in bytes.
const TAG_OVERHEAD: usize = 128;

/// Print the records of an event file, and a summary of its tags
///
/// Prints one line per value: byte offset of its record, step, time, tag, and the stored value.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Exit status:
  0  every record is readable; the last one may be unfinished
  1  a record is damaged
  2  the file cannot be read

Examples:
  tensorplex inspect runs/agent/0/events.out.tfevents.1700000000.host.7.0
  tensorplex inspect --json FILE | jq 'select(.step == 100)'")]
pub struct Inspect {
    /// Event file to print
    file: PathBuf,
    /// Print one JSON object per record, and the summary as the last line
    #[arg(long)]
    json: bool,
}

/// The file cannot be printed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Event file.
        path: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
}

/// I/O error of the file or of the output. `read_records` passes both through one type.
enum IoFailure {
    Input(io::Error),
    Output(io::Error),
}

impl From<io::Error> for IoFailure {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

/// Totals of the file and of each tag.
#[derive(Default)]
struct Summary {
    records: u64,
    damaged: u64,
    tags: BTreeMap<String, TagSummary>,
    /// Approximate memory of `tags`, in bytes; limited to [`MAX_TAGS`].
    tag_bytes: usize,
    /// Number of values whose tag exceeded the limit.
    omitted: u64,
}

struct TagSummary {
    kind: String,
    values: u64,
    first: i64,
    last: i64,
}

impl Inspect {
    /// Prints the file.
    ///
    /// # Errors
    /// Fails when the file cannot be read or the output cannot be written.
    pub fn run(&self) -> Result<u8, InspectError> {
        let mut out = BufWriter::new(io::stdout().lock());
        let mut summary = Summary::default();
        let read = read_records(&self.file, |place, record| {
            summary.add(&record);
            let printed = if self.json {
                writeln!(out, "{}", as_json(place, &record))
            } else {
                print_lines(&mut out, place, &record)
            };
            printed.map_err(IoFailure::Output)
        });
        let unfinished = read.map_err(|error| match error {
            IoFailure::Output(error) => InspectError::Output(error),
            IoFailure::Input(error) => InspectError::File {
                path: self.file.clone(),
                error,
            },
        })?;
        let end = if self.json {
            writeln!(out, "{}", summary.as_json(unfinished))
        } else {
            summary.print(&mut out, unfinished)
        };
        end.and_then(|()| out.flush()).map_err(InspectError::Output)?;
        Ok(if summary.damaged == 0 { SUCCESS } else { FINDINGS })
    }
}

fn print_lines(
    out: &mut impl Write,
    place: Position,
    record: &Result<EventView<'_>, Damage>,
) -> io::Result<()> {
    let event = match record {
        Ok(event) => event,
        Err(damage) => return writeln!(out, "{:>10}  DAMAGED: {damage}", place.at),
    };
    let time = Number::Double(event.wall_time);
    let start = format!("{:>10}  step {:<8} {time:<20}", place.at, event.step);
    let PayloadView::Summary(summary) = &event.content else {
        return writeln!(out, "{start} {}", escape(&describe_content(&event.content)));
    };
    for value in summary.values() {
        match value {
            Ok(value) => writeln!(
                out,
                "{start} {} = {}{}",
                escape(value.tag),
                escape(&describe_datum(&value)),
                escape(&value.metadata.map(describe_metadata).unwrap_or_default()),
            )?,
            Err(why) => writeln!(out, "{start} DAMAGED value: {why}")?,
        }
    }
    Ok(())
}

/// Description of an event that holds no values.
fn describe_content(content: &PayloadView<'_>) -> String {
    match content {
        PayloadView::Nothing => "nothing".to_owned(),
        PayloadView::FileVersion(version) => format!("file version {version}"),
        PayloadView::Graph(graph) => format!("graph of {}", bytes_of(graph)),
        PayloadView::Summary(_) => "values".to_owned(),
        PayloadView::Session(status) => format!("session {status:?}").to_lowercase(),
        PayloadView::RunMetadata(tag, data) => format!("run metadata {tag} of {}", bytes_of(data)),
        PayloadView::Other(number) => format!("field {number} of an event"),
    }
}

fn describe_datum(value: &ValueView<'_>) -> String {
    match value.datum {
        None => "nothing".to_owned(),
        Some(DatumView::Simple(number)) => Number::Single(number).to_string(),
        Some(DatumView::Tensor(tensor)) => describe_tensor(tensor),
        Some(_) => format!("{} of {}", kind(value), bytes_of(value.bytes)),
    }
}

fn describe_tensor(tensor: TensorView<'_>) -> String {
    let what = match (tensor.number(), tensor.first_string()) {
        (Some(number), _) => format!(" {number}"),
        (None, Some(text)) => match std::str::from_utf8(text) {
            Ok(text) => format!(" {:?}", excerpt(text)),
            Err(_) => format!(" {}", bytes_of(text)),
        },
        (None, None) => String::new(),
    };
    let shape = match tensor.shape() {
        None => "no shape".to_owned(),
        Some(sizes) => format!("{:?}", sizes.take(MAX_DIMENSIONS).collect::<Vec<_>>()),
    };
    format!("{} {shape}{what}", dtype(tensor.dtype))
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(MAX_EXCERPT).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

fn dtype(number: i32) -> String {
    match messages::DataType::try_from(number) {
        Ok(dtype) => format!("{dtype:?}").to_lowercase(),
        Err(_) => format!("type {number}"),
    }
}

fn describe_metadata(metadata: MetadataView<'_>) -> String {
    format!(
        "   [plugin {}, data class {}]",
        metadata.plugin, metadata.data_class
    )
}

/// Kind of a tag, derived from one value.
fn kind(value: &ValueView<'_>) -> &'static str {
    match value.datum {
        None => "nothing",
        Some(DatumView::Simple(_)) => "scalar",
        Some(DatumView::Image) => "image",
        Some(DatumView::Histo) => "histogram",
        Some(DatumView::Audio) => "audio",
        Some(DatumView::Tensor(_)) => "tensor",
    }
}

fn number(number: Number) -> Value {
    let text = number.to_string();
    // Parsed from text, so that an f32 keeps its shortest digits: 0.1, not 0.10000000149011612.
    serde_json::from_str::<serde_json::Number>(&text).map_or(Value::String(text), Value::Number)
}

fn as_json(place: Position, record: &Result<EventView<'_>, Damage>) -> Value {
    let event = match record {
        Ok(event) => event,
        Err(damage) => return json!({"at": place.at, "damaged": damage.to_string()}),
    };
    let (key, content): (_, Value) = match &event.content {
        PayloadView::Summary(summary) => {
            let values = summary.values().map(|value| match value {
                Ok(value) => value_as_json(&value),
                Err(why) => json!({"damaged": why.to_string()}),
            });
            ("values", values.collect())
        }
        other => ("content", describe_content(other).into()),
    };
    json!({
        "at": place.at, "bytes": place.bytes, "step": event.step,
        "wall_time": number(Number::Double(event.wall_time)), (key): content,
    })
}

fn value_as_json(value: &ValueView<'_>) -> Value {
    let mut object = serde_json::Map::new();
    let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
    add("tag", value.tag.into());
    add("kind", kind(value).into());
    add("bytes", value.bytes.len().into());
    if let Some(metadata) = value.metadata {
        add("plugin", metadata.plugin.into());
        add("data_class", metadata.data_class.into());
    }
    match value.datum {
        Some(DatumView::Simple(simple)) => {
            add("value", number(Number::Single(simple)));
        }
        Some(DatumView::Tensor(tensor)) => {
            let shape = tensor
                .shape()
                .map(|sizes| sizes.take(MAX_DIMENSIONS).collect::<Vec<_>>());
            add("dtype", dtype(tensor.dtype).into());
            add("shape", shape.into());
            if let Some(value) = tensor.number() {
                add("value", number(value));
            }
            if let Some(Ok(text)) = tensor.first_string().map(std::str::from_utf8) {
                add("text", excerpt(text).into());
            }
        }
        _ => {}
    }
    object.into()
}

impl Summary {
    fn add(&mut self, record: &Result<EventView<'_>, Damage>) {
        self.records += 1;
        match record {
            Err(_) => self.damaged += 1,
            Ok(EventView {
                content: PayloadView::Summary(summary),
                step,
                ..
            }) => {
                for value in summary.values() {
                    match value {
                        Ok(value) => self.add_value(&value, *step),
                        Err(_) => self.damaged += 1,
                    }
                }
            }
            Ok(_) => {}
        }
    }

    fn add_value(&mut self, value: &ValueView<'_>, step: i64) {
        if let Some(tag) = self.tags.get_mut(value.tag) {
            tag.values += 1;
            tag.last = step;
            return;
        }
        if self.tag_bytes + value.tag.len() + TAG_OVERHEAD > MAX_TAGS {
            self.omitted += 1;
            return;
        }
        self.tag_bytes += value.tag.len() + TAG_OVERHEAD;
        let plugin = value.metadata.map_or("", |metadata| metadata.plugin);
        let kind = if plugin.is_empty() { kind(value) } else { plugin };
        let tag = TagSummary {
            kind: kind.to_owned(),
            values: 1,
            first: step,
            last: step,
        };
        self.tags.insert(value.tag.to_owned(), tag);
    }

    fn print(&self, out: &mut impl Write, unfinished: Option<u64>) -> io::Result<()> {
        writeln!(
            out,
            "\n{}, {} damaged",
            count(self.records, "record"),
            self.damaged
        )?;
        if let Some(at) = unfinished {
            writeln!(
                out,
                "the record at byte {at} is unfinished: its writer is still running, or was killed"
            )?;
        }
        for (name, tag) in &self.tags {
            writeln!(
                out,
                "  {:<40} {:<12} {}, steps {} to {}",
                escape(name),
                escape(&tag.kind),
                count(tag.values, "value"),
                tag.first,
                tag.last
            )?;
        }
        if self.omitted > 0 {
            writeln!(
                out,
                "  {} of further tags: the summary is limited to {MAX_TAGS} bytes of tags",
                count(self.omitted, "value")
            )?;
        }
        Ok(())
    }

    fn as_json(&self, unfinished: Option<u64>) -> Value {
        let tags = self.tags.iter().map(|(name, tag)| {
            let about =
                json!({"kind": tag.kind, "values": tag.values, "first_step": tag.first, "last_step": tag.last});
            (name.clone(), about)
        });
        json!({
            "records": self.records, "damaged": self.damaged, "unfinished_at": unfinished,
            "tags": tags.collect::<serde_json::Map<_, _>>(), "values_of_other_tags": self.omitted,
        })
    }
}
/// Length of a text or of bytes, with its unit.
fn bytes_of(bytes: impl AsRef<[u8]>) -> String {
    count(bytes.as_ref().len() as u64, "byte")
}
