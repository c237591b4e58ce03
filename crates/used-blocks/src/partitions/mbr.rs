//! Partition tables in the master boot record, with logical partitions in a chain of tables.

use std::ops::Range;

use crate::fields::{le32, read};
use crate::view::View;
use crate::{Extents, Medium, Unmapped, signature};

use super::{MAX_PARTITIONS, Partition, PartitionTable, SECTOR_BYTES, checked, inconsistent};

/// A table is in the first 512 bytes of a sector, whatever its size.
const TABLE_BYTES: usize = 512;
const ENTRIES_AT: usize = 446;
const ENTRY_BYTES: usize = 16;

/// A boot loader of PowerPC machines, and a dynamic disk of Windows.
const TYPES_OPAQUE: [u8; 2] = [0x41, 0x42];
const TYPE_GPT: u8 = 0xee;
/// Two for partitions that begin within and beyond 8 GiB, and the one of Linux.
const TYPES_EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];

/// The four entries of a table that may be one.
#[derive(Clone, Debug)]
pub(super) struct Table([Entry; 4]);

#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: u8,
    /// In sectors.
    start: u64,
    /// In sectors.
    length: u64,
}

impl Entry {
    fn is_empty(self) -> bool {
        self.kind == 0 || self.length == 0
    }

    fn is_extended(self) -> bool {
        TYPES_EXTENDED.contains(&self.kind)
    }

    /// Sectors are counted in 32 bits, so that this cannot overflow.
    fn range(self, base: u64, sector_bytes: u64) -> Range<u64> {
        let start = base + self.start * sector_bytes;
        start..start + self.length * sector_bytes
    }
}

impl Table {
    /// Nothing if the kernel would not take it for a table either: a boot sector of a file system
    /// has the same mark, and code where the entries would be.
    fn parse(sector: &[u8]) -> Option<Self> {
        if sector.get(510..512) != Some(&[0x55, 0xaa]) {
            return None;
        }
        let entry = |number: usize| &sector[ENTRIES_AT + number * ENTRY_BYTES..];
        if (0..4).any(|number| entry(number)[0] & 0x7f != 0) {
            return None;
        }
        Some(Self(std::array::from_fn(|number| Entry {
            kind: entry(number)[4],
            start: le32(entry(number), 8).into(),
            length: le32(entry(number), 12).into(),
        })))
    }

    fn used(&self) -> impl Iterator<Item = Entry> {
        self.0.into_iter().filter(|entry| !entry.is_empty())
    }

    /// Whether it says that there is a GPT.
    pub(super) fn is_protective(&self) -> bool {
        self.used().any(|entry| entry.kind == TYPE_GPT)
    }

    /// What it names beside a GPT, in bytes.
    pub(super) fn partitions(&self, sector_bytes: u64) -> Vec<Range<u64>> {
        let real = self.used().filter(|entry| entry.kind != TYPE_GPT);
        real.map(|entry| entry.range(0, sector_bytes)).collect()
    }
}

/// The table in the first sector, if it has any entry.
///
/// # Errors
/// [`Unmapped::Read`].
pub(super) fn read_sector(disk: &dyn Medium) -> Result<Option<Table>, Unmapped> {
    if disk.size_bytes() < TABLE_BYTES as u64 {
        return Ok(None);
    }
    let table = Table::parse(&read(disk, 0, TABLE_BYTES)?);
    Ok(table.filter(|table| table.used().next().is_some()))
}

/// The partitions of an MBR.
///
/// It does not say how large the sectors are in which it counts. They have 512 bytes on all but a few
/// disks. If there is something known where larger ones put the partitions, nobody can tell.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if it makes no sense.
pub(super) fn read_table(
    disk: &dyn Medium,
    mbr: &Table,
) -> Result<Option<PartitionTable>, Unmapped> {
    let [usual, large] = SECTOR_BYTES.map(|sector_bytes| read_in(disk, mbr, sector_bytes));
    let usual = usual?;
    if large.is_ok_and(|large| has_content(disk, &large)) {
        return Err(inconsistent(
            "it may count in sectors of 512 or of 4096 bytes",
        ));
    }
    Ok(Some(usual))
}

fn has_content(disk: &dyn Medium, table: &PartitionTable) -> bool {
    let disk = View::disk(0, disk);
    table.partitions.iter().any(|partition| {
        let part = View::part(&disk, &partition.range);
        !matches!(signature::identify(&*part), Ok(None))
    })
}

fn read_in(disk: &dyn Medium, mbr: &Table, sector_bytes: u64) -> Result<PartitionTable, Unmapped> {
    let mut own: Vec<Range<u64>> = std::iter::once(0..sector_bytes).collect();
    let mut partitions = Vec::new();
    let mut extended = None;
    for entry in mbr.used() {
        let range = entry.range(0, sector_bytes);
        if !entry.is_extended() {
            partitions.push(Partition {
                range,
                is_opaque: TYPES_OPAQUE.contains(&entry.kind),
            });
        } else if extended.replace(range).is_some() {
            return Err(inconsistent("there are two extended partitions"));
        }
    }
    if let Some(extended) = extended {
        let outside = |partition: &Partition| {
            partition.range.end <= extended.start || extended.end <= partition.range.start
        };
        if !partitions.iter().all(outside) {
            return Err(inconsistent("a partition overlaps the extended one"));
        }
        read_logical(disk, &extended, sector_bytes, &mut own, &mut partitions)?;
    }
    checked(Extents::from_unordered(own), partitions, disk.size_bytes())
}

/// Follows the chain: each table names one partition, counted from itself, and the next table, counted
/// from the start of the extended partition.
fn read_logical(
    disk: &dyn Medium,
    extended: &Range<u64>,
    sector_bytes: u64,
    own: &mut Vec<Range<u64>>,
    partitions: &mut Vec<Partition>,
) -> Result<(), Unmapped> {
    if extended.end > disk.size_bytes() {
        return Err(inconsistent(
            "the extended partition reaches beyond the end of the disk",
        ));
    }
    let mut at = Some(extended.start);
    let mut tables = 0;
    while let Some(table_at) = at.take() {
        tables += 1;
        let lies_within = extended.contains(&table_at) && table_at + sector_bytes <= extended.end;
        if !lies_within || tables > MAX_PARTITIONS {
            return Err(inconsistent("the chain of logical partitions has no end"));
        }
        own.push(table_at..table_at + sector_bytes);
        let Some(table) = Table::parse(&read(disk, table_at, TABLE_BYTES)?) else {
            // New disks have an extended partition with nothing in it.
            if tables == 1 {
                return Ok(());
            }
            return Err(inconsistent("the chain of logical partitions is broken"));
        };
        for entry in table.used() {
            if entry.is_extended() {
                let next = entry.range(extended.start, sector_bytes).start;
                if at.replace(next).is_some() {
                    return Err(inconsistent("the chain of logical partitions is forked"));
                }
                continue;
            }
            let range = entry.range(table_at, sector_bytes);
            if range.start < extended.start || range.end > extended.end {
                return Err(inconsistent("a logical partition leaves the extended one"));
            }
            partitions.push(Partition {
                range,
                is_opaque: TYPES_OPAQUE.contains(&entry.kind),
            });
        }
    }
    Ok(())
}
