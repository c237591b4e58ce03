//! Hashing a range of chunks from the medium.

use std::ops::Range;

use crate::{
    AlignedBuffer, CHUNK_BYTES, ChunkHash, HoleFinder, Volume, VolumeError, chunk_range, to_usize,
    zero_chunk_hash,
};

/// Reads the chunks `chunks` of `volume` and hands each hash to `each`, in order.
///
/// Holes are not read: the medium itself says that they are zeros. `buffer` must hold a chunk; it
/// is given by the caller because callers hash many ranges.
///
/// # Errors
/// [`VolumeError`] of the first read that fails; `each` may stop the work with an error of its own.
pub fn hash_chunks<E: From<VolumeError>>(
    volume: &dyn Volume,
    chunks: Range<u64>,
    buffer: &mut AlignedBuffer,
    mut each: impl FnMut(u64, ChunkHash) -> Result<(), E>,
) -> Result<(), E> {
    let size_bytes = volume.size_bytes();
    let mut holes = HoleFinder::new(volume, chunks.start.saturating_mul(CHUNK_BYTES))?;
    for chunk in chunks {
        let range = chunk_range(chunk, size_bytes);
        let hash = if holes.may_hold_data(&range)? {
            let bytes = &mut buffer[..to_usize(range.end - range.start)];
            volume.read_at(bytes, range.start)?;
            *blake3::hash(bytes).as_bytes()
        } else {
            zero_chunk_hash(range.end - range.start)
        };
        each(chunk, hash)?;
    }
    Ok(())
}
