//! ScalarReader as a table in a Parquet file.
//!
//! ```text
//! run        string       each with a dictionary: a name is written once per row group
//! tag        string
//! step       int64
//! wall_time  double       seconds since 1970-01-01 UTC
//! value      double       the number that is in the event file; 32 bits are widened, so 0.1 is 0.10000000149011612
//! ```
//!
//! Rows come as they are read and leave in groups, so memory does not grow with the file; only the footer names them all, with
//! some hundred bytes per group. Without it, as after a full disk, the file is no Parquet file.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::scalars::ScalarPoint;

/// Rows of one group: 16 MiB of them in memory.
const GROUP: usize = 512 << 10;
/// Names handed to the writer at once.
const NAMES: usize = 8 << 10;

const SCHEMA: &str = "message scalars {
    required binary run (STRING);
    required binary tag (STRING);
    required int64 step;
    required double wall_time;
    required double value;
}";

/// A table that is being written.
pub(super) struct Table<'a, W: Write + Send> {
    file: SerializedFileWriter<&'a mut W>,
    runs: Names,
    tags: Names,
    steps: Vec<i64>,
    times: Vec<f64>,
    values: Vec<f64>,
}

impl<'a, W: Write + Send> Table<'a, W> {
    pub fn begin(out: &'a mut W) -> io::Result<Self> {
        let schema = parse_message_type(SCHEMA).map_err(as_io)?;
        let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        for numbers in ["step", "wall_time", "value"] {
            // They hardly repeat.
            properties = properties.set_column_dictionary_enabled(numbers.into(), false);
        }
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()));
        Ok(Self {
            file: file.map_err(as_io)?,
            runs: Names::default(),
            tags: Names::default(),
            steps: Vec::new(),
            times: Vec::new(),
            values: Vec::new(),
        })
    }

    pub fn add(&mut self, point: ScalarPoint<'_>) -> io::Result<()> {
        self.runs.add(point.run);
        self.tags.add(point.tag);
        self.steps.push(point.step);
        self.times.push(point.wall_time);
        self.values.push(point.value.as_f64());
        match self.steps.len() < GROUP {
            true => Ok(()),
            false => self.write_group().map_err(as_io),
        }
    }

    /// Writes the last rows, and the footer without which nobody can read the file.
    pub fn end(mut self) -> io::Result<()> {
        if !self.steps.is_empty() {
            self.write_group().map_err(as_io)?;
        }
        self.file.close().map(drop).map_err(as_io)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for names in [&mut self.runs, &mut self.tags] {
            let order = names.order.chunks(NAMES);
            column::<ByteArrayType>(&mut group, order.map(|some| names.of(some)))?;
            names.clear();
        }
        column::<Int64Type>(&mut group, [&self.steps[..]].into_iter())?;
        column::<DoubleType>(&mut group, [&self.times[..]].into_iter())?;
        column::<DoubleType>(&mut group, [&self.values[..]].into_iter())?;
        group.close()?;
        self.steps.clear();
        self.times.clear();
        self.values.clear();
        Ok(())
    }
}

/// Writes the next column of a group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    parts: impl Iterator<Item: AsRef<[T::T]>>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has no further column".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    for part in parts {
        column.typed::<T>().write_batch(part.as_ref(), None, None)?;
    }
    column.close()
}

/// Names of the rows of a group, each of which is kept once.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<ByteArray>,
    /// The number of each row's name.
    order: Vec<u32>,
}

impl Names {
    fn add(&mut self, name: &str) {
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = self.names.len() as u32;
                self.names.push(name.as_bytes().to_vec().into());
                self.numbers.insert(name.to_owned(), number);
                number
            }
        };
        self.order.push(number);
    }

    fn of(&self, rows: &[u32]) -> Vec<ByteArray> {
        rows.iter()
            .map(|&number| self.names[number as usize].clone())
            .collect()
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.names.clear();
        self.order.clear();
    }
}

/// The system's own error where that is the cause: who reads the output may have gone.
fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
