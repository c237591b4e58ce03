//! Why something could not be done below the root directory, or for a fix-up as a whole.

use std::io;
use std::path::PathBuf;

/// Why a file of the copied system cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// There is no root directory.
    #[error("open the root directory {}", path.display())]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused.
    #[error("{act} {path}")]
    Refused {
        /// What was tried.
        act: &'static str,
        /// On which file of the copied system.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is larger than such a file ever is.
    #[error("{path} is larger than {limit_bytes} bytes; nothing reads it")]
    TooLarge {
        /// Which file.
        path: String,
        /// How much would have been read.
        limit_bytes: u64,
    },
    /// There are more entries than such a directory ever has.
    #[error("{path} has more than {limit} entries; nothing lists it")]
    TooMany {
        /// Which directory.
        path: String,
        /// How many would have been listed.
        limit: usize,
    },
    /// A device, a pipe, a directory, or a file of the running kernel is where a file should be.
    #[error("{path} is not an ordinary file")]
    NotAFile {
        /// Which one.
        path: String,
    },
    /// Links lead in a circle, or to no place where a file can be.
    #[error("{path} is a link that leads nowhere")]
    LeadsNowhere {
        /// Which one.
        path: String,
    },
}

/// Why a fix-up failed. Its text names the file concerned.
#[derive(Debug, thiserror::Error)]
pub enum FixupError {
    /// A file could not be read or written.
    #[error("work on the copied system's files")]
    Root(#[from] RootError),
    /// Something without which the system does not start is not there, or not possible.
    #[error("{0}")]
    Essential(String),
    /// A program that has to succeed did not.
    #[error("{command} ended with {how}: {output_tail}")]
    Command {
        /// Program and arguments.
        command: String,
        /// How it ended.
        how: String,
        /// The end of what it printed.
        output_tail: String,
    },
}

/// An error with its causes, for people: `a: b: c`.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
