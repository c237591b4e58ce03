//! Sets of byte ranges.

use std::ops::Range;

/// Byte ranges in ascending order that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents(Vec<Range<u64>>);

impl Extents {
    /// One range, or nothing if it is empty.
    #[must_use]
    pub fn whole(range: Range<u64>) -> Self {
        let mut extents = Self::default();
        extents.push(range);
        extents
    }

    /// Adds a range that begins at or after the start of the last one; joins what touches. Ranges that
    /// come in any order are collected by [`Extents::from_unordered`].
    pub fn push(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    /// The last range, if there is one.
    #[must_use]
    pub fn last(&self) -> Option<Range<u64>> {
        self.0.last().cloned()
    }

    /// Adds every gap between two ranges that is not longer than this, in bytes.
    pub fn fill_gaps(&mut self, longest_bytes: u64) {
        self.0.dedup_by(|next, kept| {
            let is_near = next.start - kept.end <= longest_bytes;
            if is_near {
                kept.end = next.end;
            }
            is_near
        });
    }

    /// All ranges, in whatever order they come.
    #[must_use]
    pub fn from_unordered(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut extents = Self::default();
        for range in ranges {
            extents.push(range);
        }
        extents
    }

    /// The ranges.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().cloned()
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes in all ranges together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// What of `within` is in the set, in ascending order.
    pub fn overlapping(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.0.partition_point(|range| range.end <= within.start);
        self.0
            .iter()
            .skip(first)
            .take_while(move |range| range.start < within.end)
            .map(move |range| range.start.max(within.start)..range.end.min(within.end))
    }

    /// What of `within` is not in the set, in ascending order.
    #[must_use]
    pub fn gaps(&self, within: Range<u64>) -> Self {
        let mut gaps = Self::default();
        let mut at = within.start;
        for range in self.overlapping(within.clone()) {
            gaps.push(at..range.start);
            at = range.end;
        }
        gaps.push(at..within.end);
        gaps
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let ranges = self.iter().chain(other.iter()).collect();
        Self::from_unordered(ranges)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for range in self.iter() {
            for gap in other.gaps(range).iter() {
                left.push(gap);
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(extents: &Extents) -> Vec<bool> {
        (0..64)
            .map(|at| extents.iter().any(|range| range.contains(&at)))
            .collect()
    }

    fn any() -> impl Strategy<Value = Extents> {
        prop::collection::vec((0_u64..60, 0_u64..8), 0..8).prop_map(|ranges| {
            let ranges = ranges.into_iter();
            Extents::from_unordered(
                ranges
                    .map(|(start, length)| start..(start + length).min(64))
                    .collect(),
            )
        })
    }

    proptest! {
        #[test]
        fn sets_behave_as_sets(a in any(), b in any()) {
            let (x, y) = (bits(&a), bits(&b));
            let pairs = || x.iter().zip(&y);
            prop_assert_eq!(bits(&a.union(&b)), pairs().map(|(x, y)| *x || *y).collect::<Vec<_>>());
            prop_assert_eq!(bits(&a.without(&b)), pairs().map(|(x, y)| *x && !*y).collect::<Vec<_>>());
            prop_assert_eq!(bits(&a.gaps(0..64)), x.iter().map(|x| !x).collect::<Vec<_>>());
            let together = a.union(&b);
            for (one, next) in together.iter().zip(together.iter().skip(1)) {
                prop_assert!(one.end < next.start);
            }
        }

        #[test]
        fn what_overlaps_is_cut_to_size(a in any(), start in 0_u64..64, length in 0_u64..32) {
            let within = start..(start + length).min(64);
            let cut = Extents(a.overlapping(within.clone()).filter(|range| !range.is_empty()).collect());
            let all = bits(&a);
            let kept = all.iter().zip(0_u64..).map(|(bit, at)| *bit && within.contains(&at));
            prop_assert_eq!(bits(&cut), kept.collect::<Vec<_>>());
        }
    }
}
