//! Whether marks can be relied on, and why not.

use std::fmt;

/// Whether the marks of a disk can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Every change since the tracking began is marked, as far as is known.
    Tracking,
    /// Everything counts as changed until the tracking is started anew.
    Void {
        /// What made it so, first.
        reason: VoidReason,
    },
}

/// Why marks cannot be relied on. It is kept beside the marks and outlives the agent like them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VoidReason {
    /// The disk completed more than the program saw.
    MissedCompletions,
    /// A command went to the disk past the block layer.
    PassThrough,
    /// A request had more parts than the program can walk through.
    RequestTooLarge,
    /// A request was beyond the size that the disk had.
    BeyondTheEndOfTheDisk,
    /// The kernel did not count requests, so that the marks cannot be checked.
    StatisticsOff,
    /// Marks were taken, and could not be given back.
    LoanLost,
    /// A comparison found a difference that no mark explains.
    UnmarkedDifference,
    /// The device number belongs to another disk now, or the disk has another size.
    DiskReplaced,
    /// A reason that a later version of this program wrote down.
    Unknown,
}

impl VoidReason {
    const CODES: [(Self, u64); 8] = [
        (Self::MissedCompletions, 1),
        (Self::PassThrough, 2),
        (Self::RequestTooLarge, 3),
        (Self::BeyondTheEndOfTheDisk, 4),
        (Self::StatisticsOff, 5),
        (Self::LoanLost, 6),
        (Self::UnmarkedDifference, 7),
        (Self::DiskReplaced, 8),
    ];

    /// How it is written down; never 0.
    pub(crate) fn code(self) -> u64 {
        Self::CODES
            .into_iter()
            .find_map(|(reason, code)| (reason == self).then_some(code))
            .unwrap_or(u64::MAX)
    }

    pub(crate) fn from_code(code: u64) -> Self {
        Self::CODES
            .into_iter()
            .find_map(|(reason, known)| (known == code).then_some(reason))
            .unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for VoidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissedCompletions => "the disk completed more than was seen",
            Self::PassThrough => "a program sent commands to the disk past the block layer",
            Self::RequestTooLarge => "a request had more parts than can be marked",
            Self::BeyondTheEndOfTheDisk => "the disk has grown",
            Self::StatisticsOff => "the kernel did not count the requests of the disk",
            Self::LoanLost => "marks were taken and could not be given back",
            Self::UnmarkedDifference => "a difference was found that was not marked",
            Self::DiskReplaced => "the disk was replaced or has another size",
            Self::Unknown => "there is a reason that this version does not know",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_as_they_are_written() {
        for (reason, code) in VoidReason::CODES {
            assert_eq!(reason.code(), code);
            assert_eq!(VoidReason::from_code(code), reason);
        }
        assert_ne!(VoidReason::Unknown.code(), 0);
        assert_eq!(VoidReason::from_code(99), VoidReason::Unknown);
    }
}
