//! What readers read: any bytes at offsets, so that a logical volume looks like a disk.

use std::fmt::Debug;

use rehost_volumes::{Volume, VolumeError};

/// A fixed number of bytes that can be read at any offset: a disk, a partition, a logical volume.
pub trait Medium: Send + Sync + Debug {
    /// Size in bytes.
    fn size_bytes(&self) -> u64;

    /// Fills `buffer` with the bytes at `offset`, which may be any.
    ///
    /// # Errors
    /// [`VolumeError::OutOfRange`] beyond the end, [`VolumeError::Read`] if the medium fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError>;
}

impl<V: Volume + ?Sized> Medium for V {
    fn size_bytes(&self) -> u64 {
        Volume::size_bytes(self)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        Volume::read_at(self, buffer, offset)
    }
}
