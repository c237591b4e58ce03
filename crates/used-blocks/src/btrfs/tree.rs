//! The trees of btrfs: blocks that point to blocks, leaves that hold items.
//!
//! Every block says where it belongs. One that does not agree with what points to it was overwritten
//! since, or is damaged; then its other copies are tried.

use rehost_volumes::to_usize;

use crate::Unmapped;
use crate::fields::{le32, le64, read};

use super::chunks::Chunks;
use super::superblock::{Root, Superblock, is_intact};
use super::{Member, inconsistent};

/// No tree is higher.
const MAX_LEVELS: u8 = 8;
/// Sizes of a block's parts, in bytes.
const HEADER_BYTES: usize = 101;
const ITEM_BYTES: usize = 25;
const POINTER_BYTES: usize = 33;

/// What items are ordered by: object, type, offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) object: u64,
    pub(super) kind: u8,
    pub(super) offset: u64,
}

/// What a walk comes by.
#[derive(Debug)]
pub(super) enum Found<'t> {
    /// A block of the tree, by its logical address.
    Block(u64),
    /// An item of a leaf.
    Item(Key, &'t [u8]),
}

type Visit<'v> = dyn FnMut(Found<'_>) -> Result<(), Unmapped> + 'v;

/// Reads trees.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    members: &'a [Member<'a>],
    superblock: &'a Superblock,
    /// How many more blocks are read: no more than there is room for on all members.
    blocks_left: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(members: &'a [Member<'a>], superblock: &'a Superblock) -> Self {
        let room: u64 = members.iter().map(|member| member.device.size_bytes).sum();
        Self {
            members,
            superblock,
            blocks_left: room / superblock.node_bytes,
        }
    }

    /// Visits all blocks and items of a tree in order.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if it is not intact, [`Unmapped::Read`], and those of `visit`.
    pub(super) fn walk(
        &mut self,
        chunks: &Chunks,
        root: &Root,
        visit: &mut Visit<'_>,
    ) -> Result<(), Unmapped> {
        if root.level >= MAX_LEVELS {
            return Err(inconsistent(&format!("tree {} is too high", name(root))));
        }
        let mut walk = Walk {
            chunks,
            owner: root.owner,
            last: None,
            visit,
        };
        self.descend(&mut walk, root, None)
    }

    fn descend(
        &mut self,
        walk: &mut Walk<'_, '_>,
        expected: &Root,
        first: Option<Key>,
    ) -> Result<(), Unmapped> {
        let block = self.read_block(walk.chunks, expected)?;
        (walk.visit)(Found::Block(expected.logical))?;
        let broken = || {
            let at = expected.logical;
            inconsistent(&format!("tree {} is broken at {at}", name(expected)))
        };
        let count = le32(&block, 96) as usize;
        let entry_bytes = match expected.level {
            0 => ITEM_BYTES,
            _ => POINTER_BYTES,
        };
        // Only the root of an empty tree has no entries.
        let may_be_empty = expected.level == 0 && first.is_none();
        if count > (block.len() - HEADER_BYTES) / entry_bytes || (count == 0 && !may_be_empty) {
            return Err(broken());
        }
        if first.is_some_and(|first| first != key(&block, HEADER_BYTES)) {
            return Err(broken());
        }
        for number in 0..count {
            let at = HEADER_BYTES + number * entry_bytes;
            let key = key(&block, at);
            if expected.level > 0 {
                let child = Root {
                    logical: le64(&block, at + 17),
                    level: expected.level - 1,
                    generation: Some(le64(&block, at + 25)),
                    owner: walk.owner,
                };
                self.descend(walk, &child, Some(key))?;
                continue;
            }
            let start = (le32(&block, at + 17) as usize).saturating_add(HEADER_BYTES);
            let end = start.saturating_add(le32(&block, at + 21) as usize);
            let data = block.get(start..end).ok_or_else(broken)?;
            // What comes in order comes once, so that no walk is endless.
            if walk.last.is_some_and(|last| key <= last) {
                return Err(broken());
            }
            walk.last = Some(key);
            (walk.visit)(Found::Item(key, data))?;
        }
        Ok(())
    }

    /// The first copy of a block that is what it should be.
    fn read_block(&mut self, chunks: &Chunks, expected: &Root) -> Result<Vec<u8>, Unmapped> {
        self.blocks_left = self
            .blocks_left
            .checked_sub(1)
            .ok_or_else(|| inconsistent("its trees have more blocks than there is room for"))?;
        let at = expected.logical;
        let node_bytes = self.superblock.node_bytes;
        let end = at.checked_add(node_bytes).unwrap_or(at);
        let mut problem = inconsistent(&format!(
            "a block of tree {} is not intact at {at}",
            name(expected)
        ));
        for (member, offset) in chunks.copies(at..end) {
            let Some(member) = self.members.get(member) else {
                continue;
            };
            match read(member.medium, offset, to_usize(node_bytes)) {
                Ok(block) if self.is_expected(&block, expected) => return Ok(block),
                Ok(_) => {}
                Err(reason) => problem = reason,
            }
        }
        Err(problem)
    }

    fn is_expected(&self, block: &[u8], expected: &Root) -> bool {
        is_intact(block, self.superblock.checksum)
            && block[32..48] == self.superblock.metadata_uuid
            && le64(block, 48) == expected.logical
            && expected
                .generation
                .is_none_or(|generation| le64(block, 80) == generation)
            && le64(block, 88) == expected.owner
            && block[100] == expected.level
    }
}

/// Where a walk is.
struct Walk<'w, 'v> {
    chunks: &'w Chunks,
    owner: u64,
    last: Option<Key>,
    visit: &'w mut Visit<'v>,
}

fn key(bytes: &[u8], at: usize) -> Key {
    Key {
        object: le64(bytes, at),
        kind: bytes[at + 8],
        offset: le64(bytes, at + 9),
    }
}

fn name(root: &Root) -> i64 {
    // Trees that no user sees have negative numbers.
    root.owner.cast_signed()
}
