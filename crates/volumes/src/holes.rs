//! Going through a volume in order without reading what it knows to be zeros.

use std::ops::Range;

use crate::{Volume, VolumeError};

/// Tells, for ranges in ascending order, whether they may hold other bytes than zeros. The volume
/// is asked only when the last stretch of data has been left behind.
#[derive(Debug)]
pub struct HoleFinder<'a> {
    volume: &'a dyn Volume,
    /// The first stretch of data that does not end before the last range asked for.
    data: Option<Range<u64>>,
}

impl<'a> HoleFinder<'a> {
    /// For ranges at or after `offset`.
    ///
    /// # Errors
    /// [`VolumeError::Read`] if the medium cannot be asked.
    pub fn new(volume: &'a dyn Volume, offset: u64) -> Result<Self, VolumeError> {
        let data = volume.next_data(offset)?;
        Ok(Self { volume, data })
    }

    /// Whether `range` may hold data; if not, it reads as zeros. Ranges must not go backwards.
    ///
    /// # Errors
    /// [`VolumeError::Read`] if the medium cannot be asked.
    pub fn may_hold_data(&mut self, range: &Range<u64>) -> Result<bool, VolumeError> {
        while self
            .data
            .as_ref()
            .is_some_and(|data| data.end <= range.start)
        {
            self.data = self.volume.next_data(range.start)?;
        }
        Ok(self
            .data
            .as_ref()
            .is_some_and(|data| data.start < range.end))
    }
}
