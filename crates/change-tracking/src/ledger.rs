//! The page beside the bitmaps: what the program has counted, and what user space has to remember
//! about them. It is pinned like them, so that one cannot outlive the other.

use std::sync::atomic::Ordering::SeqCst;

use rehost_linux::SharedWords;
use uuid::Uuid;

use crate::{DiskId, VoidReason};

/// How many words the page has: `struct ledger_page` in the program.
pub(crate) const WORDS: usize = 64;

/// Where the size of the disk is, which the program must know before it marks.
pub(crate) const DISK_SECTORS: usize = Word::DiskSectors as usize;

/// Where each word is; the order of `struct ledger_page`.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Word {
    WriteRequests,
    WrittenBytes,
    DiscardRequests,
    DiscardedBytes,
    AccountedWrittenSectors,
    AccountedDiscardedSectors,
    NotAccountedRequests,
    PassThroughRequests,
    TooLargeRequests,
    RequestsBeyondTheEnd,
    // From here on the words are user space's own; the program reads the first of them.
    DiskSectors,
    Complete,
    Program,
    BootHigh,
    BootLow,
    Device,
    SizeBytes,
    Sequence,
    TrackingHigh,
    TrackingLow,
    BaseWrittenSectors,
    BaseDiscardedSectors,
    Void,
}

/// Says that everything that belongs in the page is in it.
const COMPLETE: u64 = u64::from_be_bytes(*b"tracking");

/// What the program has seen since the tracking began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Completions of requests that wrote, zeroed or securely erased.
    pub write_requests: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Completions of discards.
    pub discard_requests: u64,
    /// Their bytes.
    pub discarded_bytes: u64,
    /// Completions that the kernel kept out of the disk's statistics.
    pub not_accounted_requests: u64,
    /// Commands to the disk that a program or a driver made itself. What they changed is unknown.
    pub pass_through_requests: u64,
    /// Requests with more parts than the program can walk through.
    pub too_large_requests: u64,
    /// Requests beyond the size that the disk had.
    pub requests_beyond_the_end: u64,
}

/// Sectors of 512 bytes that were written and discarded, in the kernel's statistics or in the
/// program's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sectors {
    /// Written, zeroed or securely erased.
    pub written: u64,
    /// Discarded.
    pub discarded: u64,
}

/// To whom the marks belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) disk: DiskId,
    pub(crate) boot: Uuid,
    pub(crate) program: u64,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    words: SharedWords,
}

impl Ledger {
    pub(crate) const fn new(words: SharedWords) -> Self {
        Self { words }
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            write_requests: self.get(Word::WriteRequests),
            written_bytes: self.get(Word::WrittenBytes),
            discard_requests: self.get(Word::DiscardRequests),
            discarded_bytes: self.get(Word::DiscardedBytes),
            not_accounted_requests: self.get(Word::NotAccountedRequests),
            pass_through_requests: self.get(Word::PassThroughRequests),
            too_large_requests: self.get(Word::TooLargeRequests),
            requests_beyond_the_end: self.get(Word::RequestsBeyondTheEnd),
        }
    }

    /// What the program has counted of what the kernel counts as well.
    pub(crate) fn accounted(&self) -> Sectors {
        Sectors {
            written: self.get(Word::AccountedWrittenSectors),
            discarded: self.get(Word::AccountedDiscardedSectors),
        }
    }

    /// What the kernel had counted when the program had counted nothing. It may be less than
    /// nothing, by what has completed and is not yet in the statistics.
    pub(crate) fn base(&self) -> (i64, i64) {
        (
            self.get(Word::BaseWrittenSectors).cast_signed(),
            self.get(Word::BaseDiscardedSectors).cast_signed(),
        )
    }

    pub(crate) fn set_base(&self, (written, discarded): (i64, i64)) {
        self.set(Word::BaseWrittenSectors, written.cast_unsigned());
        self.set(Word::BaseDiscardedSectors, discarded.cast_unsigned());
    }

    /// Writes down whose marks these are, and that they can be relied on from now on.
    pub(crate) fn complete(&self, owner: &Owner, tracking: Uuid) {
        let (boot_high, boot_low) = owner.boot.as_u64_pair();
        let (tracking_high, tracking_low) = tracking.as_u64_pair();
        self.set(Word::Program, owner.program);
        self.set(Word::BootHigh, boot_high);
        self.set(Word::BootLow, boot_low);
        self.set(Word::Device, device(&owner.disk));
        self.set(Word::SizeBytes, owner.disk.size_bytes);
        self.set(Word::Sequence, owner.disk.sequence);
        self.set(Word::TrackingHigh, tracking_high);
        self.set(Word::TrackingLow, tracking_low);
        self.set(Word::Complete, COMPLETE);
    }

    /// The tracking that this page belongs to, if it is one of `owner`; otherwise what differs.
    pub(crate) fn tracking_of(&self, owner: &Owner) -> Result<Uuid, &'static str> {
        let pair = |high, low| Uuid::from_u64_pair(self.get(high), self.get(low));
        if self.get(Word::Complete) != COMPLETE {
            return Err("their tracking had not quite begun");
        }
        if self.get(Word::Program) != owner.program {
            return Err("they are those of another version of the program");
        }
        if pair(Word::BootHigh, Word::BootLow) != owner.boot {
            return Err("the machine was started anew");
        }
        if self.get(Word::Device) != device(&owner.disk)
            || self.get(Word::Sequence) != owner.disk.sequence
        {
            return Err("they are those of another disk");
        }
        if self.get(Word::SizeBytes) != owner.disk.size_bytes {
            return Err("the disk has another size now");
        }
        Ok(pair(Word::TrackingHigh, Word::TrackingLow))
    }

    /// Why the marks are void, if they are: what was said first, or what the program came upon.
    pub(crate) fn void(&self) -> Option<VoidReason> {
        let said = self.get(Word::Void);
        if said != 0 {
            return Some(VoidReason::from_code(said));
        }
        let figures = self.figures();
        [
            (figures.too_large_requests, VoidReason::RequestTooLarge),
            (
                figures.requests_beyond_the_end,
                VoidReason::BeyondTheEndOfTheDisk,
            ),
            (figures.pass_through_requests, VoidReason::PassThrough),
            (figures.not_accounted_requests, VoidReason::StatisticsOff),
        ]
        .into_iter()
        .find_map(|(requests, reason)| (requests != 0).then_some(reason))
    }

    /// Makes the marks void for ever. The first reason stays.
    pub(crate) fn set_void(&self, reason: VoidReason) {
        let word = &self.words[Word::Void as usize];
        // Whoever was first has made them void already.
        let _ = word.compare_exchange(0, reason.code(), SeqCst, SeqCst);
    }

    fn get(&self, word: Word) -> u64 {
        self.words[word as usize].load(SeqCst)
    }

    fn set(&self, word: Word, value: u64) {
        self.words[word as usize].store(value, SeqCst);
    }
}

fn device(disk: &DiskId) -> u64 {
    u64::from(disk.major) << 32 | u64::from(disk.minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        Ledger::new(SharedWords::map(&file, WORDS).unwrap())
    }

    fn owner() -> Owner {
        Owner {
            disk: DiskId {
                major: 8,
                minor: 16,
                size_bytes: 1 << 30,
                sequence: 7,
            },
            boot: Uuid::from_u128(1 << 100 | 5),
            program: 9,
        }
    }

    #[test]
    fn only_the_owner_gets_the_marks_back() {
        let (ledger, owner, tracking) = (ledger(), owner(), Uuid::from_u128(1 << 90 | 2));
        assert!(ledger.tracking_of(&owner).is_err(), "it is not complete");
        ledger.complete(&owner, tracking);
        assert_eq!(ledger.tracking_of(&owner), Ok(tracking));

        let disk = owner.disk;
        let others = [
            Owner {
                program: 8,
                ..owner
            },
            Owner {
                boot: Uuid::nil(),
                ..owner
            },
            Owner {
                disk: DiskId { minor: 0, ..disk },
                ..owner
            },
            Owner {
                disk: DiskId { major: 9, ..disk },
                ..owner
            },
            Owner {
                disk: DiskId {
                    sequence: 8,
                    ..disk
                },
                ..owner
            },
            Owner {
                disk: DiskId {
                    size_bytes: 1 << 31,
                    ..disk
                },
                ..owner
            },
        ];
        for other in others {
            assert!(ledger.tracking_of(&other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn the_first_reason_stays() {
        let ledger = ledger();
        assert_eq!(ledger.void(), None);
        ledger.set_void(VoidReason::LoanLost);
        ledger.set_void(VoidReason::MissedCompletions);
        assert_eq!(ledger.void(), Some(VoidReason::LoanLost));
    }

    #[test]
    fn what_the_program_came_upon_voids() {
        for (word, reason) in [
            (Word::TooLargeRequests, VoidReason::RequestTooLarge),
            (
                Word::RequestsBeyondTheEnd,
                VoidReason::BeyondTheEndOfTheDisk,
            ),
            (Word::PassThroughRequests, VoidReason::PassThrough),
            (Word::NotAccountedRequests, VoidReason::StatisticsOff),
        ] {
            let ledger = ledger();
            ledger.set(word, 1);
            assert_eq!(ledger.void(), Some(reason));
        }
    }

    #[test]
    fn a_base_may_be_less_than_nothing() {
        let ledger = ledger();
        ledger.set_base((-8, 1 << 40));
        assert_eq!(ledger.base(), (-8, 1 << 40));
    }
}
