//! Names that systems use for devices, and what they mean on the machine that holds the copy.

use super::*;
use crate::sysfs::Partition;

fn disk(index: u32, source: &str, now: &str, partitions: &[u32]) -> (TargetDisk, BlockDevice) {
    let target = TargetDisk {
        index,
        serial: format!("rehost-{index}"),
        source_name: source.into(),
    };
    let partitions = partitions.iter().map(|number| Partition {
        kernel_name: format!("{now}{number}"),
        number: *number,
        is_held: false,
    });
    let device = BlockDevice {
        kernel_name: now.into(),
        partitions: partitions.collect(),
        ..BlockDevice::default()
    };
    (target, device)
}

fn signature(fields: &[(&str, &str)]) -> Signature {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    fields.collect()
}

fn seen() -> Seen {
    let mapped = |name: &str| BlockDevice {
        kernel_name: "dm-0".into(),
        mapped_name: Some(name.into()),
        ..BlockDevice::default()
    };
    let signatures = [
        ("/dev/vda", signature(&[("PART_TABLE_TYPE", "gpt")])),
        (
            "/dev/vda1",
            signature(&[
                ("FS_TYPE", "vfat"),
                ("FS_UUID_ENC", "12AB-34CD"),
                ("PART_ENTRY_TYPE", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
                ("PART_ENTRY_UUID", "0a-0b"),
            ]),
        ),
        (
            "/dev/vda2",
            signature(&[("PART_ENTRY_TYPE", "21686148-6449-6E6F-744E-656564454649")]),
        ),
        (
            "/dev/vdb1",
            signature(&[
                ("FS_TYPE", "ext4"),
                ("FS_LABEL_ENC", "data"),
                ("FS_UUID_ENC", "cc"),
            ]),
        ),
        (
            "/dev/mapper/v--g-root",
            signature(&[
                ("FS_TYPE", "xfs"),
                ("FS_UUID_ENC", "dd"),
                ("FS_LABEL_ENC", "../../x"),
            ]),
        ),
    ];
    Seen {
        disks: vec![
            disk(0, "/dev/nvme0n1", "vda", &[1, 2]),
            disk(1, "/dev/vda", "vdb", &[1]),
        ],
        made: vec![
            (mapped("v--g-root"), Vec::new()),
            (
                BlockDevice {
                    is_snapshot: true,
                    ..mapped("v--g-before")
                },
                Vec::new(),
            ),
            (
                BlockDevice {
                    kernel_name: "md127".into(),
                    ..BlockDevice::default()
                },
                vec!["/dev/md0".into()],
            ),
        ],
        signatures: signatures
            .map(|(path, fields)| (path.into(), fields))
            .into(),
    }
}

fn path_of_name(devices: &Devices, name: &str) -> Result<String, String> {
    devices
        .find(name)
        .map(|index| devices.all[index].path.clone())
}

#[test]
fn every_way_to_name_a_device_finds_it() {
    let devices = seen().into_devices();
    for (name, path) in [
        ("UUID=12ab-34cd", "/dev/vda1"),
        ("UUID=\"12AB-34CD\"", "/dev/vda1"),
        ("PARTUUID=0A-0B", "/dev/vda1"),
        ("/dev/disk/by-partuuid/0a-0b", "/dev/vda1"),
        ("/dev/nvme0n1p1", "/dev/vda1"),
        ("LABEL=data", "/dev/vdb1"),
        ("/dev/disk/by-label/data", "/dev/vdb1"),
        ("/dev/mapper/v--g-root", "/dev/mapper/v--g-root"),
        ("/dev/v-g/root", "/dev/mapper/v--g-root"),
        ("/dev/md0", "/dev/md127"),
    ] {
        assert_eq!(path_of_name(&devices, name).as_deref(), Ok(path), "{name}");
    }
}

#[test]
fn old_names_mean_the_sources_disks_and_not_those_that_are_called_so_now() {
    let devices = seen().into_devices();
    // The source's /dev/vda is its second disk, which is /dev/vdb here.
    assert_eq!(
        path_of_name(&devices, "/dev/vda1").as_deref(),
        Ok("/dev/vdb1")
    );
    assert_eq!(
        path_of_name(&devices, "/dev/vdb1").unwrap_err(),
        "no device on the disks is /dev/vdb1"
    );
}

#[test]
fn a_name_that_two_devices_have_is_refused_and_both_are_named() {
    let mut seen = seen();
    let twin = seen.signatures["/dev/vdb1"].clone();
    seen.signatures.insert("/dev/md127".into(), twin);
    let error = path_of_name(&seen.into_devices(), "UUID=cc").unwrap_err();
    assert_eq!(error, "UUID=cc may be any of /dev/vdb1, /dev/md127");
}

#[test]
fn fixups_learn_what_is_where() {
    let devices = seen().into_devices();
    let root = devices.find("/dev/v-g/root").unwrap();
    let facts = devices.facts(&[(root, "/".into()), (root, "/home".into())]);
    let disk = &facts.disks[0];
    assert_eq!(disk.path, "/dev/vda");
    assert_eq!(disk.partition_style, Some(PartitionStyle::Gpt));
    assert!(disk.has_bios_boot_partition);
    assert_eq!(disk.efi_system_partition.as_deref(), Some("/dev/vda1"));
    assert_eq!(facts.disks[1].partition_style, None);

    let places: Vec<_> = facts
        .volumes
        .iter()
        .filter(|volume| volume.uuid.as_deref() == Some("dd"))
        .map(|volume| volume.mount_point.as_deref())
        .collect();
    assert_eq!(places, [Some("/"), Some("/home")]);
    assert_eq!(facts.volumes[0].mount_point, None);
    let volumes: Vec<_> = facts
        .logical_volumes
        .iter()
        .map(|volume| (volume.group.as_str(), volume.name.as_str()))
        .collect();
    assert_eq!(volumes, [("v-g", "root"), ("v-g", "before")]);
}

#[test]
fn links_are_made_only_of_what_cannot_be_a_path() {
    let device = Device::new(
        "/dev/vda1".into(),
        Some(&signature(&[
            ("FS_UUID_ENC", "../../../init"),
            ("PART_ENTRY_UUID", "0a-0b"),
        ])),
    );
    assert_eq!(device.links(), ["by-partuuid/0a-0b"]);
}

#[test]
fn names_of_device_mapper_are_taken_apart_at_the_single_dash() {
    let names = |mapped: &str| logical_volume(mapped).map(|volume| (volume.group, volume.name));
    let some = |group: &str, name: &str| Some((group.to_owned(), name.to_owned()));
    assert_eq!(names("vg-root"), some("vg", "root"));
    assert_eq!(names("my--vg-a--b"), some("my-vg", "a-b"));
    assert_eq!(names("luks"), None);
    assert_eq!(names("vg--"), None);
}
