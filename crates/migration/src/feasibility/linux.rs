//! The checks of Linux servers.
//!
//! Neither `tc` nor a list of kernels is checked, although SMS demands the members for them: Rehost
//! limits its rate and follows changes by itself.

use super::{Check, Registered, check, disks, names, number, said, warning};

/// File systems that SMS knows on Linux, and what else can be where one is.
const FILE_SYSTEMS: [&str; 8] = [
    "ext2",
    "ext3",
    "ext4",
    "vfat",
    "xfs",
    "btrfs",
    "swap",
    "LVM2_member",
];
/// Disks that answer more slowly are hardly able to be copied beside their work. SMS checks it but
/// names no figure.
const SLOW_READ_MS: f64 = 50.0;

pub(super) fn run(source: &Registered) -> Vec<Check> {
    let (inventory, linux) = (&source.inventory, &source.linux);
    let grub = linux
        .boot_loader
        .as_deref()
        .is_some_and(|loader| loader.eq_ignore_ascii_case("GRUB"));
    let used = inventory.disks.iter().map(|disk| disk.used_bytes);
    let used_bytes = used.fold(0_u64, u64::saturating_add);
    let slow = linux
        .io_read_wait_ms
        .is_some_and(|wait_ms| wait_ms > SLOW_READ_MS);
    let untold = warning(!linux.tells_volumes, "SMS.6519");
    vec![
        check(
            "OS_VERSION",
            said(&source.os_version),
            [warning(said(&source.os_version).is_empty(), "SMS.6503")],
        ),
        check(
            "DISK_USED_SIZE",
            vec![used_bytes.to_string()],
            disks::sizes(inventory),
        ),
        super::cpu(source),
        super::memory(source),
        check(
            "PARAVIRTUALIZATION",
            number(linux.paravirtualization),
            [warning(linux.paravirtualization != Some(false), "SMS.6515")],
        ),
        super::firmware(source),
        check(
            "BOOT_LOADER",
            said(&linux.boot_loader),
            [warning(!grub, "SMS.6516")],
        ),
        check(
            "RSYNC",
            number(linux.has_rsync),
            [warning(linux.has_rsync != Some(true), "SMS.6517")],
        ),
        check(
            "RAW_DEVICES",
            said(&linux.raw_devices),
            [warning(
                linux.raw_devices.as_deref() != Some(""),
                "SMS.6518",
            )],
        ),
        check(
            "DISK_INFO",
            names(inventory.disks.iter().map(|disk| disk.name.as_str())),
            disks::impossible(inventory).into_iter().chain([untold]),
        ),
        check(
            "PARTITION_STYLE",
            disks::styles(inventory),
            [disks::odd_tables(inventory)],
        ),
        check(
            "FILE_SYSTEM",
            disks::file_systems(inventory),
            [disks::odd_file_systems(inventory, &FILE_SYSTEMS)],
        ),
        check(
            "DISK_PERFORMANCES",
            number(linux.io_read_wait_ms),
            [warning(slow, "SMS.6547")],
        ),
    ]
}
