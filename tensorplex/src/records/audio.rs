//! Sound: WAV with 16-bit samples.
//!
//! ```text
//! plugin   audio, content AudioPluginData with encoding WAV
//! tensor   [1] of strings: the file
//! ```
//!
//! Source: `tensorboard/plugins/audio/summary_v2.py`, which writes `[1, 2]`, the file and a label. The data server drops the
//! label, and the Python loader counts it as a second clip, so there is none. Without the encoding a browser would not play
//! the file.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::{Encode, Record, bad_shape, owned_tag, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto, Value};
use crate::tfevents::plugins::{AudioPluginData, WAV};
use crate::value::RecordError;

/// Most samples of a clip, all channels together: two minutes of stereo and more.
pub const MAX_CLIP: usize = 24 << 20;

/// A clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    tag: String,
    samples: Vec<f32>,
    channels: u16,
    sample_rate: u32,
}

impl Audio {
    /// Samples from -1 to 1, of all channels in turn; what lies beyond is cut off, NaN is silence. `sample_rate` is in
    /// samples a second and channel.
    ///
    /// # Errors
    /// When the tag cannot be used, there are no samples or more than [`MAX_CLIP`], their number is not a multiple of
    /// `channels`, `channels` is not 1 or 2, or the rate is zero or more than 2^32 bytes a second.
    pub fn new(tag: &str, samples: Vec<f32>, channels: u16, sample_rate: u32) -> Result<Self, RecordError> {
        let seen = samples.len();
        if !(1..=2).contains(&channels) {
            return Err(bad_shape("audio", format!("{channels} channels"), "1 or 2"));
        }
        if seen == 0 || seen > MAX_CLIP || !seen.is_multiple_of(usize::from(channels)) {
            let wanted = format!("1 to {MAX_CLIP}, a multiple of the {channels} channels");
            return Err(bad_shape("audio", format!("{seen} samples"), wanted));
        }
        // The header has the bytes a second as 32 bits.
        let most = u32::MAX / 2 / u32::from(channels);
        if !(1..=most).contains(&sample_rate) {
            let seen = format!("{sample_rate} samples a second and channel");
            return Err(bad_shape("audio", seen, format!("1 to {most}")));
        }
        Ok(Self {
            tag: owned_tag(tag)?,
            samples,
            channels,
            sample_rate,
        })
    }
}

impl Encode for Audio {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let file = wav(&self).map_err(|why| RecordError::Encoding(why.to_string()))?;
        Ok(Record::values(vec![audio_value(self.tag, file)]))
    }

    fn held_bytes(&self) -> usize {
        size_of_val(self.samples.as_slice())
    }
}

/// A value of the audio dashboard; `file` is a WAV file.
pub(super) fn audio_value(tag: String, file: Vec<u8>) -> Value {
    let tensor = TensorProto {
        dtype: DataType::String.into(),
        tensor_shape: shape(&[1]),
        string_val: vec![file],
        ..TensorProto::default()
    };
    let content = AudioPluginData {
        version: 0,
        encoding: WAV,
    };
    value(tag, ("audio", &content), DataClass::BlobSequence, tensor)
}

fn wav(clip: &Audio) -> Result<Vec<u8>, hound::Error> {
    let spec = WavSpec {
        channels: clip.channels,
        sample_rate: clip.sample_rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec)?;
    let mut samples = writer.get_i16_writer(clip.samples.len() as u32);
    for sample in &clip.samples {
        // `as` takes 1.0 to the largest sample, as TensorFlow and libsndfile do, and NaN to zero.
        samples.write_sample((sample * 32768.0).round() as i16);
    }
    samples.flush()?;
    writer.finalize()?;
    Ok(file.into_inner())
}
