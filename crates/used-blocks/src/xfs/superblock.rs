//! The superblock of XFS: how large everything is, and which features are in use.

use std::ops::Range;

use crate::crc::{CRC32C, agrees};
use crate::fields::{be16, be32, be64, le32, read};
use crate::{Medium, Unmapped};

use super::{WHAT, inconsistent};

const MAGIC: [u8; 4] = *b"XFSB";
/// What is read to learn the sector size; smaller disks hold no XFS.
const FIRST_READ_BYTES: usize = 4096;

const VERSION_MASK: u16 = 0xf;
/// In `versionnum` of version 4: a feature of IRIX that nobody documents.
const SHARED: u16 = 0x200;
/// In `versionnum` of version 4: `features2` is valid.
const MORE_FEATURES: u16 = 0x8000;
/// Version 4: lazy counters, the second kind of attributes, 32-bit project ids, file types in
/// directories.
const KNOWN_FEATURES2: u32 = 0x2 | 0x8 | 0x80 | 0x200;
/// Free inode B-tree, reverse mapping, shared extents, inode B-tree counters.
const KNOWN_RO_COMPAT: u32 = 0xf;
const META_UUID: u32 = 1 << 2;
const NEEDS_REPAIR: u32 = 1 << 4;
/// File types, sparse inode chunks, UUID of metadata, large timestamps, repair needed, large extent
/// counts, exchange of ranges, parent pointers, metadata directory. Not among them: zoned real-time
/// sections, which lie on the data device behind the allocation groups.
const KNOWN_INCOMPAT: u32 = 0x1ff;

/// No allocation group has fewer blocks.
const MIN_GROUP_BLOCKS: u64 = 64;
/// More are refused: each takes several reads.
const MAX_GROUPS: u64 = 1 << 20;
/// Sector headers at the start of a group: superblock, AGF, AGI, AGFL.
const HEADER_SECTORS: u64 = 4;

/// What the readers of allocation groups and of the log need to know.
#[derive(Debug)]
pub(super) struct Superblock {
    /// Bytes of a block.
    pub(super) block_bytes: u64,
    /// Bytes of a sector: the unit of headers.
    pub(super) sector_bytes: u64,
    /// Blocks of every allocation group but the last.
    pub(super) group_blocks: u64,
    /// Number of allocation groups.
    pub(super) groups: u64,
    /// Blocks of all groups together.
    pub(super) blocks: u64,
    /// Where the log lies, in bytes; `None` if it is on another device.
    pub(super) log: Option<Range<u64>>,
    /// What metadata blocks carry, where they carry checksums at all (version 5).
    pub(super) metadata_uuid: Option<[u8; 16]>,
}

impl Superblock {
    /// Reads and checks it.
    ///
    /// # Errors
    /// [`Unmapped::Unknown`] if there is no XFS here; otherwise why it is not trusted.
    pub(super) fn read(medium: &dyn Medium) -> Result<Self, Unmapped> {
        if medium.size_bytes() < FIRST_READ_BYTES as u64 {
            return Err(Unmapped::Unknown);
        }
        let bytes = read(medium, 0, FIRST_READ_BYTES)?;
        if bytes[..4] != MAGIC {
            return Err(Unmapped::Unknown);
        }
        let sector_bytes = be16(&bytes, 102);
        if !sector_bytes.is_power_of_two() || !(512..=32768).contains(&sector_bytes) {
            return Err(inconsistent("its sectors have no valid size"));
        }
        let version = be16(&bytes, 100);
        let metadata_uuid = match version & VERSION_MASK {
            4 => {
                check_version_4(version, be32(&bytes, 200))?;
                None
            }
            5 => {
                let sector = read(medium, 0, usize::from(sector_bytes))?;
                Some(check_version_5(&sector)?)
            }
            older => return Err(unsupported(format!("version {older}"))),
        };
        if bytes[126] != 0 {
            return Err(inconsistent("it was never completely made"));
        }
        let block_bytes = u64::from(be32(&bytes, 4));
        let is_block = block_bytes.is_power_of_two() && (512..=65536).contains(&block_bytes);
        if !is_block || block_bytes < u64::from(sector_bytes) {
            return Err(inconsistent("its blocks have no valid size"));
        }
        let mut superblock = Self {
            block_bytes,
            sector_bytes: sector_bytes.into(),
            group_blocks: be32(&bytes, 84).into(),
            groups: be32(&bytes, 88).into(),
            blocks: be64(&bytes, 8),
            log: None,
            metadata_uuid,
        };
        superblock.check_groups(medium.size_bytes())?;
        superblock.log = superblock.find_log(&bytes)?;
        Ok(superblock)
    }

    /// Blocks of an allocation group; the last one may be shorter.
    pub(super) fn blocks_of(&self, group: u64) -> u64 {
        let before = group * self.group_blocks;
        self.group_blocks.min(self.blocks.saturating_sub(before))
    }

    /// Bytes of the medium where an allocation group lies.
    pub(super) fn range_of(&self, group: u64) -> Range<u64> {
        let start = group * self.group_blocks * self.block_bytes;
        start..start + self.blocks_of(group) * self.block_bytes
    }

    /// Blocks at the start of each group that its headers take.
    pub(super) fn header_blocks(&self) -> u64 {
        (HEADER_SECTORS * self.sector_bytes).div_ceil(self.block_bytes)
    }

    fn check_groups(&self, medium_bytes: u64) -> Result<(), Unmapped> {
        let end = self.blocks.checked_mul(self.block_bytes);
        if end.is_none_or(|end| end > medium_bytes) {
            return Err(inconsistent("it is larger than its medium"));
        }
        // With these checked, no product of the above can overflow.
        if self.group_blocks < MIN_GROUP_BLOCKS
            || self.groups != self.blocks.div_ceil(self.group_blocks)
            || self.groups == 0
            || self.blocks_of(self.groups - 1) < MIN_GROUP_BLOCKS
        {
            return Err(inconsistent("its allocation groups make no sense"));
        }
        if self.groups > MAX_GROUPS {
            return Err(unsupported(format!("{} allocation groups", self.groups)));
        }
        Ok(())
    }

    fn find_log(&self, bytes: &[u8]) -> Result<Option<Range<u64>>, Unmapped> {
        let (start, blocks) = (be64(bytes, 48), u64::from(be32(bytes, 96)));
        if start == 0 {
            return Ok(None);
        }
        // A block's number is that of its group, and below it that within the group.
        let nonsense = || inconsistent("its log is not where a log can be");
        let group_shift = u32::from(bytes[124]);
        if group_shift != self.group_blocks.next_power_of_two().trailing_zeros() {
            return Err(nonsense());
        }
        let (group, first) = (start >> group_shift, start & ((1 << group_shift) - 1));
        if group >= self.groups
            || blocks == 0
            || first < self.header_blocks()
            || first + blocks > self.blocks_of(group)
        {
            return Err(nonsense());
        }
        let start = (group * self.group_blocks + first) * self.block_bytes;
        Ok(Some(start..start + blocks * self.block_bytes))
    }
}

fn check_version_4(version: u16, features2: u32) -> Result<(), Unmapped> {
    if version & SHARED != 0 {
        return Err(unsupported("shared version numbers".into()));
    }
    let unknown = features2 & !KNOWN_FEATURES2;
    if version & MORE_FEATURES != 0 && unknown != 0 {
        return Err(unsupported(format!("features2 {unknown:#x}")));
    }
    Ok(())
}

/// Gives the UUID that metadata carries.
fn check_version_5(sector: &[u8]) -> Result<[u8; 16], Unmapped> {
    if !is_intact(sector, 224) {
        return Err(inconsistent("the checksum of its superblock is wrong"));
    }
    let unknown = be32(sector, 212) & !KNOWN_RO_COMPAT;
    if unknown != 0 {
        return Err(unsupported(format!("read-only features {unknown:#x}")));
    }
    let incompatible = be32(sector, 216);
    let unknown = incompatible & !KNOWN_INCOMPAT;
    if unknown != 0 {
        return Err(unsupported(format!("features {unknown:#x}")));
    }
    if incompatible & NEEDS_REPAIR != 0 {
        return Err(inconsistent("it asks for xfs_repair"));
    }
    let uuid = if incompatible & META_UUID == 0 {
        &sector[32..48]
    } else {
        &sector[248..264]
    };
    Ok(uuid.try_into().unwrap_or_default())
}

/// Whether a block's CRC-32C, which is stored at `at` and taken with zeros there, is right.
pub(super) fn is_intact(block: &[u8], at: usize) -> bool {
    let (Some(before), Some(after)) = (block.get(..at), block.get(at + 4..)) else {
        return false;
    };
    let sum = CRC32C.update(!0, before);
    let sum = CRC32C.update(sum, &[0; 4]);
    let sum = !CRC32C.update(sum, after);
    agrees(sum, le32(block, at))
}

fn unsupported(feature: String) -> Unmapped {
    Unmapped::Unsupported {
        what: WHAT,
        feature,
    }
}
