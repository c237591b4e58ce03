//! The log of a role, kept in its state directory beside standard error: `STATE/logs/agent.log`.
//!
//! Whoever looks for the cause of a failure days later has no terminal to scroll back in, and the
//! control plane can collect files only. The files are bounded, because a source server lends its
//! disk: [`LogSink`] takes lines, begins a new file when one is full and drops the oldest; and it
//! packs all of them into one archive.

mod archive;
mod error;
mod rotation;
mod sink;

pub use error::LogFileError;
pub use rotation::{FILE_BYTES, FILES};
pub use sink::LogSink;
