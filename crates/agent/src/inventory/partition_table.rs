//! Partitions of a disk, read from its first sectors: GPT (UEFI 2.10, 5.3) and MBR.
//!
//! The reader describes a disk to people and to the feasibility checks; nothing is copied by it.
//! So it reads what is there and leaves out what makes no sense, and it does not check the sums of
//! a GPT: a damaged table is copied as it is. Every number comes from a foreign disk and is bounded
//! before it is used.

use rehost_volumes::Volume;

/// Kind of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// GUID partition table.
    Gpt,
    /// The table of the master boot record.
    Mbr,
}

impl TableKind {
    /// As SMS spells it.
    #[must_use]
    pub const fn sms_name(self) -> &'static str {
        match self {
            Self::Gpt => "GPT",
            Self::Mbr => "MBR",
        }
    }
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionTable {
    /// Its kind.
    pub kind: TableKind,
    /// Its partitions, without empty entries and extended partitions.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Number as the kernel counts, from 1.
    pub number: u32,
    /// Where it starts, in bytes.
    pub start_bytes: u64,
    /// How long it is, in bytes.
    pub size_bytes: u64,
    /// Whether it is an EFI system partition.
    pub efi_system: bool,
}

const MAX_GPT_ENTRIES: u32 = 1024;
const MAX_LOGICAL_PARTITIONS: u32 = 128;
/// C12A7328-F81F-11D2-BA4B-00A0C93EC93B in the byte order of the disk.
const EFI_SYSTEM: [u8; 16] = [
    0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
];

/// Reads `length` bytes at `offset`, or nothing if the volume does not have or give them.
pub(crate) fn read(volume: &dyn Volume, offset: u64, length: usize) -> Option<Vec<u8>> {
    let end = offset.checked_add(length as u64)?;
    if end > volume.size_bytes() {
        return None;
    }
    let mut bytes = vec![0; length];
    volume
        .read_at(&mut bytes, offset)
        .inspect_err(|error| tracing::warn!(%error, "a disk cannot be described in full"))
        .ok()?;
    Some(bytes)
}

/// The partition table of a disk; `None` if there is none.
pub(crate) fn read_table(disk: &dyn Volume) -> Option<PartitionTable> {
    // The header lies in the second sector, and sectors have one of two sizes.
    [512, 4096]
        .into_iter()
        .find_map(|sector| read_gpt(disk, sector))
        .or_else(|| read_mbr(disk))
}

fn read_gpt(disk: &dyn Volume, sector: u64) -> Option<PartitionTable> {
    let header = read(disk, sector, 512)?;
    if !header.starts_with(b"EFI PART") {
        return None;
    }
    let entries_at = u64_at(&header, 72)?.checked_mul(sector)?;
    let count = u32_at(&header, 80)?.min(MAX_GPT_ENTRIES);
    let entry_size = usize::try_from(u32_at(&header, 84)?).ok()?;
    if !(128..=4096).contains(&entry_size) {
        return None;
    }
    let entries = read(disk, entries_at, entry_size * usize::try_from(count).ok()?)?;
    let partitions = (1..)
        .zip(entries.chunks_exact(entry_size))
        .filter_map(|(number, entry)| {
            let kind = entry.get(..16)?;
            let (first, last) = (u64_at(entry, 32)?, u64_at(entry, 40)?);
            let sectors = last.checked_sub(first)?.checked_add(1)?;
            let efi_system = kind == EFI_SYSTEM;
            (kind != [0; 16])
                .then(|| partition(disk, number, first, sectors, sector, efi_system))?
        });
    Some(PartitionTable {
        kind: TableKind::Gpt,
        partitions: partitions.collect(),
    })
}

fn read_mbr(disk: &dyn Volume) -> Option<PartitionTable> {
    const SECTOR: u64 = 512;
    let boot_record = read(disk, 0, 512)?;
    let entries = mbr_entries(&boot_record)?;
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        if entry.is_extended() {
            let first = u64::from(entry.first);
            read_logical(disk, first, &mut partitions);
        } else if entry.sectors > 0 {
            let (first, sectors) = (entry.first.into(), entry.sectors.into());
            partitions.extend(partition(
                disk,
                number,
                first,
                sectors,
                SECTOR,
                entry.kind == 0xEF,
            ));
        }
    }
    partitions.sort_by_key(|partition| partition.number);
    (!partitions.is_empty()).then_some(PartitionTable {
        kind: TableKind::Mbr,
        partitions,
    })
}

/// Follows the chain of extended boot records; each describes one logical partition and where the
/// next record is. The kernel counts logical partitions from 5.
fn read_logical(disk: &dyn Volume, extended: u64, partitions: &mut Vec<Partition>) {
    const SECTOR: u64 = 512;
    let mut record_at = extended;
    for number in 5..5 + MAX_LOGICAL_PARTITIONS {
        let Some(record) = record_at
            .checked_mul(SECTOR)
            .and_then(|at| read(disk, at, 512))
        else {
            return;
        };
        let Some([logical, next, ..]) = mbr_entries(&record) else {
            return;
        };
        if logical.sectors > 0 {
            let first = record_at + u64::from(logical.first);
            let efi_system = logical.kind == 0xEF;
            let sectors = logical.sectors.into();
            partitions.extend(partition(disk, number, first, sectors, SECTOR, efi_system));
        }
        if !next.is_extended() || next.first == 0 {
            return;
        }
        record_at = extended + u64::from(next.first);
    }
}

#[derive(Clone, Copy)]
struct MbrEntry {
    kind: u8,
    first: u32,
    sectors: u32,
}

impl MbrEntry {
    const fn is_extended(self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }
}

/// The four entries; `None` if the sector is none of a table. The boot sector of a file system has
/// the same signature but text or code where the entries would be, hence the look at the flags.
fn mbr_entries(sector: &[u8]) -> Option<[MbrEntry; 4]> {
    if sector.get(510..512)? != [0x55, 0xAA] {
        return None;
    }
    let mut entries = [MbrEntry {
        kind: 0,
        first: 0,
        sectors: 0,
    }; 4];
    for (entry, bytes) in entries
        .iter_mut()
        .zip(sector.get(446..510)?.chunks_exact(16))
    {
        if bytes[0] & 0x7F != 0 {
            return None;
        }
        if bytes[4] != 0 {
            *entry = MbrEntry {
                kind: bytes[4],
                first: u32_at(bytes, 8)?,
                sectors: u32_at(bytes, 12)?,
            };
        }
    }
    Some(entries)
}

/// A partition, if it lies on the disk.
fn partition(
    disk: &dyn Volume,
    number: u32,
    first: u64,
    sectors: u64,
    sector: u64,
    efi_system: bool,
) -> Option<Partition> {
    let start_bytes = first.checked_mul(sector)?;
    let size_bytes = sectors.checked_mul(sector)?;
    let fits = start_bytes.checked_add(size_bytes)? <= disk.size_bytes();
    fits.then_some(Partition {
        number,
        start_bytes,
        size_bytes,
        efi_system,
    })
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(offset..offset + 8)?.try_into().ok()?,
    ))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(offset..offset + 4)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// A disk of 8 MiB with these bytes at these offsets.
    fn table(parts: &[(u64, &[u8])]) -> Option<PartitionTable> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.img");
        let file = File::create(&path).unwrap();
        file.set_len(8 << 20).unwrap();
        for (offset, bytes) in parts {
            file.write_all_at(bytes, *offset).unwrap();
        }
        read_table(&*rehost_volumes::open_source(&path).unwrap())
    }

    fn mbr(entries: &[(u8, u32, u32)]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        for (index, (kind, first, sectors)) in entries.iter().enumerate() {
            let entry = &mut sector[446 + 16 * index..][..16];
            entry[4] = *kind;
            entry[8..12].copy_from_slice(&first.to_le_bytes());
            entry[12..16].copy_from_slice(&sectors.to_le_bytes());
        }
        sector[510..].copy_from_slice(&[0x55, 0xAA]);
        sector
    }

    fn gpt(entries_at: u64, count: u32, entry_size: u32) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..8].copy_from_slice(b"EFI PART");
        header[72..80].copy_from_slice(&entries_at.to_le_bytes());
        header[80..84].copy_from_slice(&count.to_le_bytes());
        header[84..88].copy_from_slice(&entry_size.to_le_bytes());
        header
    }

    fn gpt_entry(kind: [u8; 16], first: u64, last: u64) -> Vec<u8> {
        let mut entry = vec![0; 128];
        entry[..16].copy_from_slice(&kind);
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
        entry
    }

    #[test]
    fn a_gpt_is_read_past_its_protective_mbr_for_both_sector_sizes() {
        for sector in [512_u64, 4096] {
            let entries = [
                gpt_entry(EFI_SYSTEM, 256, 511),
                vec![0; 128],
                gpt_entry([7; 16], 512, 1023),
            ];
            let found = table(&[
                (0, &mbr(&[(0xEE, 1, u32::MAX)])),
                (sector, &gpt(2, 128, 128)),
                (2 * sector, &entries.concat()),
            ])
            .unwrap();
            assert_eq!(found.kind, TableKind::Gpt);
            let expected = [
                Partition {
                    number: 1,
                    start_bytes: 256 * sector,
                    size_bytes: 256 * sector,
                    efi_system: true,
                },
                Partition {
                    number: 3,
                    start_bytes: 512 * sector,
                    size_bytes: 512 * sector,
                    efi_system: false,
                },
            ];
            assert_eq!(found.partitions, expected);
        }
    }

    #[test]
    fn an_mbr_with_logical_partitions_is_read() {
        let found = table(&[
            (0, &mbr(&[(0x83, 64, 100), (0x05, 1000, 5000)])),
            (1000 * 512, &mbr(&[(0x83, 10, 20), (0x05, 100, 50)])),
            (1100 * 512, &mbr(&[(0x82, 10, 30)])),
        ])
        .unwrap();
        assert_eq!(found.kind, TableKind::Mbr);
        let numbers: Vec<_> = found
            .partitions
            .iter()
            .map(|p| (p.number, p.start_bytes / 512, p.size_bytes / 512))
            .collect();
        assert_eq!(numbers, [(1, 64, 100), (5, 1010, 20), (6, 1110, 30)]);
    }

    #[test]
    fn hostile_tables_neither_panic_nor_last_forever() {
        // A chain of records that leads back to its beginning.
        let circle = table(&[
            (0, &mbr(&[(0x05, 1000, 5000)])),
            (512_000, &mbr(&[(0x83, 1, 1), (0x05, 100, 1)])),
            (563_200, &mbr(&[(0x83, 1, 1), (0x05, 100, 1)])),
        ]);
        assert_eq!(circle.unwrap().partitions.len(), 128);
        assert_eq!(table(&[(512, &gpt(u64::MAX, u32::MAX, 128))]), None);
        assert_eq!(table(&[(512, &gpt(2, 4, u32::MAX))]), None);
        let backwards = table(&[
            (512, &gpt(2, 1, 128)),
            (1024, &gpt_entry([1; 16], u64::MAX, 0)),
        ]);
        assert_eq!(backwards.unwrap().partitions, []);
        assert_eq!(table(&[(0, &mbr(&[(0x83, 64, u32::MAX)]))]), None);
    }

    #[test]
    fn a_boot_sector_of_a_file_system_is_no_table() {
        let mut sector = mbr(&[(0x83, 64, 100)]);
        sector[446..462].copy_from_slice(b"no bootable disk");
        assert_eq!(table(&[(0, &sector)]), None);
        assert_eq!(table(&[]), None);
    }
}
