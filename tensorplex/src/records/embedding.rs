//! Embeddings: files of the projector inside the run's directory.
//!
//! ```text
//! projector_config.pbtxt              one entry per embedding, appended
//! <step>/<tag>-<time>/tensors.tsv     one line per vector
//!                     metadata.tsv    one line per vector; a first line with names if there are several columns
//!                     sprite.png      a square of square pictures, one per vector
//! ```
//!
//! The vectors are text: TensorBoard would read raw floats as text too, when their bytes happen to be UTF-8.
//! Source: `tensorboard/plugins/projector/projector_plugin.py`. Paths lie inside the configuration's directory: TensorBoard
//! refuses others.

use std::fmt::Write as _;

use super::image::png;
use super::pixels::Axes;
use super::{Array, Encode, Record, RecordContent, bad_shape, owned_tag};
use crate::value::RecordError;

/// Most numbers of all vectors: four million, which take up to 50 MB as text.
pub const MAX_VECTORS: usize = 4 << 20;
/// Most bytes of labels.
pub const MAX_LABELS: usize = 8 << 20;
/// Most pixels along an edge of all pictures together: what browsers take.
pub const MAX_SPRITE: usize = 8192;
/// Longest tag of an embedding in bytes: it becomes a part of a path.
pub const MAX_EMBEDDING_TAG: usize = 1024;

/// Vectors to be shown as points, perhaps with labels and pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    tag: String,
    vectors: Vec<f32>,
    size: usize,
    labels: String,
    pictures: Option<Axes>,
}

/// The files of one embedding; how it travels.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EmbeddingFiles {
    /// Its name.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The global step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// Seconds since 1970.
    #[prost(double, tag = "3")]
    pub wall_time: f64,
    /// Numbers per vector.
    #[prost(uint64, tag = "4")]
    pub size: u64,
    /// The vectors as tab-separated lines.
    #[prost(string, tag = "5")]
    pub tensors: String,
    /// Labels as tab-separated lines, or nothing.
    #[prost(string, tag = "6")]
    pub metadata: String,
    /// A PNG, or nothing.
    #[prost(bytes = "vec", tag = "7")]
    pub sprite: Vec<u8>,
    /// Edge of one picture in pixels.
    #[prost(uint64, tag = "8")]
    pub edge: u64,
    /// Number of vectors.
    #[prost(uint64, tag = "9")]
    pub rows: u64,
}

impl Embedding {
    /// Vectors of `size` numbers each, one after the other.
    ///
    /// # Errors
    /// When the tag cannot be used or is longer than [`MAX_EMBEDDING_TAG`], or the vectors are none, are more than
    /// [`MAX_VECTORS`] numbers, or are no multiple of `size`.
    pub fn new(tag: &str, vectors: Vec<f32>, size: usize) -> Result<Self, RecordError> {
        let seen = vectors.len();
        if size == 0 || seen == 0 || !seen.is_multiple_of(size) || seen > MAX_VECTORS {
            let wanted = format!("1 to {} numbers, a multiple of the size", MAX_VECTORS);
            return Err(bad_shape(
                "embedding",
                format!("{seen} numbers in vectors of {size}"),
                wanted,
            ));
        }
        if tag.len() > MAX_EMBEDDING_TAG {
            return Err(bad_shape(
                "embedding",
                format!("tag of {} bytes", tag.len()),
                format!("at most {MAX_EMBEDDING_TAG}"),
            ));
        }
        Ok(Self {
            tag: owned_tag(tag)?,
            vectors,
            size,
            labels: String::new(),
            pictures: None,
        })
    }

    fn rows(&self) -> usize {
        self.vectors.len() / self.size
    }

    /// One label per vector. Tabs and ends of lines are read as spaces; a blank label is shown as `␣`.
    ///
    /// # Errors
    /// When there are not as many labels as vectors, or they are too long.
    pub fn labels(self, labels: &[impl AsRef<str>]) -> Result<Self, RecordError> {
        let rows: Vec<[&str; 1]> = labels.iter().map(|label| [label.as_ref()]).collect();
        self.table(&["label"], &rows)
    }

    /// Several named labels per vector. In a row of blank labels, the first is shown as `␣`.
    ///
    /// # Errors
    /// When there are not as many rows as vectors, a row has not as many columns as `header`, there are no columns, or all is
    /// too long.
    pub fn table<R: AsRef<[S]>, S: AsRef<str>>(
        mut self,
        header: &[&str],
        rows: &[R],
    ) -> Result<Self, RecordError> {
        let wanted = self.rows();
        let columns = header.len();
        if columns == 0 || rows.len() != wanted {
            let seen = format!("{} rows of {columns} labels", rows.len());
            return Err(bad_shape(
                "embedding",
                seen,
                format!("{wanted} rows, one per vector"),
            ));
        }
        if let Some(odd) = rows
            .iter()
            .map(|row| row.as_ref().len())
            .find(|&seen| seen != columns)
        {
            return Err(bad_shape(
                "embedding",
                format!("a row of {odd} labels"),
                format!("{columns}, as in the header"),
            ));
        }
        self.labels.clear();
        // With one column, TensorBoard reads the first line as a label.
        if columns > 1 {
            push_line(&mut self.labels, header.iter().copied());
        }
        for row in rows {
            push_line(&mut self.labels, row.as_ref().iter().map(AsRef::as_ref));
        }
        match self.labels.len() {
            0..=MAX_LABELS => Ok(self),
            long => Err(bad_shape(
                "embedding",
                format!("{long} bytes of labels"),
                format!("at most {MAX_LABELS}"),
            )),
        }
    }

    /// One square picture per vector, with axes as in [`Image::new`](super::Image::new).
    ///
    /// # Errors
    /// When the format does not fit the shape, there are not as many pictures as vectors, they are not square, or all
    /// together are more than [`MAX_SPRITE`] pixels wide.
    pub fn pictures(mut self, pixels: Array, format: &str) -> Result<Self, RecordError> {
        let axes = Axes::new("embedding", pixels, format, "NHW", "NCHW")?;
        let [count, _, _, height, width] = axes.sizes();
        if count != self.rows() || height != width || side(count) * width > MAX_SPRITE {
            let seen = format!("{count} pictures of {height} rows of {width} pixels");
            let wanted = format!(
                "{} square ones, together at most {MAX_SPRITE} pixels wide",
                self.rows()
            );
            return Err(bad_shape("embedding", seen, wanted));
        }
        self.pictures = Some(axes);
        Ok(self)
    }
}

/// Pictures along an edge of the square that holds `count` of them.
fn side(count: usize) -> usize {
    let root = count.isqrt();
    if root * root < count { root + 1 } else { root }
}

/// Stands for the first label of a row that is blank.
const BLANK: char = '␣';

/// Appends a row. The projector drops lines that JavaScript's `trim` empties, and later labels would move to other vectors.
fn push_line<'a>(out: &mut String, words: impl Iterator<Item = &'a str>) {
    let start = out.len();
    for (n, word) in words.enumerate() {
        if n > 0 {
            out.push('\t');
        }
        out.extend(
            word.chars()
                .map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c }),
        );
    }
    let row = &out[start..];
    if row.chars().all(|c| c.is_whitespace() || c == '\u{feff}') {
        let first = row.find('\t').unwrap_or(row.len());
        out.replace_range(start..start + first, BLANK.encode_utf8(&mut [0; 4]));
    }
    out.push('\n');
}

impl Encode for Embedding {
    fn encode(self, wall_time: f64) -> Result<Record, RecordError> {
        let (mut sprite, mut edge) = (Vec::new(), 0);
        if let Some(axes) = &self.pictures {
            let [count, _, _, height, _] = axes.sizes();
            sprite = png(&axes.grid(0, side(count), side(count)))?;
            edge = height as u64;
        }
        let files = EmbeddingFiles {
            step: 0,
            wall_time,
            rows: self.rows() as u64,
            size: self.size as u64,
            tensors: lines(&self.vectors, self.size),
            tag: self.tag,
            metadata: self.labels,
            sprite,
            edge,
        };
        Ok(Record {
            content: RecordContent::Embedding(files),
            at: None,
        })
    }

    fn held_bytes(&self) -> usize {
        let pictures = self.pictures.as_ref().map_or(0, Axes::held_bytes);
        size_of_val(self.vectors.as_slice()) + self.labels.len() + pictures
    }
}

fn lines(vectors: &[f32], size: usize) -> String {
    let mut text = String::new();
    for vector in vectors.chunks(size) {
        for (n, number) in vector.iter().enumerate() {
            let tab = if n > 0 { "\t" } else { "" };
            // The shortest text that is read as the same number.
            let _ = write!(text, "{tab}{number}");
        }
        text.push('\n');
    }
    text
}

impl EmbeddingFiles {
    /// Checks what came from somewhere else.
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        owned_tag(&self.tag)?;
        let whole = self.tensors.lines().count() as u64 == self.rows
            && self
                .tensors
                .lines()
                .all(|line| line.split('\t').count() as u64 == self.size);
        if self.tag.len() > MAX_EMBEDDING_TAG || self.rows == 0 || !whole {
            let seen = format!(
                "{} bytes for {} vectors of {}",
                self.tensors.len(),
                self.rows,
                self.size
            );
            return Err(bad_shape(
                "embedding",
                seen,
                "one line per vector, one number per column",
            ));
        }
        Ok(())
    }

    /// The directory of its files, below that of the run: steps and times are told apart, and no tag leaves it.
    pub(crate) fn directory(&self) -> String {
        let mut tag = String::new();
        for byte in self.tag.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => tag.push(byte.into()),
                _ => {
                    let _ = write!(tag, "%{byte:02x}");
                }
            }
        }
        if tag.len() > remotecall::MAX_PART {
            tag = remotecall::safe_part(&self.tag);
        }
        format!("{:05}/{tag}-{}", self.step, (self.wall_time * 1e6) as i64)
    }

    /// Its entry in the configuration.
    pub(crate) fn entry(&self) -> String {
        let directory = self.directory();
        let name: String = self.tag.chars().flat_map(escaped).collect();
        let mut entry = format!(
            "embeddings {{\n  tensor_name: \"{name}:{:05}\"\n  tensor_shape: {}\n  tensor_shape: {}\n  \
             tensor_path: \"{directory}/tensors.tsv\"\n",
            self.step, self.rows, self.size
        );
        if !self.metadata.is_empty() {
            let _ = writeln!(entry, "  metadata_path: \"{directory}/metadata.tsv\"");
        }
        if !self.sprite.is_empty() {
            let _ = writeln!(
                entry,
                "  sprite {{\n    image_path: \"{directory}/sprite.png\"\n    single_image_dim: {0}\n    \
                 single_image_dim: {0}\n  }}",
                self.edge
            );
        }
        entry + "}\n"
    }
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    // Ends of lines and the like would end the string.
    let c = if c.is_control() { ' ' } else { c };
    let slash = matches!(c, '"' | '\\').then_some('\\');
    slash.into_iter().chain(std::iter::once(c))
}
