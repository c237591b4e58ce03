//! exFAT: what is in use is what its allocation bitmap says.
//!
//! ```text
//!   boot region | its backup | FAT (two with TexFAT) | cluster 2 | cluster 3 | ...
//!                               |                         ^
//!                root directory +--> allocation bitmap ---+
//! ```
//!
//! A file system that is marked as in use has no map: nothing freezes exFAT, so that the mark stays
//! as long as it is mounted, and after a crash directories may name clusters that the bitmap calls free.
//!
//! Format: Microsoft, "exFAT file system specification", 1.00.

use crate::clusters::Clusters;
use crate::fields::{le32, le64, read};
use crate::{Extents, Medium, Unmapped};

const WHAT: &str = "exFAT";
/// "ActiveFat": the second table and bitmap are those in use.
const SECOND_FAT: u8 = 1;
/// "VolumeDirty" and "MediaFailure": it is mounted or was not unmounted, or met an error meanwhile.
const MARKED: u8 = 0x6;
const BITMAP_ENTRY: u8 = 0x81;
const DIRECTORY_ENTRY_BYTES: usize = 32;
/// No directory may be larger.
const MAX_DIRECTORY_BYTES: u64 = 256 << 20;
/// What is read at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// What of the file system is in use, including whatever lies behind it on the medium.
///
/// # Errors
/// [`Unmapped::Unknown`] if there is no exFAT here; otherwise why its bitmap is not trusted.
pub(crate) fn used(medium: &dyn Medium) -> Result<Extents, Unmapped> {
    let volume = Volume::read(medium)?;
    let bitmaps = volume.find_bitmaps()?;
    if bitmaps.is_empty() {
        return Err(inconsistent("it has no allocation bitmap"));
    }
    let heap_end = volume.heap_start + (volume.end_cluster - 2) * volume.cluster_bytes;
    let behind = heap_end..medium.size_bytes();
    let mut extents = Extents::from_unordered(vec![0..volume.heap_start, behind]);
    for bitmap in bitmaps {
        extents = extents.union(&volume.read_bitmap(&bitmap)?);
    }
    Ok(extents)
}

/// What the boot sector says. Offsets and sizes in bytes.
#[derive(Debug)]
struct Volume<'a> {
    medium: &'a dyn Medium,
    /// The table in use.
    fat_start: u64,
    heap_start: u64,
    cluster_bytes: u64,
    /// One past the last cluster.
    end_cluster: u64,
    root_cluster: u32,
}

/// Where a bitmap lies.
#[derive(Debug)]
struct Bitmap {
    first_cluster: u32,
    length: u64,
}

impl<'a> Volume<'a> {
    fn read(medium: &'a dyn Medium) -> Result<Self, Unmapped> {
        if medium.size_bytes() < 512 {
            return Err(Unmapped::Unknown);
        }
        let boot = read(medium, 0, 512)?;
        if boot[3..11] != *b"EXFAT   " || boot[510..] != [0x55, 0xaa] {
            return Err(Unmapped::Unknown);
        }
        let (sector_shift, cluster_shift) = (boot[108], boot[109]);
        if !(9..=12).contains(&sector_shift) || cluster_shift > 25 - sector_shift {
            return Err(inconsistent("its sectors or clusters have no valid size"));
        }
        if boot[105] != 1 {
            return Err(Unmapped::Unsupported {
                what: WHAT,
                feature: format!("revision {}.{:02}", boot[105], boot[104]),
            });
        }
        if boot[106] & MARKED != 0 {
            return Err(inconsistent("it is in use or was not unmounted"));
        }
        let sectors = |count: u64| {
            count
                .checked_mul(1 << sector_shift)
                .ok_or_else(|| inconsistent("its size makes no sense"))
        };
        let end = sectors(le64(&boot, 72))?;
        let fat_bytes = sectors(u64::from(le32(&boot, 84)))?;
        let heap_start = sectors(u64::from(le32(&boot, 88)))?;
        let count = u64::from(le32(&boot, 92));
        let second = boot[106] & SECOND_FAT != 0;
        if second && boot[110] != 2 {
            return Err(inconsistent("its active FAT is missing"));
        }
        let fat_start = sectors(u64::from(le32(&boot, 80)))? + if second { fat_bytes } else { 0 };
        let cluster_bytes = 1 << (sector_shift + cluster_shift);
        if end > medium.size_bytes() {
            return Err(inconsistent("it is larger than what it lies on"));
        }
        if fat_start + fat_bytes > heap_start || (count + 2) * 4 > fat_bytes {
            return Err(inconsistent("its FAT has no room where it is"));
        }
        if count > 0xffff_fff5 || count * cluster_bytes > end.saturating_sub(heap_start) {
            return Err(inconsistent("its clusters reach beyond its end"));
        }
        Ok(Self {
            medium,
            fat_start,
            heap_start,
            cluster_bytes,
            end_cluster: count + 2,
            root_cluster: le32(&boot, 96),
        })
    }

    fn offset_of(&self, cluster: u32) -> Result<u64, Unmapped> {
        let cluster = u64::from(cluster);
        if (2..self.end_cluster).contains(&cluster) {
            Ok(self.heap_start + (cluster - 2) * self.cluster_bytes)
        } else {
            Err(inconsistent("a chain of clusters breaks off"))
        }
    }

    /// The cluster after this one, or nothing at the end of its chain.
    fn next(&self, cluster: u32) -> Result<Option<u32>, Unmapped> {
        let entry = read(self.medium, self.fat_start + u64::from(cluster) * 4, 4)?;
        Ok(Some(le32(&entry, 0)).filter(|next| *next != 0xffff_ffff))
    }

    /// The bitmaps that the root directory names: one, or two with TexFAT. After a crash these two
    /// may differ; what either calls used is used.
    fn find_bitmaps(&self) -> Result<Vec<Bitmap>, Unmapped> {
        let mut bitmaps = Vec::new();
        let mut cluster = Some(self.root_cluster);
        let all_clusters = (self.end_cluster - 2) * self.cluster_bytes;
        let mut left = all_clusters.min(MAX_DIRECTORY_BYTES);
        while let Some(this) = cluster {
            let start = self.offset_of(this)?;
            left = left
                .checked_sub(self.cluster_bytes)
                .ok_or_else(|| inconsistent("its root directory has no end"))?;
            for at in (0..self.cluster_bytes).step_by(to_usize(PIECE_BYTES)) {
                let length = PIECE_BYTES.min(self.cluster_bytes - at);
                let entries = read(self.medium, start + at, to_usize(length))?;
                for entry in entries.chunks_exact(DIRECTORY_ENTRY_BYTES) {
                    match entry[0] {
                        0 => return Ok(bitmaps),
                        BITMAP_ENTRY if bitmaps.len() == 2 => {
                            return Err(inconsistent("it has more than two allocation bitmaps"));
                        }
                        BITMAP_ENTRY => bitmaps.push(Bitmap {
                            first_cluster: le32(entry, 20),
                            length: le64(entry, 24),
                        }),
                        _ => {}
                    }
                }
            }
            cluster = self.next(this)?;
        }
        Ok(bitmaps)
    }

    fn read_bitmap(&self, bitmap: &Bitmap) -> Result<Extents, Unmapped> {
        let needed = (self.end_cluster - 2).div_ceil(8);
        if bitmap.length < needed {
            return Err(inconsistent("its allocation bitmap is too short"));
        }
        let base = self.heap_start.wrapping_sub(2 * self.cluster_bytes);
        let mut clusters = Clusters::new(base, self.cluster_bytes);
        let mut own = Vec::new();
        let mut cluster = Some(bitmap.first_cluster);
        let mut at = 0;
        while at < needed {
            let this = cluster.ok_or_else(|| inconsistent("its allocation bitmap breaks off"))?;
            let start = self.offset_of(this)?;
            let here = self.cluster_bytes.min(needed - at);
            for piece in (0..here).step_by(to_usize(PIECE_BYTES)) {
                let length = PIECE_BYTES.min(here - piece);
                let bits = read(self.medium, start + piece, to_usize(length))?;
                clusters.push_bits(&bits, 2 + (at + piece) * 8, self.end_cluster);
            }
            own.push(start..start + self.cluster_bytes);
            at += here;
            cluster = self.next(this)?;
        }
        let root = self.offset_of(self.root_cluster)?;
        own.push(root..root + self.cluster_bytes);
        let extents = clusters.finish();
        if own.iter().any(|own| !extents.gaps(own.clone()).is_empty()) {
            return Err(inconsistent("its bitmap calls its own clusters free"));
        }
        Ok(extents)
    }
}

fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
