//! A medium of which only some ranges count: everything else reads as zeros, without being read.
//!
//! Copying, hashing and comparing a disk whose unused blocks are to be left out is copying, hashing
//! and comparing this view of it; nothing else has to know that there is a map.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::buffer::ALIGNMENT;
use crate::{ChangeMark, Volume, VolumeError, to_usize};

/// Unused bytes that may be read along with used ones, as a share of these: a twentieth. Reading a
/// short gap is cheaper than beginning another read.
const GAP_SHARE: u64 = 20;

/// A view of a medium, to be read only, in which all bytes outside of some ranges are zeros.
#[derive(Debug)]
pub struct MaskedVolume {
    medium: Arc<dyn Volume>,
    used: Vec<Range<u64>>,
}

impl MaskedVolume {
    /// A view in which only `used` counts: ranges in ascending order that do not overlap. What of
    /// them lies beyond the end of the medium is ignored.
    #[must_use]
    pub fn new(medium: Arc<dyn Volume>, used: impl IntoIterator<Item = Range<u64>>) -> Self {
        let size_bytes = medium.size_bytes();
        let within = |range: Range<u64>| range.start.min(size_bytes)..range.end.min(size_bytes);
        let used = used.into_iter().map(within);
        Self {
            used: used.filter(|range| !range.is_empty()).collect(),
            medium,
        }
    }

    /// What counts of a range, in ascending order.
    fn used_within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.used.partition_point(|used| used.end <= range.start);
        let used = self.used[first..].iter();
        used.take_while(move |used| used.start < range.end)
            .map(move |used| used.start.max(range.start)..used.end.min(range.end))
    }

    fn refuse(&self) -> VolumeError {
        VolumeError::Unsupported {
            path: PathBuf::from(format!("{:?}", self.medium)),
            advice: "a view of the used blocks of a disk cannot be written".into(),
        }
    }
}

/// Which ranges to read so that all of `used` is read: whole pages, and short gaps along with what is
/// around them, as long as that costs no more than [`GAP_SHARE`] of what is used.
fn reads(used: &[Range<u64>], within: &Range<u64>) -> Vec<Range<u64>> {
    let page = ALIGNMENT as u64;
    let used_bytes: u64 = used.iter().map(|range| range.end - range.start).sum();
    let mut spare_bytes = used_bytes / GAP_SHARE;
    let mut reads: Vec<Range<u64>> = Vec::new();
    for range in used {
        let start = (range.start / page * page).max(within.start);
        let end = range.end.next_multiple_of(page).min(within.end);
        match reads.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            Some(last) if start - last.end <= spare_bytes => {
                spare_bytes -= start - last.end;
                last.end = end;
            }
            _ => reads.push(start..end),
        }
    }
    reads
}

impl Volume for MaskedVolume {
    fn size_bytes(&self) -> u64 {
        self.medium.size_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let within = offset..offset.saturating_add(buffer.len() as u64);
        if within.end > self.size_bytes() {
            // The medium has the words for it.
            return self.medium.read_at(buffer, offset);
        }
        let used: Vec<Range<u64>> = self.used_within(within.clone()).collect();
        for range in reads(&used, &within) {
            let part = to_usize(range.start - offset)..to_usize(range.end - offset);
            self.medium.read_at(&mut buffer[part], range.start)?;
        }
        let mut position = 0;
        for range in &used {
            buffer[position..to_usize(range.start - offset)].fill(0);
            position = to_usize(range.end - offset);
        }
        buffer[position..].fill(0);
        Ok(())
    }

    fn write_at(&self, _buffer: &[u8], _offset: u64) -> Result<(), VolumeError> {
        Err(self.refuse())
    }

    fn zero(&self, _offset: u64, _length: u64) -> Result<(), VolumeError> {
        Err(self.refuse())
    }

    fn flush(&self) -> Result<(), VolumeError> {
        Err(self.refuse())
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        let mut position = offset;
        while let Some(used) = self.used_within(position..self.size_bytes()).next() {
            let Some(data) = self.medium.next_data(used.start)? else {
                return Ok(None);
            };
            if data.start < used.end {
                return Ok(Some(data.start..data.end.min(used.end)));
            }
            position = data.start;
        }
        Ok(None)
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.medium.change_mark()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::AlignedBuffer;

    const SIZE: u64 = 200_000;

    /// Ones from end to end; counts what is read.
    #[derive(Debug, Default)]
    struct Ones {
        read_bytes: AtomicU64,
    }

    impl Volume for Ones {
        fn size_bytes(&self) -> u64 {
            SIZE
        }
        fn read_at(&self, buffer: &mut [u8], _offset: u64) -> Result<(), VolumeError> {
            self.read_bytes
                .fetch_add(buffer.len() as u64, Ordering::Relaxed);
            buffer.fill(1);
            Ok(())
        }
        fn write_at(&self, _: &[u8], _: u64) -> Result<(), VolumeError> {
            Ok(())
        }
        fn zero(&self, _: u64, _: u64) -> Result<(), VolumeError> {
            Ok(())
        }
        fn flush(&self) -> Result<(), VolumeError> {
            Ok(())
        }
        fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
            // A hole in the middle.
            Ok(match offset {
                0..50_000 => Some(offset..50_000),
                50_000..100_000 => Some(100_000..SIZE),
                100_000..SIZE => Some(offset..SIZE),
                _ => None,
            })
        }
        fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
            Ok(None)
        }
    }

    fn ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
        prop::collection::vec((0_u64..30_000, 1_u64..20_000), 0..12).prop_map(|steps| {
            let mut end = 0;
            steps
                .into_iter()
                .map(|(gap, length)| {
                    let start = end + gap + 1;
                    end = start + length;
                    start..end
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn only_what_is_used_shows(used in ranges(), offset in 0..SIZE, length in 0..SIZE) {
            let length = length.min(SIZE - offset);
            let volume = MaskedVolume::new(Arc::new(Ones::default()), used.clone());
            let mut buffer = vec![7; to_usize(length)];
            volume.read_at(&mut buffer, offset).unwrap();
            for (at, byte) in (offset..).zip(&buffer) {
                let is_used = used.iter().any(|range| range.contains(&at));
                prop_assert_eq!(*byte, u8::from(is_used), "byte {}", at);
            }
        }

        #[test]
        fn data_is_found_where_both_have_it(used in ranges(), offset in 0..SIZE) {
            let volume = MaskedVolume::new(Arc::new(Ones::default()), used.clone());
            let has_data = |at: &u64| {
                !(50_000..100_000).contains(at) && used.iter().any(|range| range.contains(at))
            };
            let first = (offset..SIZE).find(has_data);
            let found = volume.next_data(offset).unwrap();
            prop_assert_eq!(found.as_ref().map(|data| data.start), first);
            if let Some(data) = found {
                prop_assert!(data.clone().all(|at| has_data(&at)));
            }
        }
    }

    #[test]
    fn reading_costs_little_more_than_what_is_used() {
        let ones = Arc::new(Ones::default());
        let page = |number: u64| number * 4096..(number + 1) * 4096;
        // Single pages with gaps of one, of two and of eight pages.
        let used = [0, 2, 4, 7, 10, 18, 26].map(page);
        let volume = MaskedVolume::new(ones.clone(), used);
        let mut buffer = AlignedBuffer::new(160 << 10);
        volume.read_at(&mut buffer, 0).unwrap();
        assert_eq!(ones.read_bytes.load(Ordering::Relaxed), 7 * 4096);
        // Much that is used pays for a short gap.
        let volume = MaskedVolume::new(ones.clone(), [0..100 << 10, 104 << 10..160 << 10]);
        ones.read_bytes.store(0, Ordering::Relaxed);
        volume.read_at(&mut buffer, 0).unwrap();
        assert_eq!(ones.read_bytes.load(Ordering::Relaxed), 160 << 10);
        assert!(volume.write_at(&[1], 0).is_err());
    }
}
