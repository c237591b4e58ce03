//! Gathers what several readers report about one disk, in bounded memory.

use std::ops::Range;

use crate::Extents;

/// Most ranges that the map of a disk keeps: 16 MiB of them.
const MAX_EXTENTS: usize = 1 << 20;

/// The first gap that is given up when there are more, in bytes.
const FIRST_GAP_BYTES: u64 = 4096;

/// Takes ranges in any order. It is exact up to [`MAX_EXTENTS`] ranges; beyond, the smallest gaps
/// between them count as used, so that nothing that was put in is ever left out.
#[derive(Debug)]
pub(crate) struct Collector {
    ranges: Vec<Range<u64>>,
    limit: usize,
}

impl Default for Collector {
    fn default() -> Self {
        Self::with_limit(MAX_EXTENTS)
    }
}

impl Collector {
    fn with_limit(limit: usize) -> Self {
        Self {
            ranges: Vec::new(),
            limit,
        }
    }

    /// Adds a range.
    pub(crate) fn push(&mut self, range: Range<u64>) {
        self.ranges.push(range);
        if self.ranges.len() > 2 * self.limit {
            let so_far = std::mem::replace(self, Self::with_limit(self.limit)).finish();
            self.ranges.extend(so_far.iter());
        }
    }

    /// What was put in.
    pub(crate) fn finish(self) -> Extents {
        let mut extents = Extents::from_unordered(self.ranges);
        let mut gap_bytes = FIRST_GAP_BYTES;
        while extents.len() > self.limit {
            extents.fill_gaps(gap_bytes);
            gap_bytes = gap_bytes.saturating_mul(2);
        }
        extents
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_goes_in_is_covered_within_the_limit(
            ranges in prop::collection::vec((0_u64..2_000_000, 1_u64..20_000), 1..100),
            limit in 1_usize..20,
        ) {
            let ranges: Vec<_> = ranges.into_iter().map(|(at, length)| at..at + length).collect();
            let mut collector = Collector::with_limit(limit);
            ranges.iter().cloned().for_each(|range| collector.push(range));
            let exact = Extents::from_unordered(ranges.clone());
            let collected = collector.finish();
            prop_assert!(collected.len() <= limit);
            prop_assert!(exact.without(&collected).is_empty());
            if ranges.len() <= limit {
                prop_assert_eq!(collected, exact);
            }
        }
    }
}
