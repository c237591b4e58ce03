//! Reading what on-disk structures consist of: pieces of a medium, and numbers in them.

use rehost_volumes::{AlignedBuffer, to_usize};

use crate::{Medium, Unmapped};

/// What is read begins and ends at multiples of this, in bytes, so that devices are read past their
/// page cache: it does not see what a mounted file system writes.
const GRAIN_BYTES: u64 = 4096;

/// A piece of the medium. Callers keep `length` to what their format permits.
///
/// # Errors
/// [`Unmapped::Read`] if it reaches beyond the end or cannot be read.
pub(crate) fn read(medium: &dyn Medium, offset: u64, length: usize) -> Result<Vec<u8>, Unmapped> {
    let size_bytes = medium.size_bytes();
    let end = offset.checked_add(length as u64);
    let Some(end) = end.filter(|end| *end <= size_bytes) else {
        // The medium knows best what to say.
        medium.read_at(&mut vec![0; length], offset)?;
        return Ok(vec![0; length]);
    };
    let start = offset - offset % GRAIN_BYTES;
    let end = end.next_multiple_of(GRAIN_BYTES).min(size_bytes);
    let mut grains = AlignedBuffer::new(to_usize(end - start));
    medium.read_at(&mut grains, start)?;
    let within = to_usize(offset - start);
    Ok(grains[within..within + length].to_vec())
}

/// A little-endian number of two bytes. What lies beyond the end counts as zero, so that no
/// structure, however short, makes a reader panic.
pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// A little-endian number of four bytes, as [`le16`].
pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// A little-endian number of eight bytes, as [`le16`].
pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// A big-endian number of two bytes, as [`le16`].
pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

/// A big-endian number of four bytes, as [`le16`].
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

/// A big-endian number of eight bytes, as [`le16`].
pub(crate) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| {
        let at = at.checked_add(index);
        at.and_then(|at| bytes.get(at)).copied().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_end_are_filled_up_with_zeros() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(le16(&bytes, 0), 0x0201);
        assert_eq!(le32(&bytes, 7), 0x0908);
        assert_eq!(le64(&bytes, 1), 0x0908_0706_0504_0302);
        assert_eq!(le64(&bytes, usize::MAX), 0);
        assert_eq!(be16(&bytes, 1), 0x0203);
        assert_eq!(be32(&bytes, 7), 0x0809_0000);
        assert_eq!(be64(&bytes, 1), 0x0203_0405_0607_0809);
    }
}
