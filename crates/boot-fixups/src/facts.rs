//! What the caller knows about disks and mounts, and what follows from it for a name of a device
//! that the copied system uses.
//!
//! Names such as `/dev/sda1` or `/dev/disk/by-path/...` belong to the old hardware. A name is
//! looked up by where the caller mounted it, then by the disk that the source called so.

use serde::{Deserialize, Serialize};

use crate::contract::TargetDisk;

/// What is known about the disks of the copied system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFacts {
    /// The disks.
    pub disks: Vec<DiskFact>,
    /// File systems, swap areas and other volumes with an identity, mounted or not.
    pub volumes: Vec<VolumeFact>,
    /// Logical volumes of LVM, which keep their names on any hardware.
    pub logical_volumes: Vec<LogicalVolume>,
}

/// How a disk is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionStyle {
    /// The table of the PC's first years.
    Mbr,
    /// GUID partition table.
    Gpt,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFact {
    /// Position among the target's disks, as in the request.
    pub index: u32,
    /// What it is called now, such as `/dev/vda`.
    pub path: String,
    /// How it is divided; none if a file system or a volume manager has it whole.
    pub partition_style: Option<PartitionStyle>,
    /// Whether a GPT has room for a boot loader of BIOS.
    pub has_bios_boot_partition: bool,
    /// The EFI system partition, such as `/dev/vda1`.
    pub efi_system_partition: Option<String>,
}

/// Something on a disk that can be named by what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFact {
    /// Where it is mounted in the system, such as `/boot`; none if it is not, or is swap.
    pub mount_point: Option<String>,
    /// What it is called now, such as `/dev/vda1` or `/dev/mapper/vg-root`.
    pub device: String,
    /// Its type in the words of `blkid`, such as `ext4`, `swap`, `vfat`.
    pub file_system: String,
    /// Its own UUID.
    pub uuid: Option<String>,
    /// Its own label.
    pub label: Option<String>,
    /// The UUID of its partition.
    pub partition_uuid: Option<String>,
    /// The name of its partition.
    pub partition_label: Option<String>,
    /// The disk that it lies on, if it lies on one alone.
    pub disk_index: Option<u32>,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalVolume {
    /// The volume group.
    pub group: String,
    /// The volume in it.
    pub name: String,
}

/// What a name in a configuration stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    /// Something on the target, by a name that holds on any hardware.
    Stable(Option<&'a VolumeFact>),
    /// Something on the target, by a name of the old hardware.
    ByDevice(&'a VolumeFact),
    /// A device that is not on the target.
    Missing,
    /// No block device: a network share, a pseudo file system, a file, removable media.
    Other,
}

impl DiskFacts {
    /// The volume that is mounted exactly there.
    pub(crate) fn mounted_at(&self, mount_point: &str) -> Option<&VolumeFact> {
        self.volumes
            .iter()
            .find(|volume| volume.mount_point.as_deref() == Some(mount_point))
    }

    /// The volume that holds the file or directory `path`.
    pub(crate) fn holder_of(&self, path: &str) -> Option<&VolumeFact> {
        self.volumes
            .iter()
            .filter_map(|volume| Some((volume.mount_point.as_deref()?, volume)))
            .filter(|(mount_point, _)| {
                *mount_point == "/"
                    || path
                        .strip_prefix(mount_point)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .max_by_key(|(mount_point, _)| mount_point.len())
            .map(|(_, volume)| volume)
    }

    /// The disk with this index.
    pub(crate) fn disk(&self, index: u32) -> Option<&DiskFact> {
        self.disks.iter().find(|disk| disk.index == index)
    }

    /// A name for `volume` that holds on any hardware: `UUID=...`, or `PARTUUID=...` where
    /// several volumes share a UUID, as snapshots do. None if it has none of its own.
    pub(crate) fn stable_name(&self, volume: &VolumeFact) -> Option<String> {
        let alone = |of: fn(&VolumeFact) -> Option<&str>| {
            let value = of(volume).filter(|value| is_identity(value))?;
            let same = |other: &&VolumeFact| of(other) == Some(value);
            let devices = self.volumes.iter().filter(same);
            devices
                .into_iter()
                .all(|other| other.device == volume.device)
                .then_some(value)
        };
        alone(|volume| volume.uuid.as_deref())
            .map(|uuid| format!("UUID={uuid}"))
            .or_else(|| {
                alone(|volume| volume.partition_uuid.as_deref())
                    .map(|uuid| format!("PARTUUID={uuid}"))
            })
    }

    /// What `name`, which the system mounts at `mount_point` if that is known, stands for.
    pub(crate) fn named<'a>(
        &'a self,
        name: &str,
        mount_point: Option<&str>,
        disks: &[TargetDisk],
    ) -> Named<'a> {
        let mounted = mount_point.and_then(|mount_point| self.mounted_at(mount_point));
        if let Some(found) = self.named_by_tag(name) {
            return match (found, mounted) {
                (Some(volume), _) | (None, Some(volume)) => Named::Stable(Some(volume)),
                (None, None) => Named::Missing,
            };
        }
        let Some(device) = name.strip_prefix("/dev/") else {
            return Named::Other;
        };
        if self.is_logical_volume(device) {
            return Named::Stable(mounted.or_else(|| self.by_path(name)));
        }
        if device.starts_with("md") || device.starts_with("mapper/") {
            return match mounted.or_else(|| self.by_path(name)) {
                // Such as a multipath device that is an ordinary disk here.
                Some(volume) if volume.disk_index.is_some() => Named::ByDevice(volume),
                Some(volume) => Named::Stable(Some(volume)),
                None => Named::Missing,
            };
        }
        let of_old_hardware = device.starts_with("disk/by-") || split_partition(device).is_some();
        if !of_old_hardware {
            return mounted.map_or(Named::Other, Named::ByDevice);
        }
        mounted
            .or_else(|| self.by_source_name(device, disks))
            .map_or(Named::Missing, Named::ByDevice)
    }

    /// For names that hold on any hardware: the volume, or that there is none. None for others.
    fn named_by_tag(&self, name: &str) -> Option<Option<&VolumeFact>> {
        type Of = fn(&VolumeFact) -> Option<&str>;
        let uuid: Of = |volume| volume.uuid.as_deref();
        let label: Of = |volume| volume.label.as_deref();
        let partition_uuid: Of = |volume| volume.partition_uuid.as_deref();
        let partition_label: Of = |volume| volume.partition_label.as_deref();
        let tags = [
            ("UUID=", uuid),
            ("/dev/disk/by-uuid/", uuid),
            ("LABEL=", label),
            ("/dev/disk/by-label/", label),
            ("PARTUUID=", partition_uuid),
            ("/dev/disk/by-partuuid/", partition_uuid),
            ("PARTLABEL=", partition_label),
            ("/dev/disk/by-partlabel/", partition_label),
        ];
        tags.into_iter().find_map(|(prefix, of)| {
            let value = name.strip_prefix(prefix)?.trim_matches('"');
            Some(
                self.volumes.iter().find(|volume| {
                    of(volume).is_some_and(|found| found.eq_ignore_ascii_case(value))
                }),
            )
        })
    }

    fn is_logical_volume(&self, device: &str) -> bool {
        self.logical_volumes.iter().any(|volume| {
            let mapped = format!(
                "{}-{}",
                volume.group.replace('-', "--"),
                volume.name.replace('-', "--")
            );
            device == format!("{}/{}", volume.group, volume.name)
                || device.strip_prefix("mapper/") == Some(&mapped)
                || device.strip_prefix("disk/by-id/dm-name-") == Some(&mapped)
        }) || device.starts_with("disk/by-id/dm-uuid-LVM-")
    }

    fn by_path(&self, path: &str) -> Option<&VolumeFact> {
        self.volumes.iter().find(|volume| volume.device == path)
    }

    fn by_source_name(&self, device: &str, disks: &[TargetDisk]) -> Option<&VolumeFact> {
        let (disk, number) = split_partition(device)?;
        let index = disks
            .iter()
            .find(|known| known.source_name.strip_prefix("/dev/") == Some(disk))?
            .index;
        let now = &self.disk(index)?.path;
        let path = match number {
            None => now.clone(),
            Some(number) if now.ends_with(|last: char| last.is_ascii_digit()) => {
                format!("{now}p{number}")
            }
            Some(number) => format!("{now}{number}"),
        };
        self.by_path(&path)
    }
}

/// Whether a UUID can be written into a configuration as it is: it was read from a foreign disk.
fn is_identity(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 64
        && value
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
}

/// Cuts `sda1` into `sda` and `1`, `nvme0n1p2` into `nvme0n1` and `2`. None if it is not the name
/// of a disk or a partition of one.
fn split_partition(device: &str) -> Option<(&str, Option<&str>)> {
    let digits_at = device
        .rfind(|letter: char| !letter.is_ascii_digit())
        .map_or(0, |last| last + 1);
    let (stem, digits) = device.split_at(digits_at);
    let number = (!digits.is_empty()).then_some(digits);
    for kind in ["sd", "vd", "xvd", "hd"] {
        if let Some(letters) = stem.strip_prefix(kind)
            && !letters.is_empty()
            && letters.bytes().all(|letter| letter.is_ascii_lowercase())
        {
            return Some((stem, number));
        }
    }
    if device.starts_with("nvme") || device.starts_with("mmcblk") {
        return match stem.strip_suffix('p') {
            Some(disk) if disk.ends_with(|last: char| last.is_ascii_digit()) => {
                Some((disk, number))
            }
            _ => Some((device, None)),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> (DiskFacts, Vec<TargetDisk>) {
        let volume = |device: &str, mount_point: Option<&str>, uuid: &str, disk| VolumeFact {
            mount_point: mount_point.map(Into::into),
            device: device.into(),
            file_system: "ext4".into(),
            uuid: Some(uuid.into()),
            disk_index: disk,
            ..VolumeFact::default()
        };
        let facts = DiskFacts {
            disks: vec![DiskFact {
                index: 0,
                path: "/dev/vdb".into(),
                partition_style: Some(PartitionStyle::Mbr),
                has_bios_boot_partition: false,
                efi_system_partition: None,
            }],
            volumes: vec![
                volume("/dev/vdb1", Some("/boot"), "aa", Some(0)),
                volume("/dev/vdb5", None, "bb", Some(0)),
                volume("/dev/mapper/v--g-root", Some("/"), "cc", None),
            ],
            logical_volumes: vec![LogicalVolume {
                group: "v-g".into(),
                name: "root".into(),
            }],
        };
        let disks = vec![TargetDisk {
            index: 0,
            serial: "rehost-0".into(),
            source_name: "/dev/nvme0n1".into(),
        }];
        (facts, disks)
    }

    #[test]
    fn old_names_are_found_by_mount_point_and_by_the_sources_name() {
        let (facts, disks) = facts();
        let of = |name, mount| facts.named(name, mount, &disks);
        assert_eq!(
            of("/dev/disk/by-path/pci-1-part1", Some("/boot")),
            Named::ByDevice(&facts.volumes[0])
        );
        assert_eq!(
            of("/dev/nvme0n1p5", None),
            Named::ByDevice(&facts.volumes[1])
        );
        assert_eq!(of("/dev/sdc1", Some("/srv")), Named::Missing);
        assert_eq!(of("UUID=dd", Some("/srv")), Named::Missing);
        assert_eq!(of("UUID=BB", None), Named::Stable(Some(&facts.volumes[1])));
        for name in ["/dev/v-g/root", "/dev/mapper/v--g-root"] {
            assert_eq!(of(name, None).stable_volume_device(), None, "{name}");
        }
        for name in ["tmpfs", "server:/export", "/swapfile", "/dev/cdrom"] {
            assert_eq!(of(name, Some("/mnt")), Named::Other, "{name}");
        }
    }

    impl Named<'_> {
        fn stable_volume_device(self) -> Option<String> {
            match self {
                Named::Stable(volume) => volume
                    .map(|volume| volume.device.clone())
                    .filter(|device| !device.starts_with("/dev/mapper/")),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_uuid_that_two_volumes_share_names_neither() {
        let (mut facts, _) = facts();
        assert_eq!(
            facts.stable_name(&facts.volumes[0]).as_deref(),
            Some("UUID=aa")
        );
        facts.volumes[1].uuid = Some("aa".into());
        assert_eq!(facts.stable_name(&facts.volumes[0]), None);
        facts.volumes[0].partition_uuid = Some("ab-01".into());
        assert_eq!(
            facts.stable_name(&facts.volumes[0]).as_deref(),
            Some("PARTUUID=ab-01")
        );
        facts.volumes[0].uuid = Some("x\n/dev/evil".into());
        assert_eq!(
            facts.stable_name(&facts.volumes[0]).as_deref(),
            Some("PARTUUID=ab-01")
        );
    }

    #[test]
    fn names_of_disks_and_partitions_are_told_apart() {
        for (name, expected) in [
            ("sda1", Some(("sda", Some("1")))),
            ("vdab", Some(("vdab", None))),
            ("xvda12", Some(("xvda", Some("12")))),
            ("nvme0n1", Some(("nvme0n1", None))),
            ("nvme0n1p2", Some(("nvme0n1", Some("2")))),
            ("mmcblk0p1", Some(("mmcblk0", Some("1")))),
            ("sr0", None),
            ("cdrom", None),
        ] {
            assert_eq!(split_partition(name), expected, "{name}");
        }
    }

    #[test]
    fn the_deepest_mount_holds_a_file() {
        let (facts, _) = facts();
        let holder = |path| &facts.holder_of(path).unwrap().device;
        assert_eq!(holder("/boot/grub"), "/dev/vdb1");
        assert_eq!(holder("/bootstrap"), "/dev/mapper/v--g-root");
    }
}
