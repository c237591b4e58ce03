//! Sharing out the chunks of a round: rules without I/O.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A stretch of chunks of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Position of the volume within the job.
    pub(super) position: usize,
    /// Its chunks.
    pub(super) chunks: Range<u64>,
}

/// What is left of a round. Volumes take turns, so that several disks work at once.
#[derive(Debug)]
pub(super) struct WorkQueue {
    left: Mutex<Left>,
    unit_chunks: u64,
}

#[derive(Debug)]
struct Left {
    volumes: Vec<Range<u64>>,
    turn: usize,
}

impl WorkQueue {
    /// All chunks of volumes with so many chunks each, in units of `unit_chunks`.
    pub(super) fn new(chunk_counts: impl IntoIterator<Item = u64>, unit_chunks: u64) -> Self {
        Self {
            left: Mutex::new(Left {
                volumes: chunk_counts.into_iter().map(|count| 0..count).collect(),
                turn: 0,
            }),
            unit_chunks,
        }
    }

    /// The next unit, or nothing when all are taken.
    pub(super) fn take(&self) -> Option<Unit> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let count = left.volumes.len();
        for step in 0..count {
            let position = (left.turn + step) % count;
            let chunks = &mut left.volumes[position];
            if chunks.is_empty() {
                continue;
            }
            let start = chunks.start;
            chunks.start = (start + self.unit_chunks).min(chunks.end);
            let unit = Unit {
                position,
                chunks: start..chunks.start,
            };
            left.turn = position + 1;
            return Some(unit);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_take_turns_and_every_chunk_is_taken_once() {
        let queue = WorkQueue::new([5, 0, 3], 2);
        let units: Vec<Unit> = std::iter::from_fn(|| queue.take()).collect();
        let plain: Vec<(usize, Range<u64>)> = units
            .into_iter()
            .map(|unit| (unit.position, unit.chunks))
            .collect();
        assert_eq!(
            plain,
            [(0, 0..2), (2, 0..2), (0, 2..4), (2, 2..3), (0, 4..5)]
        );
    }
}
