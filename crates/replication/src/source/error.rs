//! Why a replication stopped short.

use std::io;
use std::path::PathBuf;

use rehost_volumes::VolumeError;

use super::FreezeError;
use crate::journal::JournalError;
use crate::wire::{Advice, Failure};

/// A failed replication. What was copied stays copied; the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The link to the receiver cannot be opened or broke.
    #[error("reach the receiver at {peer}")]
    Link {
        /// The receiver.
        peer: String,
        /// What the link said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The receiver said why it cannot go on.
    #[error("the receiver refused: {message} [{code}]")]
    Refused {
        /// Stable word for programs.
        code: String,
        /// For people.
        message: String,
        /// Whether it is worth trying again.
        advice: Advice,
    },
    /// The receiver does not speak the protocol.
    #[error("the receiver answered what was not asked: {0}; install the same release on both")]
    Protocol(&'static str),
    /// A disk of the source cannot be read.
    #[error("read the source")]
    Volume(#[from] VolumeError),
    /// The ledger of what was sent cannot be kept.
    #[error("keep the ledger {path}")]
    Ledger {
        /// The ledger.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The source's journal of hashes cannot be kept.
    #[error("keep the hashes of what was copied")]
    Hashes(#[from] JournalError),
    /// A disk of the source was enlarged or cut short: the target's volume does not fit it any more.
    #[error(
        "the disk {volume} has {now_bytes} bytes now and had {was_bytes} when the task began; \
         delete the task and make it again, so that the target fits"
    )]
    SizeChanged {
        /// Name of the disk.
        volume: String,
        /// Size that is copied, in bytes.
        was_bytes: u64,
        /// Size found now, in bytes.
        now_bytes: u64,
    },
    /// A disk was written to again and again while the source was frozen.
    #[error(
        "something writes to the disk {volume} past its file systems, also while these are frozen; \
         stop the program that uses the device itself, then start the task again"
    )]
    Restless {
        /// Name of the disk.
        volume: String,
    },
    /// The source cannot be held still.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// A worker thread ended abnormally.
    #[error("a worker ended abnormally; see the log")]
    Worker,
}

/// An error with its causes, in one line for people.
#[must_use]
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

impl SourceError {
    /// Whether a new session may help: the link broke, or the receiver asks for one.
    #[must_use]
    pub fn is_link(&self) -> bool {
        matches!(
            self,
            Self::Link { .. }
                | Self::Refused {
                    advice: Advice::Retry,
                    ..
                }
        )
    }

    /// Whether it may help to try again later, after somebody made room or repaired something.
    #[must_use]
    pub fn is_wait(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                advice: Advice::Wait,
                ..
            }
        )
    }

    pub(super) fn link(
        peer: &impl ToString,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Link {
            peer: peer.to_string(),
            source: source.into(),
        }
    }
}

impl From<Failure> for SourceError {
    fn from(failure: Failure) -> Self {
        Self::Refused {
            code: failure.code,
            message: failure.message,
            advice: failure.advice,
        }
    }
}
