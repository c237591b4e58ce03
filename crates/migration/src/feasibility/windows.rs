//! The checks of Windows servers. There is no agent of ours for them, but the control plane serves
//! any agent that speaks the protocol.

use super::{
    Check, Finding, Registered, check, disks, error, names, number, said, warning, warning_of,
};
use crate::inventory::{Inventory, MIB, Volume};

/// File systems that SMS knows on Windows; EFI system partitions have FAT.
const FILE_SYSTEMS: [&str; 4] = ["NTFS", "FAT", "FAT32", "RAW"];
/// Free space that a snapshot needs (SMS, limits): on larger volumes, and on smaller ones.
const FREE_ON_LARGE_BYTES: u64 = 320 * MIB;
const FREE_ON_SMALL_BYTES: u64 = 40 * MIB;
/// From this size on a volume counts as large.
const LARGE_VOLUME_BYTES: u64 = 600 * MIB;

pub(super) fn run(source: &Registered) -> Vec<Check> {
    let (inventory, windows) = (&source.inventory, &source.windows);
    let rights = match windows.account_rights {
        Some(true) => None,
        // Without them no disk can be read.
        Some(false) => error("SMS.6513", Vec::new()),
        None => warning(true, "SMS.6513"),
    };
    vec![
        // What runs on it cannot be frozen by an agent of ours.
        check(
            "OS_VERSION",
            said(&source.os_version),
            [warning(true, "SMS.6503")],
        ),
        super::firmware(source),
        super::cpu(source),
        super::memory(source),
        check(
            "SYSTEM_ROOT",
            said(&windows.system_dir),
            [warning(said(&windows.system_dir).is_empty(), "SMS.6507")],
        ),
        check(
            "PARTITION_STYLE",
            disks::styles(inventory),
            disks::impossible(inventory)
                .into_iter()
                .chain([disks::odd_tables(inventory)])
                .chain(disks::sizes(inventory)),
        ),
        check(
            "FILE_SYSTEM",
            disks::file_systems(inventory),
            [disks::odd_file_systems(inventory, &FILE_SYSTEMS)],
        ),
        check("FREE_SPACE", Vec::new(), [full_volumes(inventory)]),
        check(
            "OEM_SYSTEM",
            number(windows.oem_system),
            [warning(windows.oem_system == Some(true), "SMS.6510")],
        ),
        check(
            "DRIVER_FILE",
            number(windows.driver_files_missing),
            [warning(
                windows.driver_files_missing != Some(false),
                "SMS.6511",
            )],
        ),
        check(
            "SERVICE",
            number(windows.services_abnormal),
            [warning(
                windows.services_abnormal != Some(false),
                "SMS.6512",
            )],
        ),
        check("ACCOUNT_RIGHTS", number(windows.account_rights), [rights]),
    ]
}

/// Volumes without room for a snapshot. One whose use is not known counts as having it.
fn full_volumes(inventory: &Inventory) -> Option<Finding> {
    let full = |volume: &&Volume| {
        let needed_bytes = if volume.size_bytes >= LARGE_VOLUME_BYTES {
            FREE_ON_LARGE_BYTES
        } else {
            FREE_ON_SMALL_BYTES
        };
        volume.used_bytes > 0 && volume.size_bytes.saturating_sub(volume.used_bytes) < needed_bytes
    };
    let full = disks::volumes(inventory).filter(full);
    warning_of(names(full.map(|volume| volume.name.as_str())), "SMS.6611")
}
