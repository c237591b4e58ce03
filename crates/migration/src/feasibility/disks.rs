//! What is checked of disks, whatever the operating system.

use std::collections::HashSet;

use super::{Finding, error, names, warning_of};
use crate::inventory::{Disk, GIB, Inventory, Volume};

/// Disks that a target can take: 24 slots less one (SMS, limits).
pub(super) const MAX_DISKS: usize = 23;
/// A larger disk takes long (SMS: a warning above 1 TB).
const LARGE_BYTES: u64 = 1024 * GIB;

/// What makes the disks as a whole impossible to migrate.
pub(super) fn impossible(inventory: &Inventory) -> [Option<Finding>; 4] {
    let usable: Vec<&Disk> = inventory
        .disks
        .iter()
        .filter(|disk| disk.is_usable())
        .collect();
    let mut seen = HashSet::new();
    let twice = usable.iter().find(|disk| !seen.insert(&disk.name));
    let system = usable.iter().position(|disk| disk.system);
    [
        usable
            .is_empty()
            .then(|| error("SMS.6519", Vec::new()))
            .flatten(),
        (usable.len() > MAX_DISKS)
            .then(|| error("SMS.6519", vec![usable.len().to_string()]))
            .flatten(),
        twice.and_then(|disk| error("SMS.6519", vec![disk.name.clone()])),
        // The target starts from its first disk.
        system
            .filter(|at| *at > 0)
            .and_then(|at| usable.get(at))
            .and_then(|disk| error("SMS.6532", vec![disk.name.clone()])),
    ]
}

/// Large disks: those that take long, and those that say to be fuller than they are large.
pub(super) fn sizes(inventory: &Inventory) -> [Option<Finding>; 3] {
    let of = |wrong: &dyn Fn(&Disk) -> bool| {
        let disks = inventory.disks.iter().filter(|disk| wrong(disk));
        names(disks.map(|disk| disk.name.as_str()))
    };
    let large = |disk: &Disk| disk.size_bytes > LARGE_BYTES;
    [
        warning_of(of(&|disk| disk.used_bytes > disk.size_bytes), "SMS.6538"),
        warning_of(of(&|disk| large(disk) && disk.system), "SMS.6537"),
        warning_of(of(&|disk| large(disk) && !disk.system), "SMS.6543"),
    ]
}

/// Disks with partitions whose table is neither MBR nor GPT, or was not told.
pub(super) fn odd_tables(inventory: &Inventory) -> Option<Finding> {
    let odd = |disk: &&Disk| {
        let known = ["MBR", "GPT"]
            .iter()
            .any(|style| disk.partition_style.eq_ignore_ascii_case(style));
        !known && (!disk.partition_style.is_empty() || is_partitioned(disk))
    };
    let disks = inventory.disks.iter().filter(odd);
    warning_of(names(disks.map(|disk| disk.name.as_str())), "SMS.6508")
}

/// A disk with a file system but no table is shown as its own partition.
fn is_partitioned(disk: &Disk) -> bool {
    disk.partitions.iter().any(|part| part.name != disk.name)
}

/// Volumes with another file system than those that are known.
pub(super) fn odd_file_systems(inventory: &Inventory, known: &[&str]) -> Option<Finding> {
    let odd = |volume: &&Volume| {
        let known = known
            .iter()
            .any(|known| volume.file_system.eq_ignore_ascii_case(known));
        !known && !volume.file_system.is_empty()
    };
    let odd = volumes(inventory).filter(odd);
    warning_of(names(odd.map(|volume| volume.name.as_str())), "SMS.6509")
}

/// All partitions and logical volumes.
pub(super) fn volumes(inventory: &Inventory) -> impl Iterator<Item = &Volume> {
    let partitions = inventory.disks.iter().flat_map(|disk| &disk.partitions);
    let logical = inventory
        .volume_groups
        .iter()
        .flat_map(|group| &group.volumes);
    partitions.chain(logical)
}

/// The styles of the partition tables, as parameters of a check.
pub(super) fn styles(inventory: &Inventory) -> Vec<String> {
    names(
        inventory
            .disks
            .iter()
            .map(|disk| disk.partition_style.as_str())
            .filter(|style| !style.is_empty()),
    )
}

/// The file systems, as parameters of a check: each once.
pub(super) fn file_systems(inventory: &Inventory) -> Vec<String> {
    let mut seen = HashSet::new();
    names(
        volumes(inventory)
            .map(|volume| volume.file_system.as_str())
            .filter(|name| !name.is_empty() && seen.insert(*name)),
    )
}
