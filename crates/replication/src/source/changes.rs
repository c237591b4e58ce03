//! What is known of changes to a disk without reading it: marks that a tracker sets.
//!
//! A tracker is trusted as far as it says itself, and no further than one independent check in each
//! stretch of tracking confirms. Whenever it cannot be relied on, rounds compare hashes instead, which always
//! works and only takes longer.

use std::fmt::Debug;
use std::ops::Range;

use rehost_used_blocks::Extents;
use rehost_volumes::{CHUNK_BYTES, chunk_count};

/// Whether marks can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Every change since the beginning of this stretch of tracking is marked, or was and has been
    /// cleared.
    Unbroken {
        /// Names the stretch; never used twice.
        stretch: String,
    },
    /// Changes may have gone unseen.
    Void {
        /// Why, for people.
        reason: String,
    },
}

/// What has changed, in bytes of the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// May hold other bytes than before.
    pub written: Extents,
    /// Was given back to the medium; what it reads as now is not known.
    pub discarded: Extents,
}

/// The tracker did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{act} the marks of changed blocks")]
pub struct TrackerError {
    /// `read` or `clear`.
    pub act: &'static str,
    /// What it said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Tracks changes of one disk. Called also while the source is frozen: must not write files or logs.
///
/// A change must be marked when it has reached the medium and before its writer is told so.
pub trait ChangeTracker: Debug + Send + Sync {
    /// Whether marks can be relied on, those included that were read before this call.
    fn tracking(&self) -> Tracking;

    /// What is marked. Changes nothing.
    ///
    /// # Errors
    /// [`TrackerError`]; the marks are then void.
    fn read(&self) -> Result<Marks, TrackerError>;

    /// Clears exactly these marks. What changes from now on is marked again.
    ///
    /// # Errors
    /// [`TrackerError`]; some may be cleared then.
    fn clear(&self, marks: &Marks) -> Result<(), TrackerError>;
}

/// Ranges of chunks, ascending, that neither overlap nor touch.
pub(super) type Chunks = Extents;

/// All chunks of a disk.
pub(super) fn all_chunks(size_bytes: u64) -> Chunks {
    Chunks::whole(0..chunk_count(size_bytes))
}

/// The chunks of which `bytes` has any part.
pub(super) fn chunks_of(bytes: &Extents, size_bytes: u64) -> Chunks {
    let last = chunk_count(size_bytes);
    let mut chunks = Chunks::default();
    for range in bytes.iter() {
        let Range { start, end } = range;
        chunks.push((start / CHUNK_BYTES).min(last)..end.div_ceil(CHUNK_BYTES).min(last));
    }
    chunks
}

/// The chunks whose hashes may have changed, of a disk that was last hashed by the map `before` and
/// is to be hashed by the map `now`. What was discarded and is not used by either reads as zeros in
/// both views.
pub(super) fn touched(marks: &Marks, before: &Extents, now: &Extents, size_bytes: u64) -> Chunks {
    let mut discarded = Vec::new();
    for range in marks.discarded.iter() {
        discarded.extend(now.overlapping(range));
    }
    let bytes = marks
        .written
        .union(&Extents::from_unordered(discarded))
        .union(&before.without(now))
        .union(&now.without(before));
    chunks_of(&bytes, size_bytes)
}

/// The chunks in which something that counts may have changed while `used` was the map.
pub(super) fn touched_within(marks: &Marks, used: &Extents, size_bytes: u64) -> Chunks {
    let marked = marks.written.iter().chain(marks.discarded.iter());
    let counting = marked.flat_map(|range| used.overlapping(range)).collect();
    chunks_of(&Extents::from_unordered(counting), size_bytes)
}

#[cfg(test)]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "a set of one range is meant"
)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn bytes(ranges: &[Range<u64>]) -> Extents {
        Extents::from_unordered(ranges.to_vec())
    }

    #[test]
    fn chunks_are_touched_by_writes_and_by_what_the_map_says() {
        let used = bytes(&[0..10 * MIB]);
        let size_bytes = 20 * MIB + 5;
        let none = Marks::default();
        assert!(touched(&none, &used, &used, size_bytes).is_empty());
        let marks = Marks {
            written: bytes(&[MIB - 1..MIB + 1, 20 * MIB..21 * MIB]),
            // Of what is discarded only the part that is still in use counts.
            discarded: bytes(&[9 * MIB..15 * MIB]),
        };
        let found = touched(&marks, &used, &used, size_bytes);
        assert_eq!(found, bytes(&[0..2, 9..10, 20..21]));
        let grown = bytes(&[0..3 * MIB + 1, 4 * MIB..10 * MIB, 12 * MIB..12 * MIB + 1]);
        let found = touched(&none, &used, &grown, size_bytes);
        assert_eq!(found, bytes(&[3..4, 12..13]));
        assert_eq!(found, touched(&none, &grown, &used, size_bytes));
    }

    #[test]
    fn what_does_not_count_touches_nothing_within_a_map() {
        let used = bytes(&[0..10 * MIB]);
        let marks = Marks {
            written: bytes(&[2 * MIB..2 * MIB + 1, 11 * MIB..12 * MIB]),
            discarded: bytes(&[5 * MIB..5 * MIB + 1, 13 * MIB..14 * MIB]),
        };
        let found = touched_within(&marks, &used, 20 * MIB);
        assert_eq!(found, bytes(&[2..3, 5..6]));
    }
}
