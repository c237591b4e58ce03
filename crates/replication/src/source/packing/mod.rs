//! Packs what goes over the wire, where that makes the copy faster.
//!
//! [`Packing`] is shared by all streams of a task, over all its sessions: it remembers what the link
//! and the content are like. `chooser` has the rules; `packer` does the work, one for each stream.

mod chooser;
#[cfg(test)]
mod chooser_tests;
mod packer;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(super) use self::chooser::Sent;
use self::chooser::{Chooser, Method};
pub(super) use self::packer::Packer;
use crate::wire::Codec;

/// What may be packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// What the link and the processors make worthwhile; nothing on a fast link.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// Everything that gets shorter, by LZ4.
    Lz4,
    /// Everything that gets shorter, by Zstandard.
    Zstd,
}

/// Level of Zstandard where nobody chooses one.
const USUAL_LEVEL: i32 = 3;

/// Ways to pack, the cheapest first. Higher levels cost several times the processor's time for a few
/// percent.
const WAYS: [Method; 4] = [
    Method::Lz4,
    Method::Zstd(1),
    Method::Zstd(3),
    Method::Zstd(6),
];

/// The most memory that a stream of a source holds, in bytes: a chunk, bytes on their way through TLS,
/// and where chunks are packed, two more and what the tightest way to pack needs. What was sent is read
/// again after a break, so nothing is kept until it is acknowledged.
#[must_use]
pub const fn stream_memory_bytes(compression: Compression) -> u64 {
    const MIB: u64 = 1 << 20;
    match compression {
        Compression::None => 2 * MIB,
        Compression::Lz4 => 5 * MIB,
        Compression::Auto | Compression::Zstd => 12 * MIB,
    }
}

/// How a task packs, and what it has learnt about it.
#[derive(Debug)]
pub struct Packing {
    compression: Compression,
    began: Instant,
    chooser: Mutex<Chooser>,
    /// How many streams may pack at the same time; no bound if absent.
    places: Option<Places>,
}

impl Default for Packing {
    fn default() -> Self {
        Self::new(Compression::default(), None)
    }
}

impl Packing {
    /// Packs as `compression` says, in at most so many threads at the same time; none of them is as
    /// [`Compression::None`].
    #[must_use]
    pub fn new(compression: Compression, threads: Option<u32>) -> Self {
        let compression = if threads == Some(0) {
            Compression::None
        } else {
            compression
        };
        Self {
            compression,
            began: Instant::now(),
            chooser: Mutex::new(Chooser::new(&WAYS)),
            places: threads.map(Places::new),
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Whether chunks are packed now, as far as they get shorter.
    #[must_use]
    pub fn packs(&self) -> bool {
        match self.compression {
            Compression::Auto => self.chooser().method().is_some(),
            Compression::None => false,
            Compression::Lz4 | Compression::Zstd => true,
        }
    }

    /// What a source says that it could pack.
    pub(super) fn offered(&self) -> Vec<String> {
        let words = |codecs: &[Codec]| codecs.iter().map(|codec| codec.word().into()).collect();
        match self.compression {
            Compression::Auto => words(&Codec::ALL),
            Compression::None => Vec::new(),
            Compression::Lz4 => words(&[Codec::Lz4]),
            Compression::Zstd => words(&[Codec::Zstd]),
        }
    }

    fn chooser(&self) -> MutexGuard<'_, Chooser> {
        self.chooser.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the next chunk is to be packed, and whether all ways are to be tried on a piece of it.
    fn next(&self) -> (Option<Method>, bool) {
        match self.compression {
            Compression::Auto => {
                let mut chooser = self.chooser();
                let estimates = chooser.wants_estimates();
                (chooser.method(), estimates)
            }
            Compression::None => (None, false),
            Compression::Lz4 => (Some(Method::Lz4), false),
            Compression::Zstd => (Some(Method::Zstd(USUAL_LEVEL)), false),
        }
    }

    /// Learns from a chunk that was sent.
    pub(super) fn learn(&self, sent: &Sent) {
        if self.compression == Compression::Auto {
            self.chooser().sent(self.began.elapsed(), sent);
        }
    }
}

/// Bounds how many threads do something at the same time.
#[derive(Debug)]
struct Places {
    free: Mutex<u32>,
    freed: Condvar,
}

/// A place, given back when dropped.
#[derive(Debug)]
struct Place<'a>(&'a Places);

impl Places {
    fn new(count: u32) -> Self {
        Self {
            free: Mutex::new(count),
            freed: Condvar::new(),
        }
    }

    fn take(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
