//! What lies in a region, by the marks that every format has at a fixed place.

use std::fmt;

use crate::fields::{le16, le32, read};
use crate::{Medium, Region, Unmapped};

/// The largest structure at the front that is looked at: btrfs has its superblock at 64 KiB, ZFS its
/// second label at 256 KiB.
const FRONT_BYTES: u64 = 272 << 10;
/// Everything that is found from the end lies within so many bytes of it.
const END_BYTES: u64 = 128 << 10;

/// The content of a medium, or nothing if there is no known mark.
///
/// Every mark is looked for, not only the first: formats leave what they do not need, so that an old
/// file system shows through a new one. Then nobody can say whose map is true.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if there are marks of several formats, [`Unmapped::Read`].
pub(crate) fn identify(medium: &dyn Medium) -> Result<Option<Region>, Unmapped> {
    let size_bytes = medium.size_bytes();
    let front = read(medium, 0, length(size_bytes.min(FRONT_BYTES)))?;
    let end_length = size_bytes.min(END_BYTES);
    let end = read(medium, size_bytes - end_length, length(end_length))?;

    let found: Vec<Region> = MARKS
        .iter()
        .filter(|(_, is_there)| is_there(&front, &End(&end, size_bytes)))
        .map(|(region, _)| *region)
        .collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        // A member of an array whose superblock is at its end shows what lies on the array.
        [Region::Md, ..] => Ok(Some(Region::Md)),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Unmapped::Inconsistent {
                what: "region",
                detail: format!("it carries the marks of {}", names.join(" and ")),
            })
        }
    }
}

fn length(bytes: u64) -> usize {
    rehost_volumes::to_usize(bytes)
}

/// The last bytes of a medium, and its size.
struct End<'a>(&'a [u8], u64);

impl End<'_> {
    /// What lies at an offset of the medium, if that is near its end.
    fn at(&self, offset: u64) -> &[u8] {
        let start = self.1 - self.0.len() as u64;
        let within = offset.checked_sub(start);
        within
            .and_then(|within| self.0.get(length(within)..))
            .unwrap_or_default()
    }
}

type Mark = fn(&[u8], &End<'_>) -> bool;

/// What is known, arrays first.
const MARKS: &[(Region, Mark)] = &[
    (Region::Md, is_md),
    (Region::Lvm, |front, _| {
        (0..4).any(|sector| {
            has(front, sector * 512, b"LABELONE") && has(front, sector * 512 + 24, b"LVM2 001")
        })
    }),
    (Region::Ext, |front, _| has(front, 1024 + 56, &[0x53, 0xef])),
    (Region::Xfs, |front, _| has(front, 0, b"XFSB")),
    (Region::Btrfs, |front, _| {
        has(front, (64 << 10) + 64, b"_BHRfS_M")
    }),
    (Region::Ntfs, |front, _| has(front, 3, b"NTFS    ")),
    (Region::ExFat, |front, _| has(front, 3, b"EXFAT   ")),
    (Region::Fat, |front, _| is_fat(front)),
    (Region::Swap, |front, _| {
        SWAP_PAGE_BYTES.iter().any(|page| {
            has(front, page - 10, b"SWAPSPACE2") || has(front, page - 10, b"SWAP-SPACE")
        })
    }),
    // A swap area that holds the memory of a sleeping machine has another mark in its place.
    (Region::Foreign("a hibernated system"), |front, _| {
        let marks: [&[u8]; 4] = [
            b"S1SUSPEND\0",
            b"S2SUSPEND\0",
            b"ULSUSPEND\0",
            b"LINHIB0001",
        ];
        SWAP_PAGE_BYTES
            .iter()
            .any(|page| marks.iter().any(|mark| has(front, page - 10, mark)))
    }),
    (Region::Foreign("LUKS"), |front, _| {
        has(front, 0, b"LUKS\xba\xbe") || has(front, 0x4000, b"SKUL\xba\xbe")
    }),
    (Region::Foreign("BitLocker"), |front, _| {
        has(front, 3, b"-FVE-FS-")
    }),
    (Region::Foreign("ReFS"), |front, _| has(front, 3, b"ReFS\0")),
    (Region::Foreign("bcache"), |front, _| {
        has(
            front,
            4096 + 24,
            b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
        )
    }),
    (Region::Foreign("SquashFS"), |front, _| {
        has(front, 0, b"hsqs")
    }),
    (Region::Foreign("F2FS"), |front, _| {
        has(front, 1024, &[0x10, 0x20, 0xf5, 0xf2])
    }),
    (Region::Foreign("ReiserFS"), |front, _| {
        has(front, (64 << 10) + 52, b"ReIsEr")
    }),
    (Region::Foreign("JFS"), |front, _| {
        has(front, 32 << 10, b"JFS1")
    }),
    (Region::Foreign("ISO 9660"), |front, _| {
        has(front, (32 << 10) + 1, b"CD001")
    }),
    (Region::Foreign("Stratis"), |front, _| {
        [512, 512 * 9]
            .iter()
            .any(|at| has(front, at + 4, b"!Stra0tis\x86\xff\x02^Arh"))
    }),
    (Region::Foreign("ZFS"), |front, _| is_zfs(front)),
    (Region::Foreign("DRBD"), is_drbd),
    (Region::Foreign("a RAID of the firmware"), is_firmware_raid),
];

/// The page sizes of machines; the mark of a swap area is at the end of its first page.
const SWAP_PAGE_BYTES: [usize; 4] = [4096, 8192, 16 << 10, 64 << 10];

fn has(bytes: &[u8], at: usize, mark: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(mark))
}

/// Superblock 1.1 at the start, 1.2 at 4 KiB, 1.0 at 8 KiB before the end, 0.90 in the last whole
/// 64 KiB.
fn is_md(front: &[u8], end: &End<'_>) -> bool {
    const MAGIC: u32 = 0xa92b_4efc;
    let new_at_end = (end.1.saturating_sub(8 << 10)) & !0xfff;
    let old = (end.1 & !0xffff).saturating_sub(64 << 10);
    let new = |bytes: &[u8]| le32(bytes, 0) == MAGIC && le32(bytes, 4) == 1;
    new(front)
        || front.get(4096..).is_some_and(new)
        || new(end.at(new_at_end))
        || le32(end.at(old), 0) == MAGIC
        || has(end.at(old), 0, &MAGIC.to_be_bytes())
}

/// FAT has no mark that counts: what its first sector says must make sense.
fn is_fat(front: &[u8]) -> bool {
    let at = |offset: usize| front.get(offset).copied().unwrap_or_default();
    let sector_bytes = le16(front, 11);
    has(front, 510, &[0x55, 0xaa])
        && matches!(at(0), 0xeb | 0xe9)
        && matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
        && at(13).is_power_of_two()
        && le16(front, 14) > 0
        && matches!(at(16), 1 | 2)
        && (at(21) == 0xf0 || at(21) >= 0xf8)
        && (le16(front, 22) > 0 || le32(front, 36) > 0)
}

/// A ring of uberblocks follows the description of the pool in each label; one of them is enough.
fn is_zfs(front: &[u8]) -> bool {
    const UBERBLOCK: u64 = 0x00ba_b10c;
    let ring = front.get(128 << 10..256 << 10).unwrap_or_default();
    ring.chunks_exact(1024).any(|uberblock| {
        has(uberblock, 0, &UBERBLOCK.to_le_bytes()) || has(uberblock, 0, &UBERBLOCK.to_be_bytes())
    })
}

/// Metadata of DRBD in the last 4 KiB: the magic numbers of its versions 7 to 9 lie close together.
fn is_drbd(_: &[u8], end: &End<'_>) -> bool {
    let metadata = end.at((end.1 & !0xfff).saturating_sub(4096));
    [28, 60].iter().any(|at| {
        let magic = metadata.get(*at..at + 4).unwrap_or_default();
        matches!(magic, [0x83, 0x74, 0x02, 0x67..=0x70])
    })
}

/// Intel Matrix Storage, and DDF.
fn is_firmware_raid(_: &[u8], end: &End<'_>) -> bool {
    let from_end = |bytes: u64| end.at(end.1.saturating_sub(bytes));
    has(from_end(1024), 0, b"Intel Raid ISM Cfg Sig. ")
        || [512, 128 << 10, 257 << 9]
            .iter()
            .any(|bytes| has(from_end(*bytes), 0, &[0xde, 0x11, 0xde, 0x11]))
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "unknown content",
            Self::PartitionTable => "a partition table",
            Self::Gap => "unpartitioned space",
            Self::Ext => "ext2/3/4",
            Self::Xfs => "XFS",
            Self::Btrfs => "btrfs",
            Self::Fat => "FAT",
            Self::ExFat => "exFAT",
            Self::Ntfs => "NTFS",
            Self::Swap => "swap",
            Self::Lvm => "LVM",
            Self::Md => "md",
            Self::Foreign(name) => name,
        })
    }
}

#[cfg(test)]
mod tests;
