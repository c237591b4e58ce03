//! The end of a disk in its partition table: fits a GPT to a larger disk than the one it was copied from,
//! and shows it as it was copied.
//!
//! ```text
//!  0    1       2                                   copied end            end of the medium
//!  | MBR | header | entries |  partitions ...  | entries | header |  ...  | entries | header |
//!            |                                               ^                          ^
//!            '- says where the backup is: --------------- here before, --------- and here after
//! ```
//!
//! A GPT has a backup in the last sectors of its disk, and says where these are. On a larger disk it is
//! found in the middle; firmware and tools complain, and what lies behind cannot be used. Moving it
//! changes four fields: in the header where the backup is, which sector is the last one that can be
//! used, and the checksum; in the MBR that protects it how long it is. The former backup stays where
//! it is, and so the table can be shown as it was copied ([`GptAsCopied`]): a proof speaks of the
//! source's bytes, and goes on to do so.

use std::ops::Range;
use std::sync::Arc;

use crate::{AlignedBuffer, ChangeMark, Volume, VolumeError, to_usize};

const SIGNATURE: &[u8] = b"EFI PART";
/// Sizes of the sectors in which tables count.
const SECTOR_BYTES: [u64; 2] = [512, 4096];
const MIN_HEADER_BYTES: usize = 92;
/// More than any table has: 1024 entries of 512 bytes.
const MAX_ENTRIES_BYTES: u64 = 512 << 10;
/// Type of the partition in the MBR that stands for the whole disk.
const PROTECTIVE: u8 = 0xee;
/// Where the first entry of an MBR is.
const FIRST_MBR_ENTRY: usize = 446;

/// Where fields of a header are (UEFI specification, chapter 5.3).
mod field {
    pub(super) const CHECKSUM: usize = 16;
    pub(super) const OWN_SECTOR: usize = 24;
    pub(super) const OTHER_SECTOR: usize = 32;
    pub(super) const LAST_USABLE: usize = 48;
    pub(super) const ENTRIES_SECTOR: usize = 72;
}

/// What became of the backup of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GptBackup {
    /// There is no GPT, or none that is whole and ends with the disk that was copied: nothing was
    /// changed.
    NoTable,
    /// It is at the end of the medium already, or too near to it to be moved: nothing was changed.
    AtTheEnd,
    /// It is at the end of the medium now.
    Moved,
}

/// Moves the backup of the GPT of a disk to the end of `medium`, whose first `copied_bytes` are the
/// disk. Durable when this returns. Whoever dies in the middle leaves a table that is as before, with a
/// second backup that nobody looks for; the same call completes it.
///
/// # Errors
/// [`VolumeError`] if the medium fails.
pub fn move_gpt_backup(medium: &dyn Volume, copied_bytes: u64) -> Result<GptBackup, VolumeError> {
    let Some(primary) = Header::primary(medium)? else {
        return Ok(GptBackup::NoTable);
    };
    let Some(entries) = primary.entries(medium)? else {
        return Ok(GptBackup::NoTable);
    };
    let sector = primary.sector_bytes;
    let last = medium.size_bytes() / sector - 1;
    let first = last.saturating_sub((entries.len() as u64).div_ceil(sector));
    if copied_bytes < sector || first.saturating_mul(sector) < copied_bytes {
        return Ok(GptBackup::AtTheEnd);
    }
    let copied_last = copied_bytes / sector - 1;
    if primary.number(field::OTHER_SECTOR) != copied_last {
        return Ok(match primary.number(field::OTHER_SECTOR) == last {
            true => GptBackup::AtTheEnd,
            // Nor was it at the end of the disk that was copied.
            false => GptBackup::NoTable,
        });
    }
    let mut backup = primary.clone();
    backup.set(field::OWN_SECTOR, last);
    backup.set(field::OTHER_SECTOR, 1);
    backup.set(field::LAST_USABLE, first - 1);
    backup.set(field::ENTRIES_SECTOR, first);
    medium.write_at(&entries, first * sector)?;
    medium.write_at(&backup.sealed(), last * sector)?;
    medium.flush()?;
    let mut moved = primary;
    moved.set(field::OTHER_SECTOR, last);
    moved.set(field::LAST_USABLE, first - 1);
    medium.write_at(&moved.sealed(), sector)?;
    let mut mbr = read(medium, 0, sector)?;
    if set_protected(&mut mbr, copied_last, last) {
        medium.write_at(&mbr, 0)?;
    }
    medium.flush()?;
    Ok(GptBackup::Moved)
}

/// A disk on a larger medium, whose GPT was fitted to that, as it was copied.
#[derive(Debug)]
pub struct GptAsCopied {
    medium: Arc<dyn Volume>,
    /// The first two sectors as they were.
    front: Vec<u8>,
    size_bytes: u64,
}

impl GptAsCopied {
    /// The first `size_bytes` of `medium` with its GPT as it was before [`move_gpt_backup`]; nothing if
    /// there is no GPT, or if its backup was not moved.
    ///
    /// # Errors
    /// [`VolumeError`] if the medium fails.
    pub fn new(medium: &Arc<dyn Volume>, size_bytes: u64) -> Result<Option<Self>, VolumeError> {
        let Some(moved) = Header::primary(&**medium)? else {
            return Ok(None);
        };
        let sector = moved.sector_bytes;
        let last = medium.size_bytes() / sector - 1;
        if size_bytes < 3 * sector || moved.number(field::OTHER_SECTOR) != last {
            return Ok(None);
        }
        let copied_last = size_bytes / sector - 1;
        let Some(former) = Header::at(&**medium, sector, copied_last)? else {
            return Ok(None);
        };
        if copied_last == last || former.number(field::OTHER_SECTOR) != 1 {
            return Ok(None);
        }
        let mut header = moved;
        header.set(field::OTHER_SECTOR, copied_last);
        header.set(field::LAST_USABLE, former.number(field::LAST_USABLE));
        let mut front = read(&**medium, 0, sector)?;
        set_protected(&mut front, last, copied_last);
        front.extend(header.sealed());
        Ok(Some(Self {
            medium: Arc::clone(medium),
            front,
            size_bytes,
        }))
    }

    fn out_of_range(&self, offset: u64, length: u64) -> VolumeError {
        VolumeError::OutOfRange {
            path: format!("{:?}", self.medium).into(),
            offset,
            length,
            size_bytes: self.size_bytes,
        }
    }
}

impl Volume for GptAsCopied {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let length = buffer.len() as u64;
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.size_bytes)
        {
            return Err(self.out_of_range(offset, length));
        }
        self.medium.read_at(buffer, offset)?;
        let shown = self.front.iter().skip(to_usize(offset));
        for (byte, shown) in buffer.iter_mut().zip(shown) {
            *byte = *shown;
        }
        Ok(())
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        // It is there to be looked at.
        Err(self.out_of_range(offset, buffer.len() as u64))
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        Err(self.out_of_range(offset, length))
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.medium.flush()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        if offset >= self.size_bytes {
            return Ok(None);
        }
        // What is shown of the front is there, whatever the medium has.
        Ok(Some(offset..self.size_bytes))
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.medium.change_mark()
    }
}

/// A header whose checksum is right, with the rest of its sector.
#[derive(Clone, Debug)]
struct Header {
    sector_bytes: u64,
    bytes: Vec<u8>,
    header_bytes: usize,
}

impl Header {
    fn primary(medium: &dyn Volume) -> Result<Option<Self>, VolumeError> {
        for sector_bytes in SECTOR_BYTES {
            let found = Self::at(medium, sector_bytes, 1)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn at(
        medium: &dyn Volume,
        sector_bytes: u64,
        sector: u64,
    ) -> Result<Option<Self>, VolumeError> {
        if sector >= medium.size_bytes() / sector_bytes {
            return Ok(None);
        }
        let bytes = read(medium, sector * sector_bytes, sector_bytes)?;
        let header_bytes = to_usize(u64::from(number32(&bytes, 12)));
        if !bytes.starts_with(SIGNATURE)
            || !(MIN_HEADER_BYTES..=bytes.len()).contains(&header_bytes)
        {
            return Ok(None);
        }
        let header = Self {
            sector_bytes,
            bytes,
            header_bytes,
        };
        let is_sound = header.checksum() == number32(&header.bytes, field::CHECKSUM)
            && header.number(field::OWN_SECTOR) == sector;
        Ok(is_sound.then_some(header))
    }

    /// The entries, filled up to whole sectors; nothing if they are damaged.
    fn entries(&self, medium: &dyn Volume) -> Result<Option<Vec<u8>>, VolumeError> {
        let [count, each, checksum] = [80, 84, 88].map(|at| number32(&self.bytes, at));
        let length = u64::from(count) * u64::from(each);
        let start = self
            .number(field::ENTRIES_SECTOR)
            .checked_mul(self.sector_bytes);
        let padded = length.next_multiple_of(self.sector_bytes);
        let fits = |start: u64| {
            let end = start.checked_add(padded);
            end.is_some_and(|end| end <= medium.size_bytes())
        };
        let Some(start) = start.filter(|start| fits(*start)) else {
            return Ok(None);
        };
        if !(1..=MAX_ENTRIES_BYTES).contains(&length) {
            return Ok(None);
        }
        let entries = read(medium, start, padded)?;
        let is_whole = entries
            .get(..to_usize(length))
            .is_some_and(|entries| crc32(entries) == checksum);
        Ok(is_whole.then_some(entries))
    }

    fn number(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    fn set(&mut self, at: usize, value: u64) {
        if let Some(place) = self.bytes.get_mut(at..at + 8) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// With its own checksum counting as zero.
    fn checksum(&self) -> u32 {
        let mut covered = self.bytes.clone();
        covered.truncate(self.header_bytes);
        if let Some(place) = covered.get_mut(field::CHECKSUM..field::CHECKSUM + 4) {
            place.fill(0);
        }
        crc32(&covered)
    }

    /// The sector, with the checksum that it must have.
    fn sealed(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let checksum = self.checksum().to_le_bytes();
        if let Some(place) = bytes.get_mut(field::CHECKSUM..field::CHECKSUM + 4) {
            place.copy_from_slice(&checksum);
        }
        bytes
    }
}

/// Has the MBR that protects a disk up to one last sector protect it up to another one. False if it
/// says something else: then it is left as it is.
fn set_protected(mbr: &mut [u8], last: u64, other_last: u64) -> bool {
    let told = |last: u64| u32::try_from(last).unwrap_or(u32::MAX);
    let entry = FIRST_MBR_ENTRY;
    let is_usual = mbr.get(entry + 4) == Some(&PROTECTIVE)
        && number32(mbr, entry + 8) == 1
        && number32(mbr, entry + 12) == told(last);
    match mbr.get_mut(entry + 12..entry + 16) {
        Some(place) if is_usual => {
            place.copy_from_slice(&told(other_last).to_le_bytes());
            true
        }
        _ => false,
    }
}

fn read(medium: &dyn Volume, offset: u64, length: u64) -> Result<Vec<u8>, VolumeError> {
    let mut buffer = AlignedBuffer::new(to_usize(length));
    medium.read_at(&mut buffer, offset)?;
    Ok(buffer.to_vec())
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// CRC-32 of IEEE 802.3, bit by bit: it is used for some kilobytes, once.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |value: u32| (value >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(value & 1));
    let value = bytes.iter().fold(u32::MAX, |value, byte| {
        (0..8).fold(value ^ u32::from(*byte), |value, _| step(value))
    });
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_of_checksums_agrees() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn only_an_mbr_that_says_what_it_should_is_changed() {
        let mut mbr = vec![0; 512];
        mbr[450] = PROTECTIVE;
        mbr[454] = 1;
        mbr[458..462].copy_from_slice(&99_u32.to_le_bytes());
        assert!(!set_protected(&mut mbr.clone(), 98, 199));
        assert!(set_protected(&mut mbr, 99, u64::MAX));
        assert_eq!(number32(&mbr, 458), u32::MAX);
        mbr[450] = 0x83;
        assert!(!set_protected(&mut mbr, u64::MAX, 99));
        assert!(!set_protected(&mut [0; 3], 1, 2));
    }
}
