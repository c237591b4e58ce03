//! md, Linux software RAID: what lies on mirrors is looked into, everything else copied as a whole.
//!
//! ```text
//!   0.90: | data ...                     | superblock in the last whole 64 KiB |
//!   1.0:  | data ...                | bitmap | superblock 8 KiB before the end |
//!   1.1:  | superblock | bitmap | data ...       1.2: the same, 4 KiB from the start
//! ```
//!
//! Format: Linux, `include/uapi/linux/raid/md_p.h`.

use std::collections::BTreeMap;

use crate::crc::agrees;
use crate::fields::{le16, le32, le64, read};
use crate::view::{Layout, Place, Segment};
use crate::volume_manager::{Assembled, LogicalVolume};
use crate::{Extents, Medium, Unmapped};

const WHAT: &str = "md";
const MAGIC: u32 = 0xa92b_4efc;
const SECTOR_BYTES: u64 = 512;
const SUPERBLOCK_BYTES: usize = 4096;
/// Of a superblock of version 1, before the roles of the members.
const FIXED_BYTES: usize = 256;
/// A bitmap, which changes nothing; every other feature says that members differ or move.
const BITMAP_FEATURES: u32 = 0x101;
/// Of version 0.90: where the description of the member itself begins.
const THIS_DISK_WORD: usize = 992;

/// Makes arrays of their members.
pub(crate) fn assemble(members: &[&dyn Medium]) -> Assembled {
    let found: Vec<_> = members.iter().map(|member| Member::read(*member)).collect();
    let mut arrays: BTreeMap<[u8; 16], Vec<(usize, &Member)>> = BTreeMap::new();
    for (number, member) in found.iter().enumerate() {
        if let Ok(member) = member {
            arrays
                .entry(member.array)
                .or_default()
                .push((number, member));
        }
    }
    let mut volumes = Vec::new();
    let mut own: Vec<Result<Extents, Unmapped>> = members
        .iter()
        .map(|_| Err(inconsistent("a member's superblock makes no sense")))
        .collect();
    for array in arrays.into_values() {
        let newest = array.iter().map(|(_, member)| member.events).max();
        let current: Vec<_> = array
            .iter()
            .filter(|(_, member)| Some(member.events) == newest && member.refusal().is_none())
            .collect();
        let first = current.first().map(|(_, member)| *member);
        let agree = current
            .iter()
            .all(|(_, member)| first.is_some_and(|first| member.agrees(first)));
        for (number, member) in &array {
            let is_in = agree && current.iter().any(|(current, _)| current == number);
            own[*number] = match member.refusal() {
                Some(reason) => Err(reason),
                None if is_in => Ok(member.own()),
                None => Err(inconsistent("its members do not agree")),
            };
        }
        let Some(first) = first.filter(|_| agree) else {
            continue;
        };
        let places = current.iter().map(|(number, member)| Place {
            member: *number,
            offset: member.data_offset,
        });
        volumes.push(LogicalVolume {
            name: first.name.clone(),
            segments: vec![Segment {
                length: first.data_bytes,
                layout: Layout::Copies(places.collect()),
            }],
            opaque: None,
        });
    }
    // The reason why a superblock was not understood is worth more than that it was not.
    for (own, member) in own.iter_mut().zip(found) {
        if let Err(reason) = member {
            *own = Err(reason);
        }
    }
    Assembled { own, volumes }
}

/// What the superblock of a member says. Offsets and sizes in bytes.
#[derive(Debug)]
struct Member {
    size_bytes: u64,
    array: [u8; 16],
    name: String,
    level: u32,
    events: u64,
    data_offset: u64,
    data_bytes: u64,
    /// Whether all members hold the same, and nothing is being moved.
    is_settled: bool,
    /// Whether it is a working member, and not a spare, a journal, or one that failed.
    is_active: bool,
}

impl Member {
    /// Looks at every place where a superblock may be.
    fn read(medium: &dyn Medium) -> Result<Self, Unmapped> {
        let size_bytes = medium.size_bytes();
        let sectors = size_bytes / SECTOR_BYTES;
        let starts = [
            Some(0),
            Some(8),
            sectors.checked_sub(16).map(|sector| sector & !7),
        ];
        let mut members = Vec::new();
        for start in starts.into_iter().flatten() {
            members.extend(
                superblock(medium, start)?
                    .and_then(|bytes| Self::version_1(&bytes, start, size_bytes)),
            );
        }
        if let Some(start) = (sectors & !127).checked_sub(128) {
            members.extend(
                superblock(medium, start)?
                    .and_then(|bytes| Self::version_0(&bytes, start, size_bytes)),
            );
        }
        let mut members = members.into_iter();
        let member = members
            .next()
            .ok_or_else(|| inconsistent("a superblock is damaged"))?;
        if members.next().is_some() {
            return Err(inconsistent("a member has several superblocks"));
        }
        let data_end = member.data_offset.checked_add(member.data_bytes);
        if data_end.is_none_or(|end| end > size_bytes) {
            return Err(inconsistent("a member is larger than what it lies on"));
        }
        Ok(member)
    }

    fn version_1(bytes: &[u8], start: u64, size_bytes: u64) -> Option<Self> {
        let roles = usize::try_from(le32(bytes, 220)).ok()?;
        let end = roles.checked_mul(2)?.checked_add(FIXED_BYTES)?;
        let summed = bytes.get(..end)?;
        if le32(bytes, 4) != 1
            || le64(bytes, 144) != start
            || !agrees(checksum_1(summed), le32(bytes, 216))
        {
            return None;
        }
        let number = usize::try_from(le32(bytes, 160)).ok()?;
        let role = if number < roles {
            le16(bytes, FIXED_BYTES + number * 2)
        } else {
            u16::MAX
        };
        let features = le32(bytes, 8);
        let name = bytes.get(32..64)?.split(|byte| *byte == 0).next()?;
        Some(Self {
            size_bytes,
            array: std::array::from_fn(|at| bytes.get(16 + at).copied().unwrap_or(0)),
            name: format!("md/{}", String::from_utf8_lossy(name)),
            level: le32(bytes, 72),
            events: le64(bytes, 200),
            data_offset: le64(bytes, 128).checked_mul(SECTOR_BYTES)?,
            data_bytes: le64(bytes, 80).checked_mul(SECTOR_BYTES)?,
            is_settled: le64(bytes, 208) == u64::MAX && features & !BITMAP_FEATURES == 0,
            // Spares, journals and what has failed have higher numbers.
            is_active: u32::from(role) < le32(bytes, 92),
        })
    }

    fn version_0(bytes: &[u8], start: u64, size_bytes: u64) -> Option<Self> {
        const CLEAN: u32 = 1;
        const ACTIVE_AND_IN_SYNC: u32 = 6;
        const FAULTY_OR_REMOVED: u32 = 9;
        let word = |number: usize| le32(bytes, number * 4);
        if word(1) != 0 || !matches!(word(2), 90 | 91) || !agrees(checksum_0(bytes), word(38)) {
            return None;
        }
        let mut array = [0; 16];
        for (part, number) in array.chunks_exact_mut(4).zip([5, 13, 14, 15]) {
            part.copy_from_slice(&word(number).to_le_bytes());
        }
        let data_bytes = u64::from(word(8)).checked_mul(1024)?;
        if data_bytes > start * SECTOR_BYTES {
            return None;
        }
        let state = word(THIS_DISK_WORD + 4);
        Some(Self {
            size_bytes,
            array,
            name: format!("md{}", word(11)),
            level: word(7),
            events: le64(bytes, 39 * 4),
            data_offset: 0,
            data_bytes,
            // 91 is a reshape in progress.
            is_settled: word(33) & CLEAN != 0 && word(2) == 90,
            is_active: state & ACTIVE_AND_IN_SYNC == ACTIVE_AND_IN_SYNC
                && state & FAULTY_OR_REMOVED == 0,
        })
    }

    /// Everything but the data: superblock, bitmap, lists of bad blocks, and what is left over.
    fn own(&self) -> Extents {
        let before = 0..self.data_offset;
        let behind = self.data_offset + self.data_bytes..self.size_bytes;
        Extents::from_unordered(vec![before, behind])
    }

    /// Why it is copied as a whole, if it is.
    fn refusal(&self) -> Option<Unmapped> {
        if self.level != 1 {
            let level = i64::from(self.level.cast_signed());
            return Some(Unmapped::Unsupported {
                what: WHAT,
                feature: format!("level {level}"),
            });
        }
        if !self.is_settled {
            return Some(inconsistent("it is being written, rebuilt or reshaped"));
        }
        (!self.is_active).then(|| inconsistent("a member is a spare or has failed"))
    }

    fn agrees(&self, other: &Self) -> bool {
        self.data_bytes == other.data_bytes && self.level == other.level
    }
}

/// The block at a sector, if it begins as a superblock does.
fn superblock(medium: &dyn Medium, sector: u64) -> Result<Option<Vec<u8>>, Unmapped> {
    let offset = sector * SECTOR_BYTES;
    if offset + SUPERBLOCK_BYTES as u64 > medium.size_bytes() {
        return Ok(None);
    }
    let bytes = read(medium, offset, SUPERBLOCK_BYTES)?;
    Ok((le32(&bytes, 0) == MAGIC).then_some(bytes))
}

/// The sum of all numbers but the sum itself, with its carry added; two bytes may be left over.
fn checksum_1(bytes: &[u8]) -> u32 {
    let sum: u64 = (0..bytes.len().div_ceil(4))
        .filter(|number| *number != 216 / 4)
        .map(|number| u64::from(le32(bytes, number * 4)))
        .sum();
    fold(sum)
}

fn checksum_0(bytes: &[u8]) -> u32 {
    let words = (0..bytes.len() / 4).filter(|number| *number != 38);
    fold(words.map(|number| u64::from(le32(bytes, number * 4))).sum())
}

fn fold(sum: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).wrapping_add(u32::from_le_bytes([e, f, g, h]))
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
