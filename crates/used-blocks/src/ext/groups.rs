//! Block groups: where their descriptors lie, what these say, and what a group holds whose bitmap was
//! never written.

use std::ops::Range;

use rehost_volumes::to_usize;

use crate::crc::{CRC16, CRC32C, agrees};
use crate::fields::{le16, le32, read};
use crate::{Medium, Unmapped};

use super::inconsistent;
use super::superblock::{Superblock, compat, incompat, ro_compat};

const FLAG_BLOCK_UNINIT: u16 = 2;
const CHECKSUM_AT: usize = 30;

/// A group as its descriptor describes it.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) number: u64,
    /// Block numbers.
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
    /// In clusters.
    pub(super) free_clusters: u32,
    /// The bitmap on disk means nothing: only what the group must hold is in use.
    pub(super) is_uninitialised: bool,
    /// Of the block bitmap; the upper half counts only if descriptors are long enough.
    pub(super) bitmap_checksum: u32,
    /// Whether the descriptor is as it was written.
    pub(super) is_sound: bool,
}

impl Superblock {
    /// The groups that a block of descriptors describes.
    ///
    /// # Errors
    /// [`Unmapped`] if they cannot be read, or place anything outside of the file system.
    pub(super) fn read_groups(
        &self,
        medium: &dyn Medium,
        descriptor_block: u64,
    ) -> Result<Vec<Group>, Unmapped> {
        let block = self.locate_descriptors(descriptor_block);
        if block >= self.blocks {
            return Err(inconsistent("group descriptors lie beyond its end"));
        }
        let bytes = read(medium, block * self.block_bytes, to_usize(self.block_bytes))?;
        let first = descriptor_block * self.descriptors_per_block();
        let descriptors = bytes.chunks_exact(to_usize(self.descriptor_bytes));
        (first..self.groups)
            .zip(descriptors)
            .map(|(number, descriptor)| self.parse_group(number, descriptor))
            .collect()
    }

    /// Behind the superblock; with `meta_bg`, each block in the first of the groups it describes.
    fn locate_descriptors(&self, descriptor_block: u64) -> u64 {
        if self.incompat & incompat::META_BG == 0 || descriptor_block < self.first_meta_bg {
            return self.own_block() + 1 + descriptor_block;
        }
        let group = descriptor_block * self.descriptors_per_block();
        let start = match group {
            0 => self.own_block(),
            _ => self.first_data_block + group * self.blocks_per_group,
        };
        start + u64::from(self.has_superblock(group))
    }

    fn parse_group(&self, number: u64, descriptor: &[u8]) -> Result<Group, Unmapped> {
        let is_long = descriptor.len() >= 64;
        let wide = |low, high| {
            let high = if is_long { le32(descriptor, high) } else { 0 };
            u64::from(le32(descriptor, low)) | u64::from(high) << 32
        };
        let halves = |low, high| {
            let high = if is_long { le16(descriptor, high) } else { 0 };
            u32::from(le16(descriptor, low)) | u32::from(high) << 16
        };
        let group = Group {
            number,
            block_bitmap: wide(0, 0x20),
            inode_bitmap: wide(4, 0x24),
            inode_table: wide(8, 0x28),
            free_clusters: halves(0xc, 0x2c),
            is_uninitialised: self.has_checksums()
                && le16(descriptor, 0x12) & FLAG_BLOCK_UNINIT != 0,
            bitmap_checksum: halves(0x18, 0x38),
            is_sound: self
                .descriptor_checksum(number, descriptor)
                .is_some_and(|sum| agrees(sum.into(), le16(descriptor, CHECKSUM_AT).into()))
                || !self.has_checksums(),
        };
        let within =
            |blocks: Range<u64>| blocks.start >= self.first_data_block && blocks.end <= self.blocks;
        let lies_within = group.metadata(self).into_iter().all(within);
        if group.is_sound && !lies_within {
            return Err(inconsistent(&format!(
                "metadata of group {number} lies beyond its end"
            )));
        }
        Ok(group)
    }

    fn descriptor_checksum(&self, number: u64, descriptor: &[u8]) -> Option<u16> {
        let number = u32::try_from(number).ok()?.to_le_bytes();
        let (before, rest) = descriptor.split_at_checked(CHECKSUM_AT)?;
        let after = rest.get(2..)?;
        let value = if self.ro_compat & ro_compat::METADATA_CSUM != 0 {
            let parts = [&number[..], before, &[0, 0], after];
            let seed = self.checksum_seed;
            parts
                .iter()
                .fold(seed, |sum, part| CRC32C.update(sum, part))
        } else {
            let parts = [&self.uuid[..], &number, before, after];
            parts
                .iter()
                .fold(0xffff, |sum, part| CRC16.update(sum, part))
        };
        u16::try_from(value & 0xffff).ok()
    }

    /// Whether `bitmap` is what the descriptor was written for.
    pub(super) fn fits(&self, group: &Group, bitmap: &[u8]) -> bool {
        if self.ro_compat & ro_compat::METADATA_CSUM == 0 {
            return true;
        }
        let covered = to_usize(self.clusters_per_group() / 8);
        let covered = bitmap.get(..covered).unwrap_or(bitmap);
        let mask = if self.descriptor_bytes >= 64 {
            !0
        } else {
            0xffff
        };
        let checksum = CRC32C.update(self.checksum_seed, covered);
        agrees(checksum & mask, group.bitmap_checksum & mask)
    }

    /// The clusters of a group, counted through all groups.
    pub(super) fn clusters_of(&self, group: u64) -> Range<u64> {
        let start = group * self.clusters_per_group();
        let all = (self.blocks - self.first_data_block).div_ceil(self.blocks_per_cluster);
        start..(start + self.clusters_per_group()).min(all)
    }

    /// Clusters at the start of a group for copies of superblock and descriptors.
    pub(super) fn backup_clusters(&self, group: u64) -> u64 {
        let has_superblock = self.has_superblock(group);
        let per_block = self.descriptors_per_block();
        let has_meta_bg = self.incompat & incompat::META_BG != 0;
        let descriptors = if has_meta_bg && group / per_block >= self.first_meta_bg {
            u64::from([0, 1, per_block - 1].contains(&(group % per_block)))
        } else if !has_superblock {
            0
        } else if has_meta_bg {
            self.first_meta_bg + self.reserved_descriptor_blocks
        } else {
            self.descriptor_blocks() + self.reserved_descriptor_blocks
        };
        // Block 0 of 1 KiB belongs to the boot loader, and with bigalloc to the first group.
        let boot = match group {
            0 => self.own_block() - self.first_data_block.min(self.own_block()),
            _ => 0,
        };
        (boot + u64::from(has_superblock) + descriptors).div_ceil(self.blocks_per_cluster)
    }

    fn has_superblock(&self, group: u64) -> bool {
        if self.compat & compat::SPARSE_SUPER2 != 0 {
            return group == 0 || self.backup_groups.contains(&group);
        }
        let is_power_of = |base: u64| {
            let mut power = base;
            while power < group {
                power *= base;
            }
            power == group
        };
        group <= 1
            || self.ro_compat & ro_compat::SPARSE_SUPER == 0
            || [3, 5, 7].into_iter().any(is_power_of)
    }
}

impl Group {
    /// The blocks of its bitmaps and inodes, wherever they lie.
    pub(super) fn metadata(&self, superblock: &Superblock) -> [Range<u64>; 3] {
        let blocks = |start: u64, count: u64| start..start.saturating_add(count);
        [
            blocks(self.block_bitmap, 1),
            blocks(self.inode_bitmap, 1),
            blocks(self.inode_table, superblock.inode_table_blocks),
        ]
    }
}
