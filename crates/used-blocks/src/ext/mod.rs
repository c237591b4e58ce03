//! ext2, ext3 and ext4: what is in use is what the block bitmaps of the groups call used.
//!
//! ```text
//!   boot | superblock | descriptors of all groups | group 0 ... | group 1 ... | ...
//!                          '--> block bitmap, inode bitmap, inode table, in any group
//! ```
//!
//! A group whose descriptor or bitmap contradicts itself counts as used: on a file system in use the
//! two are written at different times. Everything else that makes no sense ends the map.
//!
//! Format: the kernel's documentation, "ext4 Data Structures and Algorithms".

mod groups;
mod superblock;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rehost_volumes::to_usize;

use crate::clusters::Clusters;
use crate::collector::Collector;
use crate::fields::read;
use crate::reader::{GivenUp, Used};
use crate::{Extents, Medium, Unmapped};

use groups::Group;
use superblock::{Superblock, incompat};

const WHAT: &str = "ext2/3/4";
/// Most that is read at once of bitmaps that lie one behind the other, in bytes.
const MAX_RUN_BYTES: u64 = 1 << 20;

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

/// What of the file system is in use. Settled unless its journal holds what is not yet in place,
/// as while it is mounted; freezing it empties the journal. One that has no journal is settled if it
/// was unmounted: after a crash its bitmaps may be older than its files.
///
/// # Errors
/// [`Unmapped`], as the superblock or the descriptors give reason to.
pub(crate) fn used(medium: &dyn Medium) -> Result<Used, Unmapped> {
    let superblock = Superblock::read(medium)?;
    let block_bytes = superblock.block_bytes;
    let base = superblock.first_data_block * block_bytes;
    let cluster_bytes = block_bytes * superblock.blocks_per_cluster;
    let mut clusters = Clusters::new(base, cluster_bytes);
    let mut given_up = GivenUp::default();
    let mut metadata = Collector::default();
    for descriptor_block in 0..superblock.descriptor_blocks() {
        let groups = superblock.read_groups(medium, descriptor_block)?;
        // The bitmaps know of these blocks. So do we, whatever they say.
        for group in groups.iter().filter(|group| group.is_sound) {
            for blocks in group.metadata(&superblock) {
                metadata.push(blocks.start * block_bytes..blocks.end * block_bytes);
            }
        }
        add_groups(medium, &superblock, &groups, &mut clusters, &mut given_up)?;
    }

    // The boot sector and the superblock, which lie before the first group if blocks are small.
    let front = Extents::whole(0..base + superblock.backup_clusters(0) * cluster_bytes);
    let extents = clusters.finish().union(&metadata.finish()).union(&front);
    // The last cluster may be cut short.
    let mut within = Extents::default();
    for range in extents.overlapping(0..superblock.blocks * block_bytes) {
        within.push(range);
    }
    // What lies behind the file system is not its own: hashes of dm-verity, for one.
    within.push(superblock.blocks * block_bytes..medium.size_bytes());
    Ok(Used {
        extents: within,
        is_settled: superblock.incompat & incompat::RECOVER == 0 && superblock.is_clean,
        given_up,
    })
}

/// Adds what is in use of groups that follow each other.
fn add_groups(
    medium: &dyn Medium,
    superblock: &Superblock,
    groups: &[Group],
    clusters: &mut Clusters,
    given_up: &mut GivenUp,
) -> Result<(), Unmapped> {
    let cluster_bytes = superblock.block_bytes * superblock.blocks_per_cluster;
    let mut give_up = |number: u64, all: Range<u64>, clusters: &mut Clusters| {
        given_up.push(number, (all.end - all.start) * cluster_bytes);
        clusters.push(all);
    };
    let mut run = Run::default();
    for (index, group) in groups.iter().enumerate() {
        let all = superblock.clusters_of(group.number);
        if !group.is_sound {
            give_up(group.number, all, clusters);
        } else if group.is_uninitialised {
            let backups = superblock.backup_clusters(group.number);
            clusters.push(all.start..(all.start + backups).min(all.end));
        } else {
            if !run.contains(group) {
                run = Run::read(medium, superblock, &groups[index..])?;
            }
            let bitmap = run.bitmap(group, superblock);
            let count = all.end - all.start;
            let is_sound = superblock.fits(group, bitmap)
                && count - set_bits(bitmap, count) == u64::from(group.free_clusters);
            if is_sound {
                clusters.push_bits(bitmap, all.start, all.end);
            } else {
                give_up(group.number, all, clusters);
            }
        }
    }
    Ok(())
}

/// How many of the first `count` bits are set.
fn set_bits(bitmap: &[u8], count: u64) -> u64 {
    let whole = to_usize(count / 8);
    let ones: u64 = bitmap
        .iter()
        .take(whole)
        .map(|byte| u64::from(byte.count_ones()))
        .sum();
    let last = bitmap.get(whole).copied().unwrap_or_default();
    ones + u64::from((last & ((1 << (count % 8)) - 1)).count_ones())
}

/// Bitmaps that lie one behind the other, as flexible groups arrange it, read at once.
#[derive(Debug, Default)]
struct Run {
    first_block: u64,
    blocks: u64,
    bytes: Vec<u8>,
}

impl Run {
    /// The bitmap of the first of these groups, and of those that follow as long as theirs follow.
    fn read(
        medium: &dyn Medium,
        superblock: &Superblock,
        groups: &[Group],
    ) -> Result<Self, Unmapped> {
        let first_block = groups.first().map_or(0, |group| group.block_bitmap);
        let most = MAX_RUN_BYTES / superblock.block_bytes;
        let expected = (first_block..first_block + most).zip(groups);
        let blocks = expected
            .take_while(|(block, group)| group.is_sound && group.block_bitmap == *block)
            .count() as u64;
        let length = to_usize(blocks * superblock.block_bytes);
        Ok(Self {
            first_block,
            blocks,
            bytes: read(medium, first_block * superblock.block_bytes, length)?,
        })
    }

    fn contains(&self, group: &Group) -> bool {
        (self.first_block..self.first_block + self.blocks).contains(&group.block_bitmap)
    }

    fn bitmap(&self, group: &Group, superblock: &Superblock) -> &[u8] {
        let length = to_usize(superblock.block_bytes);
        let start = to_usize(group.block_bitmap - self.first_block) * length;
        self.bytes.get(start..start + length).unwrap_or_default()
    }
}
