//! What was found changed on a disk: a copy of its bitmaps, and the byte ranges they stand for.

use std::ops::Range;

use crate::{GRAIN_BYTES, words_for};

/// Which parts of a disk have changed, in grains of [`GRAIN_BYTES`].
///
/// Both bitmaps count: to be like its source, a copy must be brought up to date wherever either is
/// set. They are kept apart because a discard says that a file system has no use for the range any
/// more, so that who knows the used blocks need not read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Written, zeroed or securely erased: the content is what it is now.
    pub written: GrainSet,
    /// Discarded: the content is undefined until it is written again.
    pub discarded: GrainSet,
}

impl Marks {
    /// No marks for a disk of this size.
    #[must_use]
    pub fn none(size_bytes: u64) -> Self {
        let none = GrainSet::from_words(vec![0; words_for(size_bytes)], size_bytes);
        Self {
            written: none.clone(),
            discarded: none,
        }
    }

    /// Marks that say that all of a disk of this size was written.
    #[must_use]
    pub fn everything(size_bytes: u64) -> Self {
        Self {
            written: GrainSet::from_words(vec![u64::MAX; words_for(size_bytes)], size_bytes),
            ..Self::none(size_bytes)
        }
    }

    /// Everything that is marked in either bitmap.
    #[must_use]
    pub fn either(&self) -> GrainSet {
        let both = self.written.words.iter().zip(&self.discarded.words);
        GrainSet::from_words(
            both.map(|(one, two)| one | two).collect(),
            self.written.size_bytes,
        )
    }

    /// Whether nothing is marked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.discarded.is_empty()
    }
}

/// A set of grains of one disk: one bit each, the first grain in the lowest bit of the first word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrainSet {
    words: Vec<u64>,
    size_bytes: u64,
}

impl GrainSet {
    /// The set that these words say, for a disk of this size. Words that are missing count as 0;
    /// bits beyond the end of the disk are dropped.
    #[must_use]
    pub fn from_words(mut words: Vec<u64>, size_bytes: u64) -> Self {
        words.resize(words_for(size_bytes), 0);
        let grains_in_last_word = size_bytes.div_ceil(GRAIN_BYTES) % 64;
        if let Some(last) = words.last_mut()
            && grains_in_last_word != 0
        {
            *last &= !(u64::MAX << grains_in_last_word);
        }
        Self { words, size_bytes }
    }

    /// The words, for who makes the marks durable.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The size of the disk in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many grains are in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.words
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether the grain with this number is in the set.
    #[must_use]
    pub fn contains(&self, grain: u64) -> bool {
        let word = usize::try_from(grain / 64)
            .ok()
            .and_then(|word| self.words.get(word));
        word.is_some_and(|word| word >> (grain % 64) & 1 == 1)
    }

    /// The bytes of the disk that the set stands for: ascending ranges that do not touch each other
    /// and end with the disk.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = self.next_with(true, from)?;
            let end = self.next_with(false, start);
            from = end.unwrap_or(self.words.len() as u64 * 64);
            let end_bytes = (from * GRAIN_BYTES).min(self.size_bytes);
            Some(start * GRAIN_BYTES..end_bytes)
        })
    }

    /// The first grain from `from` on that is in the set, or is not in it.
    fn next_with(&self, wanted: bool, from: u64) -> Option<u64> {
        let mut number = usize::try_from(from / 64).ok()?;
        let mut hidden = u64::MAX << (from % 64);
        while let Some(word) = self.words.get(number) {
            let word = if wanted { *word } else { !*word } & hidden;
            if word != 0 {
                return Some(number as u64 * 64 + u64::from(word.trailing_zeros()));
            }
            hidden = u64::MAX;
            number += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(grains: &[u64], size_bytes: u64) -> GrainSet {
        let mut words = vec![0; words_for(size_bytes)];
        for grain in grains {
            words[usize::try_from(grain / 64).unwrap()] |= 1 << (grain % 64);
        }
        GrainSet::from_words(words, size_bytes)
    }

    fn ranges_in_grains(set: &GrainSet) -> Vec<(u64, u64)> {
        set.ranges()
            .map(|range| (range.start / GRAIN_BYTES, range.end / GRAIN_BYTES))
            .collect()
    }

    #[test]
    fn neighbours_are_one_range_across_words() {
        let set = set(&[0, 62, 63, 64, 65, 127, 130], 200 * GRAIN_BYTES);
        assert_eq!(
            ranges_in_grains(&set),
            [(0, 1), (62, 66), (127, 128), (130, 131)]
        );
        assert_eq!(set.count(), 7);
        assert!(set.contains(65) && !set.contains(66) && !set.contains(10_000));
    }

    #[test]
    fn a_range_ends_with_the_disk() {
        let size_bytes = 65 * GRAIN_BYTES + 512;
        let last = set(&[65], size_bytes);
        assert!(
            last.ranges()
                .eq(std::iter::once(65 * GRAIN_BYTES..size_bytes))
        );
        let all = Marks::everything(size_bytes);
        assert!(
            all.either().ranges().eq(std::iter::once(0..size_bytes)),
            "the whole disk is one range"
        );
        assert_eq!(all.written.count(), 66);
        assert!(!all.is_empty() && Marks::none(size_bytes).is_empty());
    }

    #[test]
    fn a_disk_that_fills_its_last_word_loses_no_bit() {
        let size_bytes = 64 * GRAIN_BYTES;
        assert_eq!(Marks::everything(size_bytes).written.count(), 64);
        assert_eq!(Marks::everything(0).written.count(), 0);
    }

    #[test]
    fn either_is_the_union() {
        let marks = Marks {
            written: set(&[1, 2], 70 * GRAIN_BYTES),
            discarded: set(&[2, 69], 70 * GRAIN_BYTES),
        };
        assert_eq!(ranges_in_grains(&marks.either()), [(1, 3), (69, 70)]);
    }

    proptest! {
        #[test]
        fn ranges_hold_what_the_set_holds(words in proptest::collection::vec(any::<u64>(), 1..4)) {
            let size_bytes = words.len() as u64 * 64 * GRAIN_BYTES;
            let set = GrainSet::from_words(words, size_bytes);
            let mut found = Vec::new();
            let mut before = None;
            for (start, end) in ranges_in_grains(&set) {
                prop_assert!(before.is_none_or(|before| before < start), "touching or not ascending");
                prop_assert!(start < end);
                before = Some(end);
                found.extend(start..end);
            }
            let wanted: Vec<u64> = (0..size_bytes / GRAIN_BYTES).filter(|grain| set.contains(*grain)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
