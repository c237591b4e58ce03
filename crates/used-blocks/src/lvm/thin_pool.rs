//! Which chunks of a thin pool are allocated, by the space map in the pool's metadata.
//!
//! ```text
//!   superblock -> root of the data's space map -> tree of index entries -> bitmaps, two bits a chunk
//! ```
//!
//! Format: Linux, `drivers/md/dm-thin-metadata.c` and `drivers/md/persistent-data/`.

use super::inconsistent;
use crate::clusters::Clusters;
use crate::crc::CRC32C;
use crate::fields::{le32, le64, read};
use crate::{Extents, Medium, Unmapped};

const BLOCK_BYTES: u64 = 4096;
const SECTOR_BYTES: u64 = 512;
/// The size of a chunk is a multiple of it.
const LEAST_CHUNK_BYTES: u64 = 64 << 10;
const MAGIC: u64 = 27_022_010;
/// The highest version known; from 2 on the root of the map has the same place.
const MAX_VERSION: u32 = 2;
/// What tells the kinds of blocks apart by their checksums.
const SUPERBLOCK: u32 = 160_774;
const NODE: u32 = 121_107;
const BITMAP: u32 = 240_779;
/// Set when the kernel found the metadata damaged.
const NEEDS_CHECK: u32 = 1;
const HEADER_BYTES: usize = 32;
const BITMAP_HEADER_BYTES: usize = 16;
/// Chunks that one bitmap tells of.
const CHUNKS_PER_BITMAP: u64 = (4096 - 16) * 4;
/// A tree of the largest pool, 16 GiB of metadata, is not deeper.
const MAX_DEPTH: usize = 10;

/// The allocated chunks, in bytes of the pool's data volume.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if the metadata cannot be trusted.
pub(super) fn allocated(metadata: &dyn Medium, data_bytes: u64) -> Result<Extents, Unmapped> {
    let superblock = block(metadata, 0, SUPERBLOCK)?;
    let version = le32(&superblock, 40);
    if le64(&superblock, 32) != MAGIC || !(1..=MAX_VERSION).contains(&version) {
        return Err(inconsistent(
            "the metadata of a thin pool has an unknown form",
        ));
    }
    if le32(&superblock, 4) & NEEDS_CHECK != 0 {
        return Err(inconsistent("a thin pool needs a check"));
    }
    let chunk_bytes = u64::from(le32(&superblock, 336)) * SECTOR_BYTES;
    let chunk_count = le64(&superblock, 64);
    let bitmaps_root = le64(&superblock, 80);
    let map_bytes = chunk_count.checked_mul(chunk_bytes);
    if chunk_bytes == 0
        || !chunk_bytes.is_multiple_of(LEAST_CHUNK_BYTES)
        || map_bytes.is_none_or(|bytes| bytes > data_bytes)
    {
        return Err(inconsistent("a thin pool is larger than its volume"));
    }
    let mut chunks = Clusters::new(0, chunk_bytes);
    let mut map = Map {
        metadata,
        chunk_count,
        next: 0,
        chunks: &mut chunks,
    };
    map.node(bitmaps_root, MAX_DEPTH)?;
    if map.next * CHUNKS_PER_BITMAP < chunk_count {
        return Err(inconsistent("the space map of a thin pool has gaps"));
    }
    Ok(chunks.finish())
}

struct Map<'m> {
    metadata: &'m dyn Medium,
    chunk_count: u64,
    /// The number of the next bitmap: they must come one by one, so that no tree is endless.
    next: u64,
    chunks: &'m mut Clusters,
}

impl Map<'_> {
    fn node(&mut self, number: u64, depth: usize) -> Result<(), Unmapped> {
        let node = block(self.metadata, number, NODE)?;
        let is_leaf = le32(&node, 4) & 2 != 0;
        let count = rehost_volumes::to_usize(u64::from(le32(&node, 16)));
        let capacity = rehost_volumes::to_usize(u64::from(le32(&node, 20)));
        let value_bytes = if is_leaf { 16 } else { 8 };
        let fits = capacity
            .checked_mul(8 + value_bytes)
            .is_some_and(|bytes| bytes <= 4096 - HEADER_BYTES);
        // Only an empty map has an empty node: so the tree ends when all chunks are told of.
        if depth == 0 || !fits || count > capacity || (count == 0 && self.chunk_count > 0) {
            return Err(inconsistent(
                "a node of a thin pool's metadata makes no sense",
            ));
        }
        for index in 0..count {
            let key = le64(&node, HEADER_BYTES + index * 8);
            let value = le64(&node, HEADER_BYTES + capacity * 8 + index * value_bytes);
            if key < self.next || (is_leaf && key != self.next) {
                return Err(inconsistent("the space map of a thin pool has gaps"));
            }
            if is_leaf {
                self.bitmap(value)?;
            } else {
                self.node(value, depth - 1)?;
            }
        }
        Ok(())
    }

    /// Two bits count the uses of a chunk; three of them mean that a tree counts.
    fn bitmap(&mut self, number: u64) -> Result<(), Unmapped> {
        let first = self.next * CHUNKS_PER_BITMAP;
        if first >= self.chunk_count {
            return Err(inconsistent("the space map of a thin pool does not end"));
        }
        let bitmap = block(self.metadata, number, BITMAP)?;
        self.next += 1;
        let pairs = bitmap
            .iter()
            .skip(BITMAP_HEADER_BYTES)
            .flat_map(|byte| [0, 2, 4, 6].map(|shift| byte >> shift & 3));
        for (uses, chunk) in pairs.zip(first..self.chunk_count) {
            if uses != 0 {
                self.chunks.push(chunk..chunk + 1);
            }
        }
        Ok(())
    }
}

/// A block whose checksum is that of its kind, and which knows its number.
fn block(metadata: &dyn Medium, number: u64, kind: u32) -> Result<Vec<u8>, Unmapped> {
    let offset = number
        .checked_mul(BLOCK_BYTES)
        .ok_or_else(|| inconsistent("a block lies nowhere"))?;
    let block = read(metadata, offset, rehost_volumes::to_usize(BLOCK_BYTES))?;
    let sum = CRC32C.update(!0, &block[4..]) ^ kind;
    if sum != le32(&block, 0) || le64(&block, 8) != number {
        return Err(inconsistent("the metadata of a thin pool is damaged"));
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::oracle::{Image, InMemory};

    const CHUNKS: u64 = 40_000;
    const CHUNK_BYTES: u64 = 128 << 10;
    const MAPPINGS: [(u64, u64); 5] = [(0, 1), (5, 20), (16_000, 700), (32_639, 2), (39_999, 1)];

    /// Metadata of a pool with two volumes: the second has all of the first and one chunk more.
    fn metadata() -> Image {
        let image = Image::new(4 << 20);
        let mut xml = format!(
            r#"<superblock uuid="" time="1" transaction="2" flags="0" version="2" data_block_size="256" nr_data_blocks="{CHUNKS}">"#
        );
        for device in 1..=2 {
            let extra = device - 1;
            write!(
                xml,
                r#"<device dev_id="{device}" mapped_blocks="{}" transaction="1" creation_time="0" snap_time="0">"#,
                724 + extra
            )
            .unwrap();
            for (start, length) in MAPPINGS {
                write!(
                    xml,
                    r#"<range_mapping origin_begin="{start}" data_begin="{start}" length="{length}" time="0"/>"#
                )
                .unwrap();
            }
            if extra == 1 {
                xml += r#"<single_mapping origin_block="50000" data_block="77" time="1"/>"#;
            }
            xml += "</device>";
        }
        xml += "</superblock>";
        let path = image.directory.path().join("xml");
        std::fs::write(&path, xml).unwrap();
        image.run(
            "thin_restore",
            &["-i", path.to_str().unwrap(), "-o", "IMAGE"],
        );
        image
    }

    #[test]
    fn the_allocated_chunks_are_those_that_thin_dump_lists() {
        let image = metadata();
        let mut expected = Vec::new();
        for line in image.run("thin_dump", &["IMAGE"]).lines() {
            let field = |name: &str| {
                let text = line.split(&format!("{name}=\"")).nth(1)?;
                text.split('"').next()?.parse::<u64>().ok()
            };
            if let Some(start) = field("data_begin").or_else(|| field("data_block")) {
                let length = field("length").unwrap_or(1);
                expected.push(start * CHUNK_BYTES..(start + length) * CHUNK_BYTES);
            }
        }
        assert_eq!(expected.len(), 11);
        let map = allocated(&image.open(), CHUNKS * CHUNK_BYTES).unwrap();
        assert_eq!(map, Extents::from_unordered(expected));
        assert!(allocated(&image.open(), CHUNKS * CHUNK_BYTES - 1).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_is_noticed(at in 0_usize..4096, bit in 0_u8..8, random in prop::collection::vec(any::<u8>(), 4096)) {
            static GOOD: std::sync::LazyLock<InMemory> = std::sync::LazyLock::new(|| metadata().in_memory());
            let mut broken = GOOD.clone();
            broken.0[at] ^= 1 << bit;
            prop_assert!(allocated(&broken, CHUNKS * CHUNK_BYTES).is_err());
            prop_assert!(allocated(&InMemory(random), 1 << 40).is_err());
        }

        #[test]
        fn trees_of_any_shape_come_to_an_end(
            changes in prop::collection::vec((0_usize..64, 0_usize..64, any::<u8>()), 1..6),
        ) {
            static GOOD: std::sync::LazyLock<InMemory> = std::sync::LazyLock::new(|| metadata().in_memory());
            let mut medium = GOOD.clone();
            for (block, at, value) in changes {
                medium.0[block * 4096 + 4 + at] = value;
            }
            // The checksums are made true again, so that what they protect is looked at.
            for (number, block) in medium.0.chunks_exact_mut(4096).enumerate() {
                let kind = [SUPERBLOCK, NODE, BITMAP].into_iter().find(|kind| {
                    let before = &GOOD.0[number * 4096..(number + 1) * 4096];
                    CRC32C.update(!0, &before[4..]) ^ kind == le32(before, 0)
                });
                let sum = CRC32C.update(!0, &block[4..]) ^ kind.unwrap_or(NODE);
                block[..4].copy_from_slice(&sum.to_le_bytes());
            }
            if let Ok(map) = allocated(&medium, CHUNKS * CHUNK_BYTES) {
                prop_assert!(map.last().is_none_or(|last| last.end <= CHUNKS * CHUNK_BYTES));
            }
        }
    }
}
