//! Chunks: the unit in which disks are hashed, sent, journaled and compared.

use std::ops::Range;
use std::sync::LazyLock;

/// Size of a chunk in bytes; the last chunk of a volume may be shorter.
pub const CHUNK_BYTES: u64 = 1 << 20;

/// Grain in which zeros within a chunk are left out, in bytes.
///
/// Smaller finds more zeros but costs a write call for each piece; 16 KiB is the usual size of a
/// file system's smallest larger allocation.
pub const SEGMENT_GRAIN_BYTES: usize = 16 << 10;

/// BLAKE3 hash of a chunk's bytes.
pub type ChunkHash = [u8; 32];

/// A piece of a chunk that is not zero: byte range within the chunk.
pub type Segment = Range<usize>;

/// How many chunks a volume has.
#[must_use]
pub const fn chunk_count(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(CHUNK_BYTES)
}

/// The byte range of a chunk within a volume of `size_bytes`; empty beyond the end.
#[must_use]
pub fn chunk_range(chunk: u64, size_bytes: u64) -> Range<u64> {
    let start = chunk.saturating_mul(CHUNK_BYTES).min(size_bytes);
    start..start.saturating_add(CHUNK_BYTES).min(size_bytes)
}

/// A length that is known to fit memory.
///
/// Rehost runs on 64-bit Linux only, where this never loses anything.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "usize has 64 bits on every supported machine"
)]
pub const fn to_usize(length: u64) -> usize {
    length as usize
}

/// Whether all bytes are zero.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    // Blocks without an early exit inside let the compiler use vector registers; one branch per
    // block keeps the common case, data that differs at once, cheap.
    let (blocks, rest) = bytes.as_chunks::<256>();
    blocks
        .iter()
        .all(|block| block.iter().fold(0, |sum, byte| sum | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// The parts of a chunk that are not zero, in order, merged, at [`SEGMENT_GRAIN_BYTES`].
#[must_use]
pub fn nonzero_segments(chunk: &[u8]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (number, grain) in chunk.chunks(SEGMENT_GRAIN_BYTES).enumerate() {
        if is_zero(grain) {
            continue;
        }
        let start = number * SEGMENT_GRAIN_BYTES;
        let end = start + grain.len();
        match segments.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => segments.push(start..end),
        }
    }
    segments
}

/// Hash of a chunk of `length` zero bytes.
#[must_use]
pub fn zero_chunk_hash(length: u64) -> ChunkHash {
    static FULL: LazyLock<ChunkHash> =
        LazyLock::new(|| *blake3::hash(&vec![0; to_usize(CHUNK_BYTES)]).as_bytes());
    if length == CHUNK_BYTES {
        return *FULL;
    }
    *blake3::hash(&vec![0; to_usize(length)]).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_chunk_is_as_long_as_what_is_left() {
        let size_bytes = 2 * CHUNK_BYTES + 5;
        assert_eq!(chunk_count(size_bytes), 3);
        assert_eq!(chunk_range(2, size_bytes), 2 * CHUNK_BYTES..size_bytes);
        assert!(chunk_range(3, size_bytes).is_empty());
        assert_eq!(chunk_count(0), 0);
    }

    #[test]
    fn the_hash_of_zeros_does_not_depend_on_the_way_to_it() {
        for length in [1, 4096, CHUNK_BYTES] {
            let plain = blake3::hash(&vec![0; to_usize(length)]);
            assert_eq!(zero_chunk_hash(length), *plain.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn segments_cover_every_byte_that_is_not_zero(
            length in 0usize..200_000,
            marks in proptest::collection::vec((0usize..200_000, 1u8..), 0..12),
        ) {
            let mut chunk = vec![0; length];
            for (position, value) in marks {
                if position < length {
                    chunk[position] = value;
                }
            }
            let segments = nonzero_segments(&chunk);
            let mut rebuilt = vec![0; length];
            for segment in &segments {
                rebuilt[segment.clone()].copy_from_slice(&chunk[segment.clone()]);
            }
            prop_assert_eq!(&rebuilt, &chunk);
            prop_assert!(segments.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert_eq!(segments.is_empty(), is_zero(&chunk));
        }
    }
}
