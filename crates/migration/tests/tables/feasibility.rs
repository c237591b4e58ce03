//! Every condition of the feasibility checks, one at a time, on servers with nothing else to find.

use std::fmt::Write as _;

use rehost_migration::feasibility::{
    LinuxMembers, Registered, Verdict, WindowsMembers, passed, run,
};
use rehost_migration::inventory::{Disk, GIB, Inventory, MIB, OsFamily, Volume};

use crate::compare;

type Change = fn(&mut Registered);

fn disk(name: &str) -> Disk {
    Disk {
        name: name.into(),
        size_bytes: 40 * GIB,
        used_bytes: 10 * GIB,
        partition_style: "GPT".into(),
        partitions: vec![Volume {
            name: format!("{name}1"),
            size_bytes: 39 * GIB,
            used_bytes: 10 * GIB,
            ..Volume::default()
        }],
        ..Disk::default()
    }
}

fn good(family: OsFamily) -> Registered {
    let text = |text: &str| Some(text.to_owned());
    let mut source = Registered {
        family: Some(family),
        inventory: Inventory {
            family,
            disks: vec![disk("/dev/vda"), disk("/dev/vdb")],
            volume_groups: Vec::new(),
        },
        os_version: text("DEBIAN_12_64BIT"),
        firmware: text("UEFI"),
        cpu_quantity: Some(4),
        memory: Some(4 * GIB),
        linux: LinuxMembers {
            boot_loader: text("GRUB"),
            has_rsync: Some(true),
            paravirtualization: Some(false),
            raw_devices: text(""),
            io_read_wait_ms: Some(2.0),
            tells_volumes: true,
        },
        windows: WindowsMembers {
            system_dir: text("C:\\Windows"),
            driver_files_missing: Some(false),
            services_abnormal: Some(false),
            account_rights: Some(true),
            oem_system: Some(false),
        },
    };
    source.inventory.disks[0].system = true;
    source.inventory.disks[0].partitions[0].file_system = match family {
        OsFamily::Linux => "ext4".into(),
        OsFamily::Windows => "NTFS".into(),
    };
    source
}

/// Conditions of every server.
const COMMON: [(&str, Change); 17] = [
    ("nothing", |_| {}),
    ("`os_type` unknown", |s| s.family = None),
    ("`firmware` absent", |s| s.firmware = None),
    ("`firmware` unknown", |s| s.firmware = Some("OPEN".into())),
    ("`cpu_quantity` 0", |s| s.cpu_quantity = Some(0)),
    ("`memory` below 512 MB, in bytes", |s| {
        s.memory = Some(256 * MIB)
    }),
    ("`memory` below 512 MB, in MB", |s| s.memory = Some(256)),
    ("no disk", |s| s.inventory.disks.clear()),
    ("no disk with a name and a size", |s| {
        s.inventory.disks.truncate(1);
        s.inventory.disks[0].size_bytes = 0;
    }),
    ("more than 23 disks", |s| {
        s.inventory.disks = (0..24)
            .map(|number| disk(&format!("/dev/disk{number}")))
            .collect();
    }),
    ("two disks of one name", |s| {
        s.inventory.disks[1].name = "/dev/vda".into()
    }),
    ("the system disk is not the first", |s| {
        s.inventory.disks.reverse()
    }),
    ("a disk says to use more than it has", |s| {
        s.inventory.disks[1].used_bytes = 41 * GIB;
    }),
    ("the system disk is above 1 TB", |s| {
        s.inventory.disks[0].size_bytes = 1025 * GIB;
    }),
    ("another disk is above 1 TB", |s| {
        s.inventory.disks[1].size_bytes = 1025 * GIB;
    }),
    ("a partition table that is neither MBR nor GPT", |s| {
        s.inventory.disks[1].partition_style = "BSD".into();
    }),
    ("an unknown file system", |s| {
        s.inventory.disks[1].partitions[0].file_system = "zfs".into();
    }),
];

const LINUX: [(&str, Change); 12] = [
    ("`os_version` absent", |s| s.os_version = None),
    ("`paravirtualization` true", |s| {
        s.linux.paravirtualization = Some(true)
    }),
    ("`paravirtualization` absent", |s| {
        s.linux.paravirtualization = None
    }),
    ("`boot_loader` LILO", |s| {
        s.linux.boot_loader = Some("LILO".into())
    }),
    ("`boot_loader` absent", |s| s.linux.boot_loader = None),
    ("`has_rsync` false", |s| s.linux.has_rsync = Some(false)),
    ("`has_rsync` absent", |s| s.linux.has_rsync = None),
    ("`raw_devices` not empty", |s| {
        s.linux.raw_devices = Some("/dev/raw/raw1".into())
    }),
    ("`raw_devices` absent", |s| s.linux.raw_devices = None),
    ("`volume_groups` or `btrfs_list` absent", |s| {
        s.linux.tells_volumes = false
    }),
    ("partitions without a partition table", |s| {
        s.inventory.disks[1].partition_style.clear();
    }),
    ("`io_read_wait` above 50 ms", |s| {
        s.linux.io_read_wait_ms = Some(51.0)
    }),
];

const WINDOWS: [(&str, Change); 10] = [
    ("`system_dir` absent", |s| s.windows.system_dir = None),
    ("a volume with less than 320 MB free", |s| {
        s.inventory.disks[0].partitions[0].used_bytes = 39 * GIB - 319 * MIB;
    }),
    ("a small volume with less than 40 MB free", |s| {
        let part = &mut s.inventory.disks[0].partitions[0];
        (part.size_bytes, part.used_bytes) = (500 * MIB, 461 * MIB);
    }),
    ("`oem_system` true", |s| s.windows.oem_system = Some(true)),
    ("`driver_files` true (some are missing)", |s| {
        s.windows.driver_files_missing = Some(true);
    }),
    ("`driver_files` absent", |s| {
        s.windows.driver_files_missing = None
    }),
    ("`system_services` true (one is abnormal)", |s| {
        s.windows.services_abnormal = Some(true);
    }),
    ("`system_services` absent", |s| {
        s.windows.services_abnormal = None
    }),
    ("`account_rights` false", |s| {
        s.windows.account_rights = Some(false)
    }),
    ("`account_rights` absent", |s| {
        s.windows.account_rights = None
    }),
];

fn rows(
    family: OsFamily,
    conditions: impl Iterator<Item = &'static (&'static str, Change)>,
) -> String {
    let mut rows = String::new();
    for (condition, change) in conditions {
        let mut source = good(family);
        change(&mut source);
        let checks = run(&source);
        // What is found on every server is told above the table.
        let always = run(&good(family));
        let failed = checks
            .iter()
            .filter(|check| check.verdict() != Verdict::Ok && !always.contains(check));
        let state = if passed(&checks) {
            "waiting"
        } else {
            "unavailable"
        };
        let mut found = 0;
        for check in failed {
            let finding = check.finding.as_ref().unwrap();
            writeln!(
                rows,
                "| {condition} | {} | {} | {} | {} | {state} |",
                check.name,
                finding.verdict.as_str(),
                finding.code,
                finding.params.join(", ")
            )
            .unwrap();
            found += 1;
        }
        if found == 0 {
            writeln!(rows, "| {condition} | (none) | OK | | | {state} |").unwrap();
        }
    }
    rows
}

fn names(family: OsFamily) -> String {
    let names: Vec<_> = run(&good(family)).iter().map(|check| check.name).collect();
    names.join(", ")
}

#[test]
fn the_table_of_feasibility_is_as_checked_in() {
    let head =
        "| found | check | result | code | params | source server |\n|---|---|---|---|---|---|\n";
    let (linux, windows) = (OsFamily::Linux, OsFamily::Windows);
    compare(
        "feasibility.md",
        &format!(
            "# Feasibility checks\n\n\
             Written by a test; see `src/feasibility` for the reasons. What each condition leads to, alone.\n\n\
             ## Linux\n\nChecks: {}.\n\n{head}{}\n\
             ## Windows\n\nChecks: {}.\n\nOS_VERSION always warns, because what runs on Windows cannot be frozen.\n\n{head}{}",
            names(linux),
            rows(linux, COMMON.iter().chain(&LINUX)),
            names(windows),
            rows(windows, COMMON.iter().chain(&WINDOWS)),
        ),
    );
}

#[test]
fn the_checks_are_those_of_sms() {
    assert_eq!(
        names(OsFamily::Linux),
        "OS_VERSION, DISK_USED_SIZE, CPU, MEMORY, PARAVIRTUALIZATION, FIRMWARE, BOOT_LOADER, RSYNC, \
         RAW_DEVICES, DISK_INFO, PARTITION_STYLE, FILE_SYSTEM, DISK_PERFORMANCES"
    );
    assert_eq!(
        names(OsFamily::Windows),
        "OS_VERSION, FIRMWARE, CPU, MEMORY, SYSTEM_ROOT, PARTITION_STYLE, FILE_SYSTEM, FREE_SPACE, \
         OEM_SYSTEM, DRIVER_FILE, SERVICE, ACCOUNT_RIGHTS"
    );
}

#[test]
fn the_gravest_finding_counts() {
    let mut source = good(OsFamily::Linux);
    source.linux.tells_volumes = false;
    source.inventory.disks.reverse();
    let checks = run(&source);
    let disks = checks
        .iter()
        .find(|check| check.name == "DISK_INFO")
        .unwrap();
    assert_eq!(disks.finding.as_ref().unwrap().code, "SMS.6532");
    assert!(!passed(&checks));
}
