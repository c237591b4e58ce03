//! What every reader of an allocation map has in common: its form, and why it gives up.

use rehost_volumes::VolumeError;

use crate::Extents;

/// What a reader found out about one medium.
#[derive(Debug)]
pub(crate) struct Used {
    /// What is in use, in bytes of the medium.
    pub(crate) extents: Extents,
    /// Whether this is all that is in use: false while a journal or log may hold changes of the
    /// allocation that are not yet where the reader looks.
    pub(crate) is_settled: bool,
}

impl From<Extents> for Used {
    fn from(extents: Extents) -> Self {
        Self {
            extents,
            is_settled: true,
        }
    }
}

/// Why there is no map, so that the region is copied as a whole. Shown to people.
#[derive(Debug, thiserror::Error)]
pub enum Unmapped {
    /// Nothing that is known lies there.
    #[error("no known file system")]
    Unknown,
    /// It is what it says it is, with a feature whose meaning is not known here.
    #[error("{what} uses {feature}, which is not understood")]
    Unsupported {
        /// The kind of file system or volume manager.
        what: &'static str,
        /// The feature.
        feature: String,
    },
    /// What it says of itself contradicts itself or its medium.
    #[error("{what} is inconsistent: {detail}")]
    Inconsistent {
        /// The kind of file system or volume manager.
        what: &'static str,
        /// What is wrong, and where.
        detail: String,
    },
    /// Part of it lies on a disk that is not among those given.
    #[error("{what} spans disks that are not part of this migration")]
    MissingMember {
        /// The kind of file system or volume manager.
        what: &'static str,
    },
    /// The medium cannot be read.
    #[error("read the medium")]
    Read(#[from] VolumeError),
}
