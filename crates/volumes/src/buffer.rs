//! Memory that the kernel accepts for direct reads and writes.

use std::ops::{Deref, DerefMut};

/// Alignment that satisfies direct I/O on every device seen so far, in bytes.
pub(crate) const ALIGNMENT: usize = 4096;

/// A zeroed byte buffer whose start is aligned to 4 KiB.
///
/// It reserves a little more than asked for and starts at the first aligned byte within, which
/// needs no unsafe code.
#[derive(Debug)]
pub struct AlignedBuffer {
    storage: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// A buffer of `length` zero bytes.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let storage = vec![0; length + ALIGNMENT];
        let start = storage.as_ptr().align_offset(ALIGNMENT);
        Self {
            storage,
            start,
            length,
        }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

/// Whether the kernel will take `buffer` at `offset` for direct I/O in blocks of `block_bytes`.
pub(crate) fn is_aligned(buffer: &[u8], offset: u64, block_bytes: u64) -> bool {
    (buffer.as_ptr() as usize).is_multiple_of(ALIGNMENT)
        && (buffer.len() as u64).is_multiple_of(block_bytes)
        && offset.is_multiple_of(block_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_as_long_as_asked() {
        for length in [0, 1, 4096, 1 << 20] {
            let buffer = AlignedBuffer::new(length);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
        }
    }
}
