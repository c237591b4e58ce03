//! GUID partition tables (UEFI specification, chapter 5): two headers, each with an array of entries,
//! wherever they say that these are.

use std::ops::Range;

use rehost_volumes::to_usize;

use crate::crc::{CRC32, agrees};
use crate::fields::{le32, le64, read};
use crate::{Extents, Medium, Unmapped};

use super::{Partition, PartitionTable, SECTOR_BYTES, checked, inconsistent};

const SIGNATURE: &[u8] = b"EFI PART";
const MIN_HEADER_BYTES: usize = 92;
/// An array of 1024 entries of 512 bytes; the usual is 128 of 128 bytes.
const MAX_ARRAY_BYTES: u64 = 512 << 10;
/// Types of partitions that are not to be looked into: BIOS boot of GRUB, PReP; data and metadata of
/// dynamic disks, and storage spaces, of Windows.
const OPAQUE: [u128; 5] = [
    0x2168_6148_6449_6e6f_744e_6565_6445_4649,
    0x9e1a_2d38_c612_4316_aa26_8b49_521e_5a8b,
    0xaf9b_60a0_1431_4f62_bc68_3311_714a_69ad,
    0x5808_c8aa_7e8f_42e0_85d2_e1e9_0434_cfb3,
    0xe75c_af8f_f680_4cee_afa3_b001_e56e_fc2d,
];

/// A header whose checksum is right.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) sector_bytes: u64,
    own_sector: u64,
    other_sector: u64,
    usable: Range<u64>,
    array_sector: u64,
    entries: u64,
    entry_bytes: u64,
    array_checksum: u32,
}

/// Primary headers, one for each size of sectors at which there is one.
///
/// # Errors
/// [`Unmapped::Read`].
pub(super) fn find(disk: &dyn Medium) -> Result<Vec<Header>, Unmapped> {
    let mut found = Vec::new();
    for sector_bytes in SECTOR_BYTES {
        found.extend(read_header(disk, sector_bytes, 1)?);
    }
    Ok(found)
}

fn read_header(
    disk: &dyn Medium,
    sector_bytes: u64,
    sector: u64,
) -> Result<Option<Header>, Unmapped> {
    let sectors = disk.size_bytes() / sector_bytes;
    if sector >= sectors {
        return Ok(None);
    }
    let bytes = read(disk, sector * sector_bytes, to_usize(sector_bytes))?;
    let header_bytes = to_usize(le32(&bytes, 12).into());
    let is_long_enough = (MIN_HEADER_BYTES..=bytes.len()).contains(&header_bytes);
    if !bytes.starts_with(SIGNATURE) || !is_long_enough {
        return Ok(None);
    }
    let mut covered = bytes.clone();
    covered.truncate(header_bytes);
    if let Some(checksum) = covered.get_mut(16..20) {
        checksum.fill(0);
    }
    if !agrees(!CRC32.update(!0, &covered), le32(&bytes, 16)) || le64(&bytes, 24) != sector {
        return Ok(None);
    }
    Ok(Some(Header {
        sector_bytes,
        own_sector: sector,
        other_sector: le64(&bytes, 32),
        usable: le64(&bytes, 40)..le64(&bytes, 48).saturating_add(1),
        array_sector: le64(&bytes, 72),
        entries: le32(&bytes, 80).into(),
        entry_bytes: le32(&bytes, 84).into(),
        array_checksum: le32(&bytes, 88),
    }))
}

impl Header {
    fn array_bytes(&self) -> u64 {
        self.entries * self.entry_bytes
    }

    /// What the header and its array occupy, in bytes.
    fn own(&self, size_bytes: u64) -> Result<[Range<u64>; 2], Unmapped> {
        let header = self.own_sector * self.sector_bytes;
        let start = self.array_sector.checked_mul(self.sector_bytes);
        let end = start.and_then(|start| start.checked_add(self.array_bytes()));
        match (start, end) {
            (Some(start), Some(end)) if end <= size_bytes => {
                Ok([header..header + self.sector_bytes, start..end])
            }
            _ => Err(inconsistent(
                "the array of a GPT lies beyond the end of the disk",
            )),
        }
    }
}

/// The partitions of a GPT.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if it makes no sense.
pub(super) fn read_table(disk: &dyn Medium, header: &Header) -> Result<PartitionTable, Unmapped> {
    let size_bytes = disk.size_bytes();
    let is_sound = header.entry_bytes.is_power_of_two()
        && header.entry_bytes >= 128
        && header.entries > 0
        && header.array_bytes() <= MAX_ARRAY_BYTES;
    if !is_sound {
        return Err(inconsistent("the header of the GPT makes no sense"));
    }
    let [own, array] = header.own(size_bytes)?;
    let bytes = read(disk, array.start, to_usize(array.end - array.start))?;
    if !agrees(!CRC32.update(!0, &bytes), header.array_checksum) {
        return Err(inconsistent("the checksum of the GPT's entries is wrong"));
    }
    let mut tables = vec![0..header.sector_bytes, own, array];
    // The copy is where the header says, which is not the end if the disk has grown. A damaged one is
    // no table; it lies in space that belongs to no partition, and so is kept all the same.
    if let Some(copy) = read_header(disk, header.sector_bytes, header.other_sector)?
        && copy.array_bytes() == header.array_bytes()
    {
        tables.extend(copy.own(size_bytes)?);
    }

    let mut partitions = Vec::new();
    for entry in bytes.chunks_exact(to_usize(header.entry_bytes)) {
        if entry.iter().take(16).all(|byte| *byte == 0) {
            continue;
        }
        let (first, last) = (le64(entry, 32), le64(entry, 40));
        if first > last || first < header.usable.start || last >= header.usable.end {
            return Err(inconsistent(
                "a partition lies outside of what the GPT may hand out",
            ));
        }
        let start = first.checked_mul(header.sector_bytes);
        let end = last
            .checked_add(1)
            .and_then(|end| end.checked_mul(header.sector_bytes));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(inconsistent(
                "a partition reaches beyond the end of the disk",
            ));
        };
        partitions.push(Partition {
            range: start..end,
            is_opaque: OPAQUE.contains(&guid(entry)),
        });
    }
    checked(Extents::from_unordered(tables), partitions, size_bytes)
}

/// A GUID as it is written: its first three numbers are little-endian on disk.
fn guid(bytes: &[u8]) -> u128 {
    let time = u128::from(le32(bytes, 0)) << 96;
    let rest = u64::from(le32(bytes, 4));
    let middle = u128::from(rest & 0xffff) << 80 | u128::from(rest >> 16) << 64;
    let last = u128::from(crate::fields::be64(bytes, 8));
    time | middle | last
}
