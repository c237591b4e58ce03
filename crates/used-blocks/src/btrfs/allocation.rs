//! What of the members is in use, from the trees that one superblock points to.

use std::ops::Range;

use crate::collector::Collector;
use crate::fields::le64;
use crate::{Extents, Unmapped};

use super::chunks::Chunks;
use super::superblock::{COPIES, COPY_BYTES, Root, Superblock};
use super::tree::{Found, Reader};
use super::{EXTENT_TREE, LOG_TREE, Member, inconsistent};

/// What is kept for boot loaders and the superblock at the start of each device, in bytes.
const RESERVED_BYTES: u64 = 1 << 20;
/// Log trees: one for each subvolume that was written to. More are refused.
const MAX_LOGS: usize = 1 << 16;
/// Places that are followed for all extents and logs together. Extents do not overlap, but what logs
/// refer to may, and each takes some tens of nanoseconds.
const MAX_STEPS: u64 = 256 << 20;

/// Types of items.
const EXTENT_DATA: u8 = 108;
const ROOT: u8 = 132;
const EXTENT: u8 = 168;
const METADATA: u8 = 169;
const CHUNK: u8 = 228;

/// What is in use of each member.
///
/// # Errors
/// Why the trees are not trusted.
pub(super) fn map(
    superblock: &Superblock,
    members: &[Member<'_>],
) -> Result<Vec<Extents>, Unmapped> {
    let mut reader = Reader::new(members, superblock);
    let chunks = read_chunks(&mut reader, superblock, members)?;
    let mut used = MemberMaps::new(members, &chunks, MAX_STEPS);
    map_extents(&mut reader, &chunks, superblock, &mut used)?;
    if let Some(log) = &superblock.log_tree {
        map_logs(&mut reader, &chunks, superblock, log, &mut used)?;
    }
    Ok(used.finish())
}

/// The chunks that the chunk tree holds, read by those that the superblock holds.
pub(super) fn read_chunks(
    reader: &mut Reader<'_>,
    superblock: &Superblock,
    members: &[Member<'_>],
) -> Result<Chunks, Unmapped> {
    let first = Chunks::of_superblock(&superblock.system_chunks, members)?;
    let mut chunks = Chunks::default();
    reader.walk(&first, &superblock.chunk_tree, &mut |found| match found {
        Found::Item(key, item) if key.kind == CHUNK => chunks.insert(key.offset, item, members),
        _ => Ok(()),
    })?;
    Ok(chunks)
}

/// Where the root tree says that the extent tree is.
pub(super) fn find_extent_tree(
    reader: &mut Reader<'_>,
    chunks: &Chunks,
    superblock: &Superblock,
) -> Result<Root, Unmapped> {
    let mut extent_tree = None;
    reader.walk(chunks, &superblock.root_tree, &mut |found| {
        if let Found::Item(key, item) = found
            && (key.object, key.kind) == (EXTENT_TREE, ROOT)
        {
            extent_tree = Some(root(item, EXTENT_TREE)?);
        }
        Ok(())
    })?;
    extent_tree.ok_or_else(|| inconsistent("it has no extent tree"))
}

/// Takes over all extents of data and of trees.
fn map_extents(
    reader: &mut Reader<'_>,
    chunks: &Chunks,
    superblock: &Superblock,
    used: &mut MemberMaps<'_>,
) -> Result<(), Unmapped> {
    let extent_tree = find_extent_tree(reader, chunks, superblock)?;
    let mut total_bytes = 0_u64;
    // Extents that touch, taken together.
    let mut run = 0..0_u64;
    reader.walk(chunks, &extent_tree, &mut |found| {
        let Found::Item(key, _) = found else {
            return Ok(());
        };
        let length = match key.kind {
            EXTENT => key.offset,
            METADATA => superblock.node_bytes,
            _ => return Ok(()),
        };
        let end = key.object.checked_add(length);
        let Some(end) = end.filter(|end| *end > key.object && key.object >= run.end) else {
            let at = key.object;
            return Err(inconsistent(&format!("its extents overlap at {at}")));
        };
        // Extents do not overlap, so that this cannot either.
        total_bytes += length;
        if key.object == run.end {
            run.end = end;
            return Ok(());
        }
        used.push(std::mem::replace(&mut run, key.object..end))
    })?;
    used.push(run)?;
    if total_bytes != superblock.bytes_used {
        return Err(inconsistent(&format!(
            "its extents have {total_bytes} bytes, its superblock says {}",
            superblock.bytes_used
        )));
    }
    Ok(())
}

/// Takes over the log trees and what they refer to: none of it is in the extent tree yet.
fn map_logs(
    reader: &mut Reader<'_>,
    chunks: &Chunks,
    superblock: &Superblock,
    log_of_logs: &Root,
    used: &mut MemberMaps<'_>,
) -> Result<(), Unmapped> {
    let mut logs = Vec::new();
    let block_at = |logical: u64| logical..logical.saturating_add(superblock.node_bytes);
    reader.walk(chunks, log_of_logs, &mut |found| match found {
        Found::Block(logical) => used.push(block_at(logical)),
        Found::Item(key, item) if (key.object, key.kind) == (LOG_TREE, ROOT) => {
            if logs.len() >= MAX_LOGS {
                return Err(inconsistent("it has too many logs"));
            }
            logs.push(root(item, LOG_TREE)?);
            Ok(())
        }
        Found::Item(..) => Ok(()),
    })?;
    for log in &logs {
        reader.walk(chunks, log, &mut |found| match found {
            Found::Block(logical) => used.push(block_at(logical)),
            Found::Item(key, item) if key.kind == EXTENT_DATA => match file_extent(item) {
                Some(range) => used.push(range),
                None => Ok(()),
            },
            Found::Item(..) => Ok(()),
        })?;
    }
    Ok(())
}

/// Where a tree begins, from its root item.
fn root(item: &[u8], owner: u64) -> Result<Root, Unmapped> {
    let level = item.get(238).copied();
    let level = level.ok_or_else(|| inconsistent("the root of a tree is cut off"))?;
    Ok(Root {
        logical: le64(item, 176),
        level,
        generation: Some(le64(item, 160)),
        owner,
    })
}

/// The logical range that a part of a file lies in, unless it is inline or a hole.
fn file_extent(item: &[u8]) -> Option<Range<u64>> {
    const INLINE: u8 = 0;
    let kind = item.get(20).copied().unwrap_or(INLINE);
    let (start, length) = (le64(item, 21), le64(item, 29));
    (kind != INLINE && start != 0).then(|| start..start.saturating_add(length))
}

/// Collects by logical address, member by member.
#[derive(Debug)]
struct MemberMaps<'a> {
    members: &'a [Member<'a>],
    chunks: &'a Chunks,
    used: Vec<Collector>,
    steps_left: u64,
}

impl<'a> MemberMaps<'a> {
    fn new(members: &'a [Member<'a>], chunks: &'a Chunks, steps_left: u64) -> Self {
        Self {
            steps_left,
            members,
            chunks,
            used: members.iter().map(|_| Collector::default()).collect(),
        }
    }

    fn push(&mut self, logical: Range<u64>) -> Result<(), Unmapped> {
        let used = &mut self.used;
        let steps_left = &mut self.steps_left;
        self.chunks
            .on_members(logical, steps_left, &mut |member, range| {
                if let Some(used) = used.get_mut(member) {
                    used.push(range);
                }
            })
    }

    /// With what no tree tells: the start of each device, the copies of the superblock, and whatever
    /// lies behind the device on its medium.
    fn finish(self) -> Vec<Extents> {
        let members = self.members.iter().zip(self.used);
        members
            .map(|(member, mut used)| {
                let size_bytes = member.device.size_bytes;
                used.push(0..RESERVED_BYTES.min(size_bytes));
                for copy in COPIES {
                    used.push(copy.min(size_bytes)..(copy + COPY_BYTES).min(size_bytes));
                }
                used.push(size_bytes..member.medium.size_bytes());
                used.finish()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btrfs::superblock::Device;
    use crate::oracle::InMemory;

    /// A chunk of 64 KiB with so many copies in one place of one device.
    fn chunk(copies: u16) -> Vec<u8> {
        const STRIPE_BYTES: u64 = 64 << 10;
        const STRIPED: u64 = 1 << 3;
        let mut item = vec![0; 48];
        item[..8].copy_from_slice(&(u64::from(copies) * STRIPE_BYTES).to_le_bytes());
        item[16..24].copy_from_slice(&STRIPE_BYTES.to_le_bytes());
        item[24..32].copy_from_slice(&STRIPED.to_le_bytes());
        item[44..46].copy_from_slice(&copies.to_le_bytes());
        for _ in 0..copies {
            let mut place = [0; 32];
            place[0] = 1;
            item.extend(place);
        }
        item
    }

    #[test]
    fn places_and_steps_are_limited() {
        let medium = InMemory(vec![0; 64 << 10]);
        let device = Device {
            id: 1,
            size_bytes: 64 << 10,
        };
        let members = [Member {
            medium: &medium,
            device,
        }];
        let mut chunks = Chunks::default();
        let chunk = chunk(2000);
        let mut count = 0_u64;
        let refusal = loop {
            match chunks.insert(count << 32, &chunk, &members) {
                Ok(()) => count += 1,
                Err(refusal) => break refusal.to_string(),
            }
        };
        assert_eq!(count, (4 << 20) / 2000);
        assert!(
            refusal.contains("more chunks than anybody needs"),
            "{refusal}"
        );

        // The same is named again and again.
        let mut used = MemberMaps::new(&members, &chunks, 9000);
        for _ in 0..4 {
            used.push(0..100 << 10).unwrap();
        }
        let refusal = used.push(0..1).unwrap_err().to_string();
        assert!(refusal.contains("more than there is"), "{refusal}");
    }
}
