//! The first part of a larger medium, seen as a volume of its own.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{ChangeMark, Volume, VolumeError};

/// The first bytes of a medium that is larger than what is to be stored on it, such as an existing
/// disk that has a little more room than the source's.
#[derive(Debug)]
pub struct WindowVolume {
    medium: Arc<dyn Volume>,
    size_bytes: u64,
}

impl WindowVolume {
    /// The first `size_bytes` of `medium`; `None` if it has fewer.
    #[must_use]
    pub fn new(medium: Arc<dyn Volume>, size_bytes: u64) -> Option<Self> {
        (medium.size_bytes() >= size_bytes).then_some(Self { medium, size_bytes })
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        if offset
            .checked_add(length)
            .is_some_and(|end| end <= self.size_bytes)
        {
            return Ok(());
        }
        Err(VolumeError::OutOfRange {
            path: PathBuf::from(format!("{:?}", self.medium)),
            offset,
            length,
            size_bytes: self.size_bytes,
        })
    }
}

impl Volume for WindowVolume {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        self.check_range(offset, buffer.len() as u64)?;
        self.medium.read_at(buffer, offset)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        self.check_range(offset, buffer.len() as u64)?;
        self.medium.write_at(buffer, offset)
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        self.check_range(offset, length)?;
        self.medium.zero(offset, length)
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.medium.flush()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        let data = self.medium.next_data(offset)?;
        Ok(data
            .filter(|data| data.start < self.size_bytes)
            .map(|data| data.start..data.end.min(self.size_bytes)))
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.medium.change_mark()
    }
}
