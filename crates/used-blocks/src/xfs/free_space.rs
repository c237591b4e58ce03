//! The free space of one allocation group: the B-tree by block number that its AGF points to.
//!
//! ```text
//!   AGF: root, level --> node: first block of each child --> leaf: (start, length), ...
//! ```

use std::ops::Range;

use rehost_volumes::to_usize;

use crate::collector::Collector;
use crate::fields::{be16, be32, be64, read};
use crate::{Extents, Medium, Unmapped};

use super::inconsistent;
use super::superblock::{Superblock, is_intact};

const AGF_MAGIC: [u8; 4] = *b"XAGF";
const AGF_CRC: usize = 216;
/// "None" as a block number.
const NONE: u32 = u32::MAX;
/// No B-tree of XFS is higher.
const MAX_LEVELS: usize = 9;
/// More blocks are refused: so many hold hundreds of millions of records.
const MAX_BLOCKS: usize = 1 << 20;
/// Sizes of a node's parts, in bytes.
const RECORD_BYTES: usize = 8;
const POINTER_BYTES: usize = 4;
/// The unit in which blocks say where they are.
const DISK_ADDRESS_BYTES: u64 = 512;

/// What of an allocation group is in use.
#[derive(Debug)]
pub(super) struct GroupMap {
    /// In bytes of the medium.
    pub(super) used: Extents,
    /// Whether the tree holds as many free blocks as the AGF says. The two are written one after the
    /// other, so that they may differ while the file system is in use.
    pub(super) is_counted_right: bool,
}

/// Reads an allocation group.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if its free space cannot be trusted, [`Unmapped::Read`].
pub(super) fn map_group(
    medium: &dyn Medium,
    superblock: &Superblock,
    group: u64,
) -> Result<GroupMap, Unmapped> {
    let agf = Agf::read(medium, superblock, group)?;
    let blocks = superblock.blocks_of(group);
    let mut walk = Walk {
        medium,
        superblock,
        group,
        visited: Vec::new(),
        last_on_level: [None; MAX_LEVELS],
        used: Collector::default(),
        end_of_last: 0,
        free_blocks: 0,
    };
    walk.visit(agf.root, agf.levels - 1)?;
    if walk
        .last_on_level
        .iter()
        .flatten()
        .any(|(_, next)| *next != NONE)
    {
        return Err(walk.broken("lacks blocks"));
    }
    walk.push_used(walk.end_of_last..blocks);
    let is_counted_right = walk.free_blocks == agf.free_blocks;
    let nodes = std::mem::take(&mut walk.visited);
    let nodes = nodes.into_iter().map(|block| walk.bytes_of(block));
    let (nodes, used) = (Extents::from_unordered(nodes.collect()), walk.used.finish());
    if !nodes.without(&used).is_empty() {
        return Err(inconsistent(&format!(
            "allocation group {group} calls its own tree free"
        )));
    }
    Ok(GroupMap {
        used,
        is_counted_right,
    })
}

/// The header that says where a group's free space is told.
#[derive(Debug)]
struct Agf {
    root: u32,
    /// Of the tree by block number; at least one.
    levels: usize,
    /// In the tree.
    free_blocks: u64,
}

impl Agf {
    fn read(medium: &dyn Medium, superblock: &Superblock, group: u64) -> Result<Self, Unmapped> {
        let sector_bytes = superblock.sector_bytes;
        let at = superblock.range_of(group).start + sector_bytes;
        let bytes = read(medium, at, to_usize(sector_bytes))?;
        let is_intact = superblock
            .metadata_uuid
            .is_none_or(|uuid| bytes[64..80] == uuid && is_intact(&bytes, AGF_CRC));
        let levels = be32(&bytes, 28) as usize;
        if !is_intact
            || bytes[..4] != AGF_MAGIC
            || be32(&bytes, 4) != 1
            || u64::from(be32(&bytes, 8)) != group
            || u64::from(be32(&bytes, 12)) != superblock.blocks_of(group)
            || !(1..=MAX_LEVELS).contains(&levels)
        {
            return Err(inconsistent(&format!(
                "the header of allocation group {group} is not intact"
            )));
        }
        Ok(Self {
            root: be32(&bytes, 16),
            levels,
            free_blocks: be32(&bytes, 52).into(),
        })
    }
}

/// A walk through the tree from left to right. It ends: every leaf but an only one holds a record
/// that lies behind all before it.
#[derive(Debug)]
struct Walk<'a> {
    medium: &'a dyn Medium,
    superblock: &'a Superblock,
    group: u64,
    /// Blocks of the tree.
    visited: Vec<u32>,
    /// The last block that was visited on each level, and what it called its right sibling.
    last_on_level: [Option<(u32, u32)>; MAX_LEVELS],
    used: Collector,
    /// Of the free runs so far.
    end_of_last: u64,
    free_blocks: u64,
}

impl Walk<'_> {
    fn visit(&mut self, number: u32, level: usize) -> Result<(), Unmapped> {
        let block = self.read_block(number, level)?;
        let header_bytes = self.header_bytes();
        let count = usize::from(be16(&block, 6));
        let room = block.len() - header_bytes;
        if level == 0 {
            // Only the root of an empty tree has no records.
            let may_be_empty = self.visited.len() == 1;
            if count > room / RECORD_BYTES || (count == 0 && !may_be_empty) {
                return Err(self.broken("has a leaf of impossible length"));
            }
            for record in 0..count {
                let at = header_bytes + record * RECORD_BYTES;
                self.push_free(be32(&block, at), be32(&block, at + 4))?;
            }
            return Ok(());
        }
        let most = room / (RECORD_BYTES + POINTER_BYTES);
        if count == 0 || count > most {
            return Err(self.broken("has a node of impossible length"));
        }
        let pointers = header_bytes + most * RECORD_BYTES;
        for child in 0..count {
            self.visit(be32(&block, pointers + child * POINTER_BYTES), level - 1)?;
        }
        Ok(())
    }

    /// A block that is what it should be: in its place, of its tree and level, next to its siblings.
    fn read_block(&mut self, number: u32, level: usize) -> Result<Vec<u8>, Unmapped> {
        let superblock = self.superblock;
        let blocks = superblock.blocks_of(self.group);
        if !(superblock.header_blocks()..blocks).contains(&number.into()) {
            return Err(self.broken("leaves the group"));
        }
        if self.visited.len() >= MAX_BLOCKS {
            return Err(self.broken("has too many blocks"));
        }
        let at = self.bytes_of(number).start;
        let block = read(self.medium, at, to_usize(superblock.block_bytes))?;
        let (left, right) = (be32(&block, 8), be32(&block, 12));
        let is_intact = match superblock.metadata_uuid {
            None => block[..4] == *b"ABTB",
            Some(uuid) => {
                block[..4] == *b"AB3B"
                    && be64(&block, 16) == at / DISK_ADDRESS_BYTES
                    && block[32..48] == uuid
                    && u64::from(be32(&block, 48)) == self.group
                    && is_intact(&block, 52)
            }
        };
        let is_neighbour = match self.last_on_level[level] {
            None => left == NONE,
            Some((last, its_right)) => left == last && its_right == number,
        };
        if !is_intact || usize::from(be16(&block, 4)) != level || !is_neighbour {
            return Err(self.broken(&format!("is not intact at block {number}")));
        }
        self.last_on_level[level] = Some((number, right));
        self.visited.push(number);
        Ok(block)
    }

    fn push_free(&mut self, start: u32, length: u32) -> Result<(), Unmapped> {
        let (start, length) = (u64::from(start), u64::from(length));
        let end = start + length;
        // Runs that touch would be one.
        let least = match self.end_of_last {
            0 => self.superblock.header_blocks(),
            end_of_last => end_of_last + 1,
        };
        if length == 0 || start < least || end > self.superblock.blocks_of(self.group) {
            return Err(self.broken(&format!("has a run of {length} blocks at {start}")));
        }
        self.push_used(self.end_of_last..start);
        self.end_of_last = end;
        self.free_blocks += length;
        Ok(())
    }

    fn push_used(&mut self, blocks: Range<u64>) {
        if blocks.is_empty() {
            return;
        }
        let base = self.superblock.range_of(self.group).start;
        let offset_of = |block: u64| base + block * self.superblock.block_bytes;
        self.used
            .push(offset_of(blocks.start)..offset_of(blocks.end));
    }

    fn bytes_of(&self, block: u32) -> Range<u64> {
        let base = self.superblock.range_of(self.group).start;
        let start = base + u64::from(block) * self.superblock.block_bytes;
        start..start + self.superblock.block_bytes
    }

    fn header_bytes(&self) -> usize {
        match self.superblock.metadata_uuid {
            None => 16,
            Some(_) => 56,
        }
    }

    fn broken(&self, how: &str) -> Unmapped {
        let group = self.group;
        inconsistent(&format!(
            "the free space tree of allocation group {group} {how}"
        ))
    }
}
