//! Comparison: the same scalars, written locally by `tensorboard-rs`.

use std::time::Instant;

use tensorboard_rs::summary_writer::SummaryWriter;

use crate::measurements::{SCALARS, TAGS, batches, tag, value};
use crate::servers::Servers;

pub fn end_to_end(setting: &Servers) -> f64 {
    let mut writer = SummaryWriter::new(setting.dir.path());
    let start = Instant::now();
    for n in 0..SCALARS {
        let step = n / TAGS.len() as i64;
        writer.add_scalar(tag(n as usize), value(step) as f32, step as usize);
    }
    writer.flush();
    SCALARS as f64 / start.elapsed().as_secs_f64()
}

pub fn one_call(setting: &Servers) -> f64 {
    let mut writer = SummaryWriter::new(setting.dir.path());
    batches(|step| writer.add_scalar(tag(step as usize), value(step) as f32, step as usize))
}
