//! The superblock of ext2, ext3 and ext4: features, and how the medium is divided.

use crate::crc::{CRC32C, agrees};
use crate::fields::{le16, le32, read};
use crate::{Medium, Unmapped};

use super::{WHAT, inconsistent};

const SUPERBLOCK_OFFSET: u64 = 1024;
const SUPERBLOCK_BYTES: usize = 1024;
const CHECKSUM_AT: usize = 0x3fc;
const MAGIC: u16 = 0xef53;
/// It was unmounted.
const STATE_CLEAN: u16 = 1;
/// The kernel has found that what is on disk contradicts itself.
const STATE_ERRORS: u16 = 2;
/// What `mke2fs -g` permits at least; fewer would make mapping slow.
const MIN_BLOCKS_PER_GROUP: u64 = 256;

/// Features that a reader need not know of.
pub(super) mod compat {
    pub(in super::super) const SPARSE_SUPER2: u32 = 0x200;
}

/// Features without which nothing may be read.
pub(super) mod incompat {
    pub(in super::super) const RECOVER: u32 = 0x4;
    pub(in super::super) const META_BG: u32 = 0x10;
    pub(in super::super) const IS_64BIT: u32 = 0x80;
    pub(in super::super) const CSUM_SEED: u32 = 0x2000;
    /// Types in directories, extents, multiple mount protection, flexible groups, attributes in
    /// inodes, data in directories, large directories, inline data, encryption, case folding: none
    /// changes what the bitmaps mean.
    pub(in super::super) const HARMLESS: u32 =
        0x2 | 0x40 | 0x100 | 0x200 | 0x400 | 0x1000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;
}

/// Features without which nothing may be written.
pub(super) mod ro_compat {
    pub(in super::super) const SPARSE_SUPER: u32 = 0x1;
    pub(in super::super) const GDT_CSUM: u32 = 0x10;
    pub(in super::super) const BIGALLOC: u32 = 0x200;
    pub(in super::super) const METADATA_CSUM: u32 = 0x400;
    /// Large and huge files, B-trees, link counts, extra inode fields, quotas, read-only, projects,
    /// shared blocks, verity, orphan file: none changes what the bitmaps mean.
    pub(in super::super) const HARMLESS: u32 =
        0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x100 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000;
}

/// What the superblock says, after it has been found to make sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) compat: u32,
    pub(super) incompat: u32,
    /// It was unmounted, or has a journal that knows better.
    pub(super) is_clean: bool,
    pub(super) ro_compat: u32,
    pub(super) block_bytes: u64,
    pub(super) blocks: u64,
    pub(super) first_data_block: u64,
    pub(super) blocks_per_group: u64,
    /// More than one only with `bigalloc`.
    pub(super) blocks_per_cluster: u64,
    pub(super) groups: u64,
    pub(super) inode_table_blocks: u64,
    pub(super) descriptor_bytes: u64,
    pub(super) reserved_descriptor_blocks: u64,
    /// With `meta_bg`: blocks of descriptors that lie behind the superblock nevertheless.
    pub(super) first_meta_bg: u64,
    /// With `sparse_super2`: the groups with backups.
    pub(super) backup_groups: [u64; 2],
    pub(super) uuid: [u8; 16],
    pub(super) checksum_seed: u32,
}

impl Superblock {
    /// # Errors
    /// [`Unmapped`] if there is none, if it does not fit the medium, if it asks for what is not known
    /// here, or if the file system is known to be damaged.
    pub(super) fn read(medium: &dyn Medium) -> Result<Self, Unmapped> {
        if medium.size_bytes() < SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES as u64 {
            return Err(Unmapped::Unknown);
        }
        let bytes = read(medium, SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES)?;
        Self::parse(&bytes, medium.size_bytes())
    }

    fn parse(bytes: &[u8], size_bytes: u64) -> Result<Self, Unmapped> {
        if le16(bytes, 0x38) != MAGIC {
            return Err(Unmapped::Unknown);
        }
        let is_dynamic = le32(bytes, 0x4c) >= 1;
        let features = |at| if is_dynamic { le32(bytes, at) } else { 0 };
        let (incompat, ro_compat) = (features(0x60), features(0x64));
        check_features(incompat, ro_compat)?;
        check_checksum(bytes, ro_compat)?;
        if le16(bytes, 0x3a) & STATE_ERRORS != 0 {
            return Err(inconsistent("it is marked as having errors: run e2fsck"));
        }

        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[0x68..0x78]);
        let is_64bit = incompat & incompat::IS_64BIT != 0;
        let blocks_high = if is_64bit { le32(bytes, 0x150) } else { 0 };
        let (block_bytes, blocks_per_cluster) = block_sizes(bytes, ro_compat)?;
        let mut superblock = Self {
            compat: features(0x5c),
            incompat,
            is_clean: le16(bytes, 0x3a) & STATE_CLEAN != 0,
            ro_compat,
            block_bytes,
            blocks: u64::from(le32(bytes, 4)) | u64::from(blocks_high) << 32,
            first_data_block: le32(bytes, 0x14).into(),
            blocks_per_group: le32(bytes, 0x20).into(),
            blocks_per_cluster,
            groups: 0,
            inode_table_blocks: 0,
            descriptor_bytes: if is_64bit { le16(bytes, 0xfe) } else { 32 }.into(),
            reserved_descriptor_blocks: le16(bytes, 0xce).into(),
            first_meta_bg: le32(bytes, 0x104).into(),
            backup_groups: [0x24c, 0x250].map(|at| le32(bytes, at).into()),
            uuid,
            checksum_seed: match incompat & incompat::CSUM_SEED {
                0 => CRC32C.update(!0, &uuid),
                _ => le32(bytes, 0x270),
            },
        };
        superblock.check_geometry(size_bytes, le32(bytes, 0x24).into())?;
        let inode_bytes = if is_dynamic { le16(bytes, 0x58) } else { 128 };
        superblock.check_inodes(le32(bytes, 0x28).into(), inode_bytes.into())?;
        Ok(superblock)
    }

    fn check_geometry(&mut self, size_bytes: u64, clusters_per_group: u64) -> Result<(), Unmapped> {
        let fs_bytes = self.blocks.checked_mul(self.block_bytes);
        if fs_bytes.is_none_or(|bytes| bytes > size_bytes) {
            return Err(inconsistent("it is larger than the medium that it lies on"));
        }
        let per_group = self.blocks_per_group;
        let clusters = per_group / self.blocks_per_cluster;
        let is_sound = self.first_data_block <= 1
            && self.blocks > self.first_data_block
            && (MIN_BLOCKS_PER_GROUP..=u64::MAX).contains(&per_group)
            && per_group.is_multiple_of(self.blocks_per_cluster)
            && clusters.is_multiple_of(8)
            && clusters <= 8 * self.block_bytes
            && (self.blocks_per_cluster == 1 || clusters == clusters_per_group)
            && self.descriptor_bytes.is_power_of_two()
            && (32..=self.block_bytes).contains(&self.descriptor_bytes);
        if !is_sound {
            return Err(inconsistent("its superblock makes no sense"));
        }
        self.groups = (self.blocks - self.first_data_block).div_ceil(per_group);
        Ok(())
    }

    fn check_inodes(&mut self, per_group: u64, inode_bytes: u64) -> Result<(), Unmapped> {
        let is_sound = inode_bytes.is_power_of_two()
            && (128..=self.block_bytes).contains(&inode_bytes)
            && (1..=8 * self.block_bytes).contains(&per_group);
        if !is_sound {
            return Err(inconsistent("its superblock makes no sense of inodes"));
        }
        self.inode_table_blocks = (per_group * inode_bytes).div_ceil(self.block_bytes);
        Ok(())
    }

    /// The block of the superblock itself: it follows a boot sector, within one block or not.
    pub(super) fn own_block(&self) -> u64 {
        SUPERBLOCK_OFFSET / self.block_bytes
    }

    pub(super) fn descriptors_per_block(&self) -> u64 {
        self.block_bytes / self.descriptor_bytes
    }

    pub(super) fn descriptor_blocks(&self) -> u64 {
        self.groups.div_ceil(self.descriptors_per_block())
    }

    pub(super) fn clusters_per_group(&self) -> u64 {
        self.blocks_per_group / self.blocks_per_cluster
    }

    pub(super) fn has_checksums(&self) -> bool {
        self.ro_compat & (ro_compat::GDT_CSUM | ro_compat::METADATA_CSUM) != 0
    }
}

fn check_features(incompat: u32, ro_compat: u32) -> Result<(), Unmapped> {
    use incompat::{CSUM_SEED, IS_64BIT, META_BG, RECOVER};
    use ro_compat::{BIGALLOC, GDT_CSUM, METADATA_CSUM, SPARSE_SUPER};

    let unknown = incompat & !(RECOVER | META_BG | IS_64BIT | CSUM_SEED | incompat::HARMLESS);
    let unknown_ro =
        ro_compat & !(SPARSE_SUPER | GDT_CSUM | BIGALLOC | METADATA_CSUM | ro_compat::HARMLESS);
    let feature = match (unknown, unknown_ro) {
        (0, 0) => return Ok(()),
        (0x8, _) => "an external journal's format".to_owned(),
        (0, bits) => format!("the read-only features {bits:#x}"),
        (bits, _) => format!("the incompatible features {bits:#x}"),
    };
    Err(Unmapped::Unsupported {
        what: WHAT,
        feature,
    })
}

fn check_checksum(bytes: &[u8], ro_compat: u32) -> Result<(), Unmapped> {
    let covered = bytes.get(..CHECKSUM_AT).unwrap_or_default();
    if ro_compat & ro_compat::METADATA_CSUM != 0
        && !agrees(CRC32C.update(!0, covered), le32(bytes, CHECKSUM_AT))
    {
        return Err(inconsistent("the checksum of its superblock is wrong"));
    }
    Ok(())
}

/// Bytes in a block, and blocks in a cluster.
fn block_sizes(bytes: &[u8], ro_compat: u32) -> Result<(u64, u64), Unmapped> {
    let block_shift = le32(bytes, 0x18);
    let cluster_shift = match ro_compat & ro_compat::BIGALLOC {
        0 => block_shift,
        _ => le32(bytes, 0x1c),
    };
    // Blocks of up to 64 KiB exist, clusters of up to 512 MiB.
    if block_shift > 6 || cluster_shift < block_shift || cluster_shift > 19 {
        return Err(inconsistent("its superblock makes no sense of block sizes"));
    }
    Ok((1024 << block_shift, 1 << (cluster_shift - block_shift)))
}
