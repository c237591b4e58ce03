//! The metadata of a thin pool: which chunks are allocated, and which thin volume has them.
//!
//! ```text
//!   superblock -> root of the data's space map -> tree of index entries -> bitmaps, two bits a chunk
//!              -> tree of thin volumes -> for each a tree from its chunks to those of the pool
//! ```
//!
//! Format: Linux, `drivers/md/dm-thin-metadata.c` and `drivers/md/persistent-data/`.

use rehost_volumes::to_usize;

use crate::clusters::Clusters;
use crate::crc::{CRC32C, agrees};
use crate::fields::{le32, le64, read};
use crate::lvm::inconsistent;
use crate::lvm::thin::too_fragmented;
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
const LEAF: u32 = 2;
const BITMAP_HEADER_BYTES: usize = 16;
/// Chunks that one bitmap tells of.
const CHUNKS_PER_BITMAP: u64 = (4096 - 16) * 4;
/// A tree of the largest pool, 16 GiB of metadata, is not deeper.
const MAX_DEPTH: usize = 10;

/// The metadata of a pool.
#[derive(Debug)]
pub(super) struct Pool<'m> {
    metadata: &'m dyn Medium,
    pub(super) chunk_bytes: u64,
    chunk_count: u64,
    bitmaps_root: u64,
    devices_root: u64,
    /// Whether a copy of older metadata is kept, with mappings of its own.
    pub(super) has_snapshot: bool,
}

/// Is told a key of a tree and its value.
type Visit<'v> = dyn FnMut(u64, &[u8]) -> Result<(), Unmapped> + 'v;

/// Chunks of a thin volume that lie together in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// In the volume.
    pub(super) first: u64,
    /// In the pool.
    pub(super) chunk: u64,
    pub(super) length: u64,
}

impl<'m> Pool<'m> {
    /// Reads the superblock.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if the metadata cannot be trusted.
    pub(super) fn read(metadata: &'m dyn Medium, data_bytes: u64) -> Result<Self, Unmapped> {
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
        let map_bytes = chunk_count.checked_mul(chunk_bytes);
        if chunk_bytes == 0
            || !chunk_bytes.is_multiple_of(LEAST_CHUNK_BYTES)
            || map_bytes.is_none_or(|bytes| bytes > data_bytes)
        {
            return Err(inconsistent("a thin pool is larger than its volume"));
        }
        Ok(Self {
            metadata,
            chunk_bytes,
            chunk_count,
            bitmaps_root: le64(&superblock, 80),
            devices_root: le64(&superblock, 320),
            has_snapshot: le64(&superblock, 56) != 0,
        })
    }

    /// The allocated chunks, in bytes of the pool's data volume.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn allocated(&self) -> Result<Extents, Unmapped> {
        let mut chunks = Clusters::new(0, self.chunk_bytes);
        let mut first = 0;
        self.walk(self.bitmaps_root, 16, &mut |key, entry| {
            if first >= self.chunk_count || key != first / CHUNKS_PER_BITMAP {
                return Err(inconsistent("the space map of a thin pool has gaps"));
            }
            let bitmap = block(self.metadata, le64(entry, 0), BITMAP)?;
            // Two bits count the uses of a chunk; three of them mean that a tree counts.
            let pairs = bitmap
                .iter()
                .skip(BITMAP_HEADER_BYTES)
                .flat_map(|byte| [0, 2, 4, 6].map(|shift| byte >> shift & 3));
            for (uses, chunk) in pairs.zip(first..self.chunk_count) {
                if uses != 0 {
                    chunks.push(chunk..chunk + 1);
                }
            }
            first += CHUNKS_PER_BITMAP;
            Ok(())
        })?;
        if first < self.chunk_count {
            return Err(inconsistent("the space map of a thin pool has gaps"));
        }
        Ok(chunks.finish())
    }

    /// What each thin volume has of the pool, by its number, in ascending order. What is kept of it is
    /// taken off the pieces that are left.
    ///
    /// # Errors
    /// As [`Self::read`]; also if there are more runs and volumes than are left.
    pub(super) fn volumes(
        &self,
        pieces_left: &mut usize,
    ) -> Result<Vec<(u64, Vec<Run>)>, Unmapped> {
        let mut volumes = Vec::new();
        self.walk(self.devices_root, 8, &mut |number, root| {
            *pieces_left = pieces_left.checked_sub(1).ok_or_else(too_fragmented)?;
            let runs = self.runs(le64(root, 0), *pieces_left)?;
            *pieces_left -= runs.len();
            volumes.push((number, runs));
            Ok(())
        })?;
        Ok(volumes)
    }

    fn runs(&self, root: u64, most: usize) -> Result<Vec<Run>, Unmapped> {
        let mut runs: Vec<Run> = Vec::new();
        self.walk(root, 8, &mut |first, value| {
            // The lower bits tell when.
            let chunk = le64(value, 0) >> 24;
            if chunk >= self.chunk_count {
                return Err(inconsistent("a thin volume reaches beyond its pool"));
            }
            let is_full = runs.len() >= most;
            match runs.last_mut() {
                Some(last)
                    if last.first + last.length == first && last.chunk + last.length == chunk =>
                {
                    last.length += 1;
                }
                _ if is_full => return Err(too_fragmented()),
                _ => runs.push(Run {
                    first,
                    chunk,
                    length: 1,
                }),
            }
            Ok(())
        })?;
        Ok(runs)
    }

    /// Tells `each` the keys of a tree, in ascending order, with their values of this size.
    fn walk(&self, root: u64, value_bytes: usize, each: &mut Visit<'_>) -> Result<(), Unmapped> {
        let mut least = Some(0);
        let mut ascending = |key: u64, value: &[u8]| {
            if least.is_none_or(|least| key < least) {
                return Err(inconsistent("a tree of a thin pool is not in order"));
            }
            least = key.checked_add(1);
            each(key, value)
        };
        self.node(root, value_bytes, 0, &mut ascending)
    }

    fn node(
        &self,
        number: u64,
        value_bytes: usize,
        depth: usize,
        each: &mut Visit<'_>,
    ) -> Result<(), Unmapped> {
        let node = block(self.metadata, number, NODE)?;
        let is_leaf = le32(&node, 4) & LEAF != 0;
        let value_bytes_here = if is_leaf { value_bytes } else { 8 };
        let count = to_usize(u64::from(le32(&node, 16)));
        let capacity = to_usize(u64::from(le32(&node, 20)));
        let fits = capacity
            .checked_mul(8 + value_bytes_here)
            .is_some_and(|bytes| bytes <= node.len() - HEADER_BYTES);
        // Only an empty tree has an empty node. As keys ascend, no leaf is come to twice, so that
        // no tree is endless.
        let is_empty = count == 0 && !(is_leaf && depth == 0);
        if depth > MAX_DEPTH || !fits || count > capacity || is_empty {
            return Err(inconsistent("a node of a thin pool's tree makes no sense"));
        }
        for index in 0..count {
            let at = HEADER_BYTES + capacity * 8 + index * value_bytes_here;
            let value = node.get(at..at + value_bytes_here).unwrap_or_default();
            if is_leaf {
                each(le64(&node, HEADER_BYTES + index * 8), value)?;
            } else {
                self.node(le64(value, 0), value_bytes, depth + 1, each)?;
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
    let block = read(metadata, offset, to_usize(BLOCK_BYTES))?;
    let sum = CRC32C.update(!0, &block[4..]) ^ kind;
    if !agrees(sum, le32(&block, 0)) || le64(&block, 8) != number {
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

    fn allocated(metadata: &dyn Medium, data_bytes: u64) -> Result<Extents, Unmapped> {
        Pool::read(metadata, data_bytes)?.allocated()
    }

    #[test]
    fn volumes_have_the_chunks_that_were_restored() {
        let image = metadata();
        let medium = image.open();
        let pool = Pool::read(&medium, CHUNKS * CHUNK_BYTES).unwrap();
        let run = |first, chunk, length| Run {
            first,
            chunk,
            length,
        };
        let mut runs: Vec<Run> = MAPPINGS
            .into_iter()
            .map(|(first, length)| run(first, first, length))
            .collect();
        let mut volumes = vec![(1, runs.clone())];
        runs.push(run(50_000, 77, 1));
        volumes.push((2, runs));
        let mut pieces_left = 20;
        assert_eq!(pool.volumes(&mut pieces_left).unwrap(), volumes);
        assert_eq!(pieces_left, 20 - 2 - 5 - 6);
        // One piece less than there is.
        assert!(pool.volumes(&mut 12).is_err());
        assert!(!pool.has_snapshot && pool.chunk_bytes == CHUNK_BYTES);
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
            let Ok(pool) = Pool::read(&medium, CHUNKS * CHUNK_BYTES) else { return Ok(()) };
            if let Ok(map) = pool.allocated() {
                prop_assert!(map.last().is_none_or(|last| last.end <= CHUNKS * CHUNK_BYTES));
            }
            for (_, runs) in pool.volumes(&mut 1000).unwrap_or_default() {
                prop_assert!(runs.iter().all(|run| run.chunk + run.length <= CHUNKS));
            }
        }
    }
}
