//! Why logs cannot be kept or collected.

use std::io;
use std::path::PathBuf;

/// Logs cannot be kept or collected.
#[derive(Debug, thiserror::Error)]
pub enum LogFileError {
    /// The folder or the file could not be made.
    #[error("cannot keep the log in {}; make room there or correct its permissions", path.display())]
    Open {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read the log {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The archive could not be put together.
    #[error("cannot pack the logs")]
    Pack(#[source] io::Error),
    /// No file was ever opened.
    #[error("this process keeps no log files; its log says why")]
    NotKept,
}
