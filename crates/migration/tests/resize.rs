//! Choices and sizes of disks: what is possible, and the code of what is not.

use rehost_migration::inventory::{
    Choice, Disk, GIB, Inventory, MIB, OsFamily, Volume, VolumeGroup,
};
use rehost_migration::resize::{check_block_copy, check_choices};

type Change = fn(&mut Inventory);

fn volume(name: &str, gib: u64, used_gib: u64) -> Volume {
    Volume {
        name: name.into(),
        size_bytes: gib * GIB,
        used_bytes: used_gib * GIB,
        ..Volume::default()
    }
}

/// A system disk with a GPT, an MBR disk, and a volume group upon a third one.
fn inventory() -> Inventory {
    let disk = |name: &str, style: &str, partitions| Disk {
        name: name.into(),
        size_bytes: 40 * GIB,
        partition_style: style.into(),
        partitions,
        ..Disk::default()
    };
    Inventory {
        family: OsFamily::Linux,
        disks: vec![
            disk("/dev/vda", "GPT", vec![volume("/dev/vda1", 39, 10)]),
            disk("/dev/vdb", "MBR", vec![volume("/dev/vdb1", 40, 39)]),
            disk("/dev/vdc", "", vec![]),
        ],
        volume_groups: vec![VolumeGroup {
            name: "data".into(),
            size_bytes: 40 * GIB,
            components: vec!["/dev/vdc".into()],
            volumes: vec![volume("lv0", 20, 5), volume("lv1", 20, 5)],
            ..VolumeGroup::default()
        }],
    }
}

const OUT: Choice = Choice {
    wanted: false,
    adjusted_bytes: 0,
};

const fn sized(adjusted_bytes: u64) -> Choice {
    Choice {
        wanted: true,
        adjusted_bytes,
    }
}

fn codes(change: Change) -> (&'static str, &'static str) {
    let mut inventory = inventory();
    change(&mut inventory);
    let code = |checked: Result<(), rehost_migration::resize::ResizeError>| {
        checked.map_or_else(|error| error.code(), |()| "OK")
    };
    (
        code(check_choices(&inventory)),
        code(check_block_copy(&inventory)),
    )
}

/// What is changed, what any method says of it, and what a copy of blocks says.
#[test]
fn every_choice_has_its_answer() {
    let cases: [(&str, Change, &str, &str); 24] = [
        ("nothing", |_| {}, "OK", "OK"),
        (
            "a larger disk",
            |i| i.disks[0].choice = sized(80 * GIB),
            "OK",
            "OK",
        ),
        (
            "the same size",
            |i| i.disks[0].choice = sized(40 * GIB),
            "OK",
            "OK",
        ),
        (
            "a broken size",
            |i| i.disks[0].choice = sized(80 * GIB + 1),
            "SMS.6612",
            "SMS.6612",
        ),
        (
            "a disk below its partitions",
            |i| i.disks[0].choice = sized(30 * GIB),
            "SMS.6539",
            "SMS.6539",
        ),
        (
            "no room for the GPT",
            |i| i.disks[0].choice = sized(39 * GIB + 32 * MIB),
            "SMS.6613",
            "SMS.6613",
        ),
        (
            "room for the GPT",
            |i| i.disks[0].choice = sized(39 * GIB + 33 * MIB),
            "OK",
            "SMS.6611",
        ),
        (
            "a smaller partition and disk",
            |i| {
                i.disks[0].partitions[0].choice = sized(11 * GIB);
                i.disks[0].choice = sized(12 * GIB);
            },
            "OK",
            "SMS.6611",
        ),
        (
            "a partition below its use",
            |i| i.disks[0].partitions[0].choice = sized(11 * GIB - MIB),
            "SMS.6538",
            "SMS.6538",
        ),
        (
            "a full partition as it is",
            |i| i.disks[1].partitions[0].choice = sized(40 * GIB),
            "OK",
            "OK",
        ),
        (
            "a larger partition on a disk as it is",
            |i| i.disks[1].partitions[0].choice = sized(41 * GIB),
            "SMS.6539",
            "SMS.6539",
        ),
        (
            "a larger partition on a larger disk",
            |i| {
                i.disks[1].partitions[0].choice = sized(50 * GIB);
                i.disks[1].choice = sized(50 * GIB);
            },
            "OK",
            "OK",
        ),
        (
            "a larger GPT partition without room",
            |i| i.disks[0].partitions[0].choice = sized(40 * GIB),
            "SMS.6613",
            "SMS.6613",
        ),
        (
            "Windows, a smaller disk",
            |i| {
                i.family = OsFamily::Windows;
                i.disks[2].choice = sized(39 * GIB);
            },
            "SMS.6540",
            "SMS.6540",
        ),
        (
            "Windows, a smaller partition",
            |i| {
                i.family = OsFamily::Windows;
                i.disks[0].partitions[0].choice = sized(38 * GIB);
            },
            "SMS.6540",
            "SMS.6540",
        ),
        (
            "a larger Btrfs",
            |i| {
                i.disks[1].partitions[0].file_system = "btrfs".into();
                i.disks[1].partitions[0].choice = sized(50 * GIB);
            },
            "SMS.6509",
            "SMS.6509",
        ),
        (
            "a volume group below its volumes",
            |i| i.volume_groups[0].choice = sized(39 * GIB),
            "SMS.6541",
            "SMS.6541",
        ),
        (
            "a larger volume in a larger group",
            |i| {
                i.volume_groups[0].volumes[0].choice = sized(30 * GIB);
                i.volume_groups[0].choice = sized(50 * GIB);
            },
            "OK",
            "SMS.6541",
        ),
        ("a disk left out", |i| i.disks[1].choice = OUT, "OK", "OK"),
        (
            "a disk left out, with a size",
            |i| {
                i.disks[1].choice = Choice {
                    wanted: false,
                    adjusted_bytes: 7,
                };
            },
            "OK",
            "OK",
        ),
        (
            "the disk of a volume group left out",
            |i| i.disks[2].choice = OUT,
            "OK",
            "OK",
        ),
        (
            "a torn volume group",
            |i| {
                i.volume_groups[0].components = vec!["/dev/vdb1".into(), "/dev/vdc".into()];
                i.disks[2].choice = OUT;
            },
            "OK",
            "SMS.6541",
        ),
        (
            "a partition left out",
            |i| i.disks[0].partitions[0].choice = OUT,
            "OK",
            "SMS.6033",
        ),
        (
            "everything left out",
            |i| i.disks.iter_mut().for_each(|disk| disk.choice = OUT),
            "SMS.6519",
            "SMS.6519",
        ),
    ];
    for (name, change, any, blocks) in cases {
        assert_eq!(codes(change), (any, blocks), "{name}");
    }
}

#[test]
fn an_extended_partition_is_not_counted_twice() {
    let mut source = inventory();
    source.disks[1].partitions = vec![
        volume("/dev/vdb1", 10, 1),
        volume("/dev/vdb2", 30, 30),
        volume("/dev/vdb5", 30, 20),
    ];
    source.disks[1].choice = sized(50 * GIB);
    assert_eq!(check_block_copy(&source), Ok(()));
    source.disks[1].partitions[2].choice = sized(45 * GIB);
    assert_eq!(check_choices(&source).unwrap_err().code(), "SMS.6539");
}
