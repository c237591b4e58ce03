//! FAT12, FAT16 and FAT32: what is in use is what the file allocation table does not call free.
//!
//! ```text
//!   reserved sectors | FAT | FAT ... | root directory (12, 16) | cluster 2 | cluster 3 | ...
//! ```
//!
//! A file system that is marked as in use has no map. Nothing freezes FAT, so that the mark stays as
//! long as it is mounted, and after a crash directories may name clusters that the table calls free.
//!
//! Format: Microsoft, "FAT32 File System Specification", 1.03; ECMA-107 for FAT12 and FAT16. The mark
//! in the boot sector: Linux, `include/uapi/linux/msdos_fs.h`, `FAT_STATE_DIRTY`.

use std::ops::Range;

use crate::clusters::Clusters;
use crate::fields::{le16, le32, read};
use crate::{Extents, Medium, Unmapped};

const WHAT: &str = "FAT";
const DIRECTORY_ENTRY_BYTES: u64 = 32;
/// Of the table, read at a time; a multiple of what 2 and 3 entries of 12 bits take, so that none is cut.
const PIECE_BYTES: u64 = 3 << 18;
/// In the boot sector: in use, or to be looked through for bad sectors.
const MARKED: u8 = 0x03;

/// What of the file system is in use, including whatever lies behind it on the medium.
///
/// # Errors
/// [`Unmapped::Unknown`] if there is no FAT file system here; otherwise why its table is not trusted.
pub(crate) fn used(medium: &dyn Medium) -> Result<Extents, Unmapped> {
    let volume = Volume::read(medium)?;
    let mut clusters = Clusters::new(volume.base, volume.cluster_bytes);
    volume.read_tables(medium, &mut clusters)?;
    let behind = volume.data_end..medium.size_bytes();
    let around = Extents::from_unordered(vec![0..volume.data_start, behind]);
    let extents = around.union(&clusters.finish());
    if let Some(root) = &volume.root_directory
        && !extents.gaps(root.clone()).is_empty()
    {
        return Err(inconsistent("the root directory is marked free"));
    }
    Ok(extents)
}

/// How wide an entry of the table is, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Bits12,
    Bits16,
    Bits32,
}

/// What the boot sector says. All offsets and sizes in bytes.
#[derive(Debug)]
struct Volume {
    width: Width,
    tables_start: u64,
    table_bytes: u64,
    /// Which of the tables count.
    tables: Range<u64>,
    data_start: u64,
    /// Where the last cluster ends.
    data_end: u64,
    /// Where cluster 0 would be if there were one: the first is cluster 2.
    base: u64,
    cluster_bytes: u64,
    /// One past the last cluster.
    end_cluster: u64,
    media: u8,
    /// The first cluster of the root directory, where it is made of clusters.
    root_directory: Option<Range<u64>>,
}

impl Volume {
    fn read(medium: &dyn Medium) -> Result<Self, Unmapped> {
        if medium.size_bytes() < 512 {
            return Err(Unmapped::Unknown);
        }
        let boot = read(medium, 0, 512)?;
        let sector_bytes = u64::from(le16(&boot, 11));
        let sectors_per_cluster = u64::from(boot[13]);
        let reserved = u64::from(le16(&boot, 14));
        let tables = u64::from(boot[16]);
        let media = boot[21];
        let looks_like_fat = le16(&boot, 510) == 0xaa55
            && matches!(boot[0], 0xe9 | 0xeb)
            && matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
            && sectors_per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=4).contains(&tables)
            && (media == 0xf0 || media >= 0xf8);
        if !looks_like_fat {
            return Err(Unmapped::Unknown);
        }

        let short_table = u64::from(le16(&boot, 22));
        let is_32 = short_table == 0;
        let either = |short: u16, long: u32| match short {
            0 => u64::from(long),
            short => u64::from(short),
        };
        let table_bytes = either(le16(&boot, 22), le32(&boot, 36)) * sector_bytes;
        let sectors = either(le16(&boot, 19), le32(&boot, 32));
        let root_bytes = u64::from(le16(&boot, 17)) * DIRECTORY_ENTRY_BYTES;
        let tables_start = reserved * sector_bytes;
        let data_start =
            tables_start + tables * table_bytes + root_bytes.next_multiple_of(sector_bytes);
        let end = sectors * sector_bytes;
        if table_bytes == 0 || data_start >= end {
            return Err(inconsistent("its tables leave no room for data"));
        }
        if end > medium.size_bytes() {
            return Err(inconsistent("it is larger than what it lies on"));
        }
        let cluster_bytes = sectors_per_cluster * sector_bytes;
        let count = (end - data_start) / cluster_bytes;
        let width = match count {
            _ if is_32 => Width::Bits32,
            0..4085 => Width::Bits12,
            4085..65525 => Width::Bits16,
            _ => return Err(inconsistent("it has too many clusters")),
        };
        if is_32 && le16(&boot, 42) != 0 {
            return Err(Unmapped::Unsupported {
                what: WHAT,
                feature: format!("version {:#06x} of FAT32", le16(&boot, 42)),
            });
        }
        // With mirroring switched off one table is in use, and the others may hold anything.
        let marks = boot[if is_32 { 65 } else { 37 }];
        if marks & MARKED != 0 {
            return Err(in_use());
        }
        let flags = le16(&boot, 40);
        let active = u64::from(flags & 0xf);
        let counting = match is_32 && flags & 0x80 != 0 {
            true if active >= tables => return Err(inconsistent("its active table is missing")),
            true => active..active + 1,
            false => 0..tables,
        };
        let base = data_start.wrapping_sub(2 * cluster_bytes);
        let root_cluster = u64::from(le32(&boot, 44));
        if is_32 && !(2..count + 2).contains(&root_cluster) {
            return Err(inconsistent("its root directory lies beyond its end"));
        }
        let root_start = base.wrapping_add(root_cluster * cluster_bytes);
        let volume = Self {
            width,
            tables_start,
            table_bytes,
            tables: counting,
            data_start,
            data_end: data_start + count * cluster_bytes,
            base,
            cluster_bytes,
            end_cluster: count + 2,
            media,
            root_directory: is_32.then(|| root_start..root_start + cluster_bytes),
        };
        if volume.table_bytes_needed() > table_bytes || count > 0x0fff_fff5 {
            return Err(inconsistent("its table does not reach to its end"));
        }
        Ok(volume)
    }

    fn table_bytes_needed(&self) -> u64 {
        match self.width {
            Width::Bits12 => (self.end_cluster * 3).div_ceil(2),
            Width::Bits16 => self.end_cluster * 2,
            Width::Bits32 => self.end_cluster * 4,
        }
    }

    /// Adds what any of the tables calls used: after a crash they may differ.
    fn read_tables(&self, medium: &dyn Medium, clusters: &mut Clusters) -> Result<(), Unmapped> {
        let needed = self.table_bytes_needed();
        let mut at = 0;
        while at < needed {
            let length = usize::try_from(PIECE_BYTES.min(needed - at)).unwrap_or(usize::MAX);
            let mut pieces = Vec::new();
            for table in self.tables.clone() {
                let offset = self.tables_start + table * self.table_bytes + at;
                pieces.push(read(medium, offset, length)?);
            }
            if at == 0
                && pieces
                    .iter()
                    .any(|piece| piece.first() != Some(&self.media))
            {
                return Err(inconsistent("its table does not begin with its media type"));
            }
            if at == 0 && !pieces.iter().all(|piece| self.is_unmounted(piece)) {
                return Err(in_use());
            }
            let first = self.entries_in(at);
            let last = self.entries_in(at + length as u64).min(self.end_cluster);
            for (cluster, index) in (first..last).zip(0..) {
                if cluster >= 2 && pieces.iter().any(|piece| self.is_used(piece, index)) {
                    clusters.push(cluster..cluster + 1);
                }
            }
            at += length as u64;
        }
        Ok(())
    }

    /// Whether the second entry of a table, which belongs to no cluster, says that the file system
    /// was unmounted, and that no error was met while it was mounted.
    fn is_unmounted(&self, table: &[u8]) -> bool {
        match self.width {
            Width::Bits12 => true,
            Width::Bits16 => le16(table, 2) & 0xc000 == 0xc000,
            Width::Bits32 => le32(table, 4) & 0x0c00_0000 == 0x0c00_0000,
        }
    }

    fn entries_in(&self, bytes: u64) -> u64 {
        match self.width {
            Width::Bits12 => bytes * 2 / 3,
            Width::Bits16 => bytes / 2,
            Width::Bits32 => bytes / 4,
        }
    }

    /// Whether the cluster belongs to anything. Those marked bad do not: they hold nothing, and
    /// reading them may fail.
    fn is_used(&self, piece: &[u8], index: usize) -> bool {
        match self.width {
            Width::Bits12 => {
                let pair = le16(piece, index * 3 / 2);
                let entry = if index.is_multiple_of(2) {
                    pair & 0xfff
                } else {
                    pair >> 4
                };
                !matches!(entry, 0 | 0xff7)
            }
            Width::Bits16 => !matches!(le16(piece, index * 2), 0 | 0xfff7),
            Width::Bits32 => !matches!(le32(piece, index * 4) & 0x0fff_ffff, 0 | 0x0fff_fff7),
        }
    }
}

fn in_use() -> Unmapped {
    inconsistent("it is in use or was not unmounted")
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
