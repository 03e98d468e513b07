//! Records of many training workers into TensorBoard event files.

pub mod tfevents;
