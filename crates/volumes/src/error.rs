//! What can go wrong with a volume, named by the act that failed.

use std::io;
use std::path::PathBuf;

/// A failed act on a volume. The cause is kept as source.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The file or device cannot be opened.
    #[error("open {path}")]
    Open {
        /// What was to be opened.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The image file cannot be made.
    #[error("create image {path}")]
    Create {
        /// What was to be made.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A block device does not tell its size or block size.
    #[error("ask {path} for its size")]
    Size {
        /// The device.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Neither a regular file nor a block device.
    #[error("{path} is neither a regular file nor a block device")]
    Kind {
        /// What was given.
        path: PathBuf,
    },
    /// A read failed.
    #[error("read {length} bytes at offset {offset} of {path}")]
    Read {
        /// The volume.
        path: PathBuf,
        /// Byte offset.
        offset: u64,
        /// Bytes asked for.
        length: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A write failed.
    #[error("write {length} bytes at offset {offset} of {path}")]
    Write {
        /// The volume.
        path: PathBuf,
        /// Byte offset.
        offset: u64,
        /// Bytes to be written.
        length: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Making writes durable failed.
    #[error("flush {path}")]
    Flush {
        /// The volume.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A range reaches beyond the end.
    #[error("{length} bytes at offset {offset} reach beyond the end of {path}, at {size_bytes}")]
    OutOfRange {
        /// The volume.
        path: PathBuf,
        /// Byte offset.
        offset: u64,
        /// Length in bytes.
        length: u64,
        /// Size of the volume in bytes.
        size_bytes: u64,
    },
    /// An image that this program does not read or write; the text says what to do.
    #[error("{path}: {advice}")]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// What is the matter and what to do.
        advice: String,
    },
    /// What a volume held at a point in time cannot be read any more.
    #[error("the point at which the volume was held is void: {reason}")]
    PointVoid {
        /// Why, for people.
        reason: String,
    },
}

impl VolumeError {
    /// Whether the medium is full, so that the work can go on once there is room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Write { source, .. }
            | Self::Flush { source, .. }
            | Self::Create { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            _ => false,
        }
    }
}
