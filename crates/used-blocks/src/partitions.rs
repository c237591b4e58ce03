//! Partition tables: which bytes of a disk belong to them, and which to partitions.
//!
//! A table is believed only if all of it makes sense. Space that no partition claims is for the caller
//! to keep: boot loaders and firmware live there.

mod gpt;
mod mbr;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::{Extents, Medium, Unmapped};

const WHAT: &str = "partition table";
/// Sizes of the sectors in which tables count. Which it is, the medium does not tell.
const SECTOR_BYTES: [u64; 2] = [512, 4096];
/// More than any tool makes.
const MAX_PARTITIONS: usize = 1024;

/// A table that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionTable {
    /// Sectors of the table itself, and of its copies.
    pub(crate) own: Extents,
    /// In ascending order; they do not overlap.
    pub(crate) partitions: Vec<Partition>,
}

/// A part of a disk that the table hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// In bytes.
    pub(crate) range: Range<u64>,
    /// Its type says that what looks like a file system there is none, or not all: boot loaders, and
    /// disk managers that share it out to volumes of their own.
    pub(crate) is_opaque: bool,
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

/// The table of a disk, or nothing if there is none.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if there is something that is taken for a table by others but makes no
/// sense: then nobody can say what lies where.
pub(crate) fn read_table(disk: &dyn Medium) -> Result<Option<PartitionTable>, Unmapped> {
    let mbr = mbr::read_sector(disk)?;
    let headers = gpt::find(disk)?;
    match (headers.as_slice(), mbr) {
        ([], None) => Ok(None),
        ([], Some(mbr)) if mbr.is_protective() => Err(inconsistent(
            "the MBR refers to a GPT, which is missing or damaged: repair it with gdisk",
        )),
        ([], Some(mbr)) => mbr::read_table(disk, &mbr),
        // A GPT without the MBR that protects it is not looked at by everybody.
        ([_, ..], None) => Err(inconsistent("there is a GPT without a protective MBR")),
        ([gpt], Some(mbr)) if mbr.is_protective() => {
            let table = gpt::read_table(disk, gpt)?;
            let hybrid = mbr.partitions(gpt.sector_bytes);
            check_hybrid(&table, &hybrid)?;
            Ok(Some(table))
        }
        ([_], Some(_)) => Err(inconsistent("there are both a GPT and an MBR of its own")),
        ([_, _, ..], Some(_)) => Err(inconsistent(
            "there are GPTs for sectors of 512 and of 4096 bytes",
        )),
    }
}

/// Partitions that a hybrid MBR repeats must be those of the GPT.
fn check_hybrid(table: &PartitionTable, hybrid: &[Range<u64>]) -> Result<(), Unmapped> {
    let overlap = |one: &Range<u64>, other: &Range<u64>| {
        one.start < other.end && other.start < one.end && one != other
    };
    let partitions = &table.partitions;
    let is_sound = hybrid.iter().all(|range| {
        !partitions
            .iter()
            .any(|partition| overlap(&partition.range, range))
    });
    if is_sound {
        Ok(())
    } else {
        Err(inconsistent(
            "MBR and GPT disagree about where partitions lie",
        ))
    }
}

/// A table of these partitions, if they make sense.
fn checked(
    own: Extents,
    mut partitions: Vec<Partition>,
    size_bytes: u64,
) -> Result<PartitionTable, Unmapped> {
    partitions.sort_by_key(|partition| partition.range.start);
    let overlap = |pair: &[Partition]| match pair {
        [one, next] => next.range.start < one.range.end,
        _ => false,
    };
    if partitions.len() > MAX_PARTITIONS {
        return Err(inconsistent("it has more partitions than anybody needs"));
    }
    if partitions.windows(2).any(overlap) {
        return Err(inconsistent("partitions overlap"));
    }
    if partitions
        .last()
        .is_some_and(|last| last.range.end > size_bytes)
    {
        return Err(inconsistent(
            "a partition reaches beyond the end of the disk",
        ));
    }
    let holds_table = |partition: &Partition| own.overlapping(partition.range.clone()).count() > 0;
    if partitions.iter().any(holds_table) {
        return Err(inconsistent("a partition contains the table itself"));
    }
    Ok(PartitionTable { own, partitions })
}
