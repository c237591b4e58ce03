//! What every reader of an allocation map has in common: its form, and why it gives up.

use std::fmt;

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
    /// What of it there is no map of.
    pub(crate) given_up: GivenUp,
}

impl From<Extents> for Used {
    fn from(extents: Extents) -> Self {
        Self {
            extents,
            is_settled: true,
            given_up: GivenUp::default(),
        }
    }
}

/// Groups of a file system whose maps cannot be trusted, so that they count as used as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// How many there are.
    pub groups: u64,
    /// The numbers of the first of them, at most [`GivenUp::NAMED`].
    pub first: Vec<u64>,
    /// Their size in bytes, all together.
    pub size_bytes: u64,
}

impl GivenUp {
    /// How many groups are named.
    pub const NAMED: usize = 8;

    /// Adds a group.
    pub(crate) fn push(&mut self, group: u64, size_bytes: u64) {
        if self.first.len() < Self::NAMED {
            self.first.push(group);
        }
        self.groups += 1;
        self.size_bytes += size_bytes;
    }
}

/// For people, such as `the maps of 2 groups make no sense (3, 7): 1048576 bytes count as used`.
impl fmt::Display for GivenUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self.first.iter().map(u64::to_string).collect();
        let more = if self.groups > named.len() as u64 {
            ", ..."
        } else {
            ""
        };
        write!(
            formatter,
            "the maps of {} groups make no sense ({}{more}): {} bytes count as used",
            self.groups,
            named.join(", "),
            self.size_bytes
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_groups_are_named() {
        let mut given_up = GivenUp::default();
        given_up.push(3, 100);
        given_up.push(7, 50);
        assert_eq!(
            given_up.to_string(),
            "the maps of 2 groups make no sense (3, 7): 150 bytes count as used"
        );
        (10..1_000_000).for_each(|group| given_up.push(group, 1));
        assert_eq!(given_up.first, [3, 7, 10, 11, 12, 13, 14, 15]);
        assert_eq!(given_up.groups, 999_992);
        assert!(given_up.to_string().contains("15, ...)"));
    }
}
