//! Reserved names below a log directory.

/// First part of the paths of log files: `logs/agent/17.log`.
pub const LOGS: &str = "logs";
/// Directory of the server's own files: lock, journal and checkpoint. Readers of event files skip it.
pub const PRIVATE: &str = ".tensorplex";
/// Word by which TensorBoard recognizes an event file, so no directory may have it in its name.
pub(crate) const EVENT_FILE: &str = "tfevents";
