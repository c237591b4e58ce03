//! Sharing out the chunks of a round: rules without I/O.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::changes::Chunks;

/// A unit reaches at most over so many chunks, most of which it may leave out: the receiver answers
/// questions about so many at once.
const MOST_SPANNED: u64 = 32 << 10;

/// Some chunks of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Position of the volume within the job.
    pub(super) position: usize,
    /// Its chunks: at least one, in ascending order.
    pub(super) chunks: Chunks,
}

impl Unit {
    /// From the first chunk to the last one, with what is left out in between.
    pub(super) fn span(&self) -> Range<u64> {
        let mut ranges = self.chunks.iter();
        let first = ranges.next().unwrap_or_default();
        let end = ranges.last().map_or(first.end, |last| last.end);
        first.start..end
    }
}

/// What is left of a round. Volumes take turns, so that several disks work at once.
#[derive(Debug)]
pub(super) struct WorkQueue {
    left: Mutex<Left>,
    unit_chunks: u64,
}

#[derive(Debug)]
struct Left {
    /// Per volume: what is left, the next at the end.
    volumes: Vec<Vec<Range<u64>>>,
    turn: usize,
}

impl WorkQueue {
    /// Some chunks of each volume, in units of at most `unit_chunks`.
    pub(super) fn new<'a>(volumes: impl IntoIterator<Item = &'a Chunks>, unit_chunks: u64) -> Self {
        let reversed = |chunks: &Chunks| {
            let mut ranges: Vec<_> = chunks.iter().collect();
            ranges.reverse();
            ranges
        };
        Self {
            left: Mutex::new(Left {
                volumes: volumes.into_iter().map(reversed).collect(),
                turn: 0,
            }),
            unit_chunks,
        }
    }

    /// The next unit, or nothing when all are taken.
    pub(super) fn take(&self) -> Option<Unit> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let count = left.volumes.len();
        let at = (0..count)
            .map(|step| (left.turn + step) % count)
            .find(|position| !left.volumes[*position].is_empty())?;
        left.turn = at + 1;
        Some(Unit {
            position: at,
            chunks: take_from(&mut left.volumes[at], self.unit_chunks),
        })
    }
}

fn take_from(left: &mut Vec<Range<u64>>, most: u64) -> Chunks {
    let mut taken = Chunks::default();
    let mut room = most;
    let begin = left.last().map_or(0, |range| range.start);
    let limit = begin.saturating_add(MOST_SPANNED);
    while room > 0
        && let Some(range) = left.last_mut()
        && range.start < limit
    {
        let end = range.end.min(range.start + room).min(limit);
        room -= end - range.start;
        taken.push(range.start..end);
        range.start = end;
        if range.is_empty() {
            left.pop();
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(ranges: &[Range<u64>]) -> Chunks {
        Chunks::from_unordered(ranges.to_vec())
    }

    fn all(volumes: &[Chunks], unit_chunks: u64) -> Vec<(usize, Chunks)> {
        let queue = WorkQueue::new(volumes, unit_chunks);
        let units = std::iter::from_fn(|| queue.take());
        units.map(|unit| (unit.position, unit.chunks)).collect()
    }

    #[test]
    fn volumes_take_turns_and_every_chunk_is_taken_once() {
        let volumes = [0..5, 0..0, 0..3].map(Chunks::whole);
        let expected = [(0, 0..2), (2, 0..2), (0, 2..4), (2, 2..3), (0, 4..5)]
            .map(|(position, range)| (position, Chunks::whole(range)));
        assert_eq!(all(&volumes, 2), expected);
    }

    #[test]
    fn scattered_chunks_are_gathered_within_limits() {
        let volume = chunks(&[3..5, 9..10, 20..24, 50_000..50_001]);
        let units = all(&[volume], 5);
        let expected = [
            chunks(&[3..5, 9..10, 20..22]),
            Chunks::whole(22..24),
            Chunks::whole(50_000..50_001),
        ];
        let found: Vec<_> = units.into_iter().map(|(_, chunks)| chunks).collect();
        assert_eq!(found, expected);
        let unit = Unit {
            position: 0,
            chunks: chunks(&[3..5, 9..10]),
        };
        assert_eq!(unit.span(), 3..10);
    }
}
