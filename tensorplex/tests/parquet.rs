//! Scalars as Parquet, read again by the library's own reader. Other readers have been asked by hand: see docs/guide/tools.md.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Row, RowAccessor};
use tensorplex::local::RunWriter;
use tensorplex::logdir::{ExportError, Format, Select, export};

fn write(root: &Path, out: &mut (impl Write + Send)) -> Result<u64, ExportError> {
    let exported = export(root, &Select::default(), Format::Parquet, out, &mut |_, _| {})?;
    Ok(exported.points)
}

/// A file of everything below `root`.
fn table(root: &Path) -> SerializedFileReader<File> {
    let mut file = tempfile::tempfile().unwrap();
    let points = write(root, &mut file).unwrap();
    let table = SerializedFileReader::new(file).unwrap();
    assert_eq!(table.metadata().file_metadata().num_rows(), points as i64);
    table
}

fn row(row: &Row) -> (&str, &str, i64, f64, f64) {
    let text = |at| &row.get_string(at).unwrap()[..];
    (
        text(0),
        text(1),
        row.get_long(2).unwrap(),
        row.get_double(3).unwrap(),
        row.get_double(4).unwrap(),
    )
}

#[test]
fn every_point_is_a_row_with_its_exact_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let values = [0.1f32, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, f32::MAX];
    for run in ["b", "a"] {
        let mut writer = RunWriter::create(dir.path().join(run)).unwrap();
        for (step, value) in (0..).zip(values) {
            let (step, time) = (i64::MAX - 9 + step, 1e9 + step as f64 / 8.0);
            writer
                .add_scalar("loss, \"x\"", f64::from(value), Some(step), Some(time))
                .unwrap();
        }
    }
    let table = table(dir.path());
    let columns = table.metadata().file_metadata().schema_descr().columns();
    let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    assert_eq!(names, ["run", "tag", "step", "wall_time", "value"]);
    let rows: Vec<Row> = table.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2 * values.len());
    for (at, seen) in rows.iter().enumerate() {
        let (run, tag, step, time, value) = row(seen);
        let step_of = at % values.len();
        assert_eq!((run, tag), (["a", "b"][at / values.len()], "loss, \"x\""));
        assert_eq!(
            (step, time),
            (i64::MAX - 9 + step_of as i64, 1e9 + step_of as f64 / 8.0)
        );
        assert_eq!(value.to_bits(), f64::from(values[step_of]).to_bits());
    }
}

/// More rows than a group has, and names that come and go.
#[test]
fn rows_come_in_groups_and_in_order() {
    const POINTS: i64 = (512 << 10) + 1000;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(dir.path()).unwrap();
    let tags = ["a", "b", "c"];
    let tag = |step: i64| tags[(step / 300_000) as usize % 2 + (step % 2) as usize];
    for step in 0..POINTS {
        writer
            .add_scalar(tag(step), step as f64, Some(step), Some(1e9))
            .unwrap();
    }
    drop(writer);
    let table = table(dir.path());
    assert_eq!(table.num_row_groups(), 2);
    let mut steps = 0..POINTS;
    for seen in table.get_row_iter(None).unwrap() {
        let (seen, step) = (seen.unwrap(), steps.next().unwrap());
        assert_eq!(row(&seen), (".", tag(step), step, 1e9, step as f64));
    }
    assert!(steps.is_empty());
}

#[test]
fn nothing_to_export_is_a_table_without_rows() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(table(dir.path()).num_row_groups(), 0);
}

/// Takes some bytes and then no more, as a pipe whose reader has gone.
struct Gone(usize);

impl Write for Gone {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.min(bytes.len()) {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            some => {
                self.0 -= some;
                Ok(some)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_fails_is_reported_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(dir.path()).unwrap();
    writer.add_scalar("loss", 1.0, Some(1), None).unwrap();
    drop(writer);
    let mut whole = Vec::new();
    write(dir.path(), &mut whole).unwrap();
    for room in 0..whole.len() {
        let failed = write(dir.path(), &mut Gone(room)).unwrap_err();
        let is_gone =
            matches!(&failed, ExportError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe);
        assert!(is_gone, "room for {room} bytes: {failed:?}");
    }
    write(dir.path(), &mut Gone(whole.len())).unwrap();
}
