//! The one interface through which everything above reads and writes disks.

use std::fmt::Debug;
use std::ops::Range;
use std::time::SystemTime;

use crate::VolumeError;

/// What changes with the content of a volume. Two equal marks, one taken before and one after
/// reading, mean that nobody wrote in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeMark {
    /// Time of the last change.
    pub(crate) modified: SystemTime,
}

/// A disk: a fixed number of bytes that can be read, and on targets written, at any offset.
///
/// Implementations are shared by several threads and keep no position. Buffers that come from
/// [`crate::AlignedBuffer`] at offsets that are multiples of 4 KiB take the direct path past the
/// page cache; everything else works too, through the cache.
pub trait Volume: Send + Sync + Debug {
    /// Size in bytes: that of the moment at which it was opened.
    fn size_bytes(&self) -> u64;

    /// Size in bytes by now, where a medium can be enlarged or cut short by others.
    ///
    /// # Errors
    /// [`VolumeError::Size`] if the medium cannot be asked.
    fn present_size_bytes(&self) -> Result<u64, VolumeError> {
        Ok(self.size_bytes())
    }

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// [`VolumeError::OutOfRange`] beyond the end, [`VolumeError::Read`] if the medium fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError>;

    /// Writes `buffer` at `offset`. Durable only after [`Volume::flush`].
    ///
    /// # Errors
    /// [`VolumeError::OutOfRange`] beyond the end, [`VolumeError::Write`] if the medium fails.
    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError>;

    /// Makes a range read as zeros and gives its space back where the medium can.
    ///
    /// # Errors
    /// As [`Volume::write_at`].
    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError>;

    /// Makes everything written before durable: after it, a power cut loses none of it.
    ///
    /// # Errors
    /// [`VolumeError::Flush`]; what was written before is then in an unknown state.
    fn flush(&self) -> Result<(), VolumeError>;

    /// The first range at or after `offset` that may hold other bytes than zeros; everything before
    /// it reads as zeros. `None` if only zeros follow. Never reports data as a hole.
    ///
    /// # Errors
    /// [`VolumeError::Read`] if the medium cannot be asked.
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError>;

    /// The mark of the present content, where the medium keeps one: image files do, devices do not.
    /// `None` also while the last change is so recent that a further one might not show.
    ///
    /// # Errors
    /// [`VolumeError::Read`] if the medium cannot be asked.
    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError>;
}
