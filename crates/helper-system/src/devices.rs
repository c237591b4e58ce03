//! What the disks hold, and which of it a name means: `UUID=..`, `/dev/vg/root`, or the name that
//! the source knew a partition by, which no longer exists. Pure: what was seen comes in, and nothing
//! is looked up here.

use std::collections::BTreeMap;

use rehost_boot_fixups::{
    DiskFact, DiskFacts, LogicalVolume, PartitionStyle, TargetDisk, VolumeFact,
};

use crate::sysfs::BlockDevice;

/// The type of a partition for the first stage of a boot loader, on a disk that BIOS starts from.
const BIOS_BOOT: &str = "21686148-6449-6e6f-744e-656564454649";
/// The types of an EFI system partition: on GPT, and in the older table.
const EFI_SYSTEM: &[&str] = &["c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef"];

/// What `blkid` saw on a device: names such as `FS_TYPE` or `PART_ENTRY_UUID`, and values.
pub(crate) type Signature = BTreeMap<String, String>;

/// A device that may hold a file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device {
    /// What it is called now, such as `/dev/vda1` or `/dev/mapper/vg-root`.
    pub(crate) path: String,
    /// Its type in the words of `blkid`; empty if nothing was recognised.
    pub(crate) file_system: String,
    uuid: Option<String>,
    label: Option<String>,
    partition_uuid: Option<String>,
    partition_label: Option<String>,
    disk_index: Option<u32>,
    /// What the source called it, by the kind of device that it is.
    source_names: Vec<String>,
}

/// Everything that was found on the disks of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Devices {
    pub(crate) all: Vec<Device>,
    disks: Vec<DiskFact>,
    logical_volumes: Vec<LogicalVolume>,
}

/// What is seen of a machine's block devices, before it means anything.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The disks of the request.
    pub(crate) disks: Vec<(TargetDisk, BlockDevice)>,
    /// What volume managers made of them, with the names that arrays have: `/dev/md0`.
    pub(crate) made: Vec<(BlockDevice, Vec<String>)>,
    /// Signatures by path.
    pub(crate) signatures: BTreeMap<String, Signature>,
}

impl Seen {
    /// The paths of devices that may hold something of their own.
    pub(crate) fn to_be_probed(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for (_, disk) in &self.disks {
            paths.push(node(&disk.kernel_name));
            let partitions = disk.partitions.iter();
            paths.extend(partitions.map(|partition| node(&partition.kernel_name)));
        }
        paths.extend(self.made.iter().map(|(device, _)| path_of(device)));
        paths
    }

    /// Makes sense of it.
    pub(crate) fn into_devices(self) -> Devices {
        let mut devices = Devices::default();
        for (target, disk) in &self.disks {
            let path = node(&disk.kernel_name);
            let signature = self.signatures.get(&path);
            let of_type = |wanted: &[&str]| {
                disk.partitions
                    .iter()
                    .map(|partition| node(&partition.kernel_name))
                    .find(|path| {
                        let kind = self
                            .signatures
                            .get(path)
                            .and_then(|found| found.get("PART_ENTRY_TYPE"));
                        kind.is_some_and(|kind| wanted.contains(&kind.to_lowercase().as_str()))
                    })
            };
            devices.disks.push(DiskFact {
                index: target.index,
                partition_style: signature.and_then(partition_style),
                has_bios_boot_partition: of_type(&[BIOS_BOOT]).is_some(),
                efi_system_partition: of_type(EFI_SYSTEM),
                path: path.clone(),
            });
            if disk.partitions.is_empty() && !disk.is_held {
                devices.all.push(Device {
                    disk_index: Some(target.index),
                    source_names: vec![target.source_name.clone()],
                    ..Device::new(path, signature)
                });
            }
            for partition in disk
                .partitions
                .iter()
                .filter(|partition| !partition.is_held)
            {
                let path = node(&partition.kernel_name);
                let signature = self.signatures.get(&path);
                devices.all.push(Device {
                    disk_index: Some(target.index),
                    source_names: vec![partition_name(&target.source_name, partition.number)],
                    ..Device::new(path, signature)
                });
            }
        }
        for (device, names) in &self.made {
            let volume = device.mapped_name.as_deref().and_then(logical_volume);
            let mut source_names = names.clone();
            if let Some(volume) = volume.filter(|_| !device.is_held) {
                source_names.push(format!("/dev/{}/{}", volume.group, volume.name));
                devices.logical_volumes.push(volume);
            }
            // A snapshot looks like what it was taken of, and no system starts from one.
            if device.is_held || device.is_snapshot {
                continue;
            }
            let path = path_of(device);
            let signature = self.signatures.get(&path);
            devices.all.push(Device {
                source_names,
                ..Device::new(path, signature)
            });
        }
        devices
    }
}

impl Device {
    fn new(path: String, signature: Option<&Signature>) -> Self {
        let field = |name: &str| {
            signature?
                .get(name)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        Self {
            file_system: field("FS_TYPE").unwrap_or_default(),
            uuid: field("FS_UUID_ENC"),
            label: field("FS_LABEL_ENC"),
            partition_uuid: field("PART_ENTRY_UUID"),
            partition_label: field("PART_ENTRY_NAME"),
            path,
            ..Self::default()
        }
    }

    fn is_named(&self, name: &Name<'_>) -> bool {
        let is = |own: &Option<String>, wanted: &str| own.as_deref() == Some(wanted);
        // Systems write these in upper and in lower case.
        let is_id = |own: &Option<String>, wanted: &str| {
            own.as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(wanted))
        };
        match name {
            Name::Uuid(uuid) => is_id(&self.uuid, uuid),
            Name::PartitionUuid(uuid) => is_id(&self.partition_uuid, uuid),
            Name::Label(label) => is(&self.label, label),
            Name::PartitionLabel(label) => is(&self.partition_label, label),
            // What the source called something comes first: its /dev/vda may be our /dev/vdb.
            Name::Path(path) => {
                self.source_names.iter().any(|own| own == path)
                    || self.disk_index.is_none() && self.path == *path
            }
        }
    }

    fn fact(&self, mount_point: Option<String>) -> VolumeFact {
        VolumeFact {
            mount_point,
            device: self.path.clone(),
            file_system: self.file_system.clone(),
            uuid: self.uuid.clone(),
            label: self.label.clone(),
            partition_uuid: self.partition_uuid.clone(),
            partition_label: self.partition_label.clone(),
            disk_index: self.disk_index,
        }
    }

    /// Symbolic links that udev would make, which programs of the copied system look for: below
    /// `/dev/disk`.
    pub(crate) fn links(&self) -> Vec<String> {
        let is_plain = |id: &&String| {
            let mut letters = id.bytes();
            letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
        };
        let uuid = self.uuid.iter().map(|uuid| ("by-uuid", uuid));
        let partition = self.partition_uuid.iter().map(|uuid| ("by-partuuid", uuid));
        uuid.chain(partition)
            .filter(|(_, id)| is_plain(id))
            .map(|(folder, id)| format!("{folder}/{id}"))
            .collect()
    }
}

impl Devices {
    /// The device that a name means, by its position in `all`.
    ///
    /// # Errors
    /// If nothing has this name, or several things; the text is for people.
    pub(crate) fn find(&self, name: &str) -> Result<usize, String> {
        let parsed = Name::parse(name);
        let found: Vec<usize> = (0..self.all.len())
            .filter(|index| self.all[*index].is_named(&parsed))
            .collect();
        match found.as_slice() {
            [] => Err(format!("no device on the disks is {name}")),
            [only] => Ok(*only),
            several => {
                let paths: Vec<&str> = several
                    .iter()
                    .map(|index| self.all[*index].path.as_str())
                    .collect();
                Err(format!("{name} may be any of {}", paths.join(", ")))
            }
        }
    }

    /// What fix-ups want to know. `mounts` says where devices are mounted in the copied system; one
    /// may be in several places.
    pub(crate) fn facts(&self, mounts: &[(usize, String)]) -> DiskFacts {
        let mut volumes = Vec::new();
        for (index, device) in self.all.iter().enumerate() {
            let places = mounts.iter().filter(|(mounted, _)| *mounted == index);
            let before = volumes.len();
            volumes.extend(places.map(|(_, place)| device.fact(Some(place.clone()))));
            if volumes.len() == before {
                volumes.push(device.fact(None));
            }
        }
        DiskFacts {
            disks: self.disks.clone(),
            volumes,
            logical_volumes: self.logical_volumes.clone(),
        }
    }
}

/// A way to name a device.
#[derive(Debug, PartialEq, Eq)]
enum Name<'a> {
    Uuid(&'a str),
    Label(&'a str),
    PartitionUuid(&'a str),
    PartitionLabel(&'a str),
    Path(&'a str),
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Self {
        type Make<'a> = fn(&'a str) -> Name<'a>;
        let kinds: [(&str, &str, Make<'a>); 4] = [
            ("UUID=", "/dev/disk/by-uuid/", Name::Uuid),
            ("LABEL=", "/dev/disk/by-label/", Name::Label),
            ("PARTUUID=", "/dev/disk/by-partuuid/", Name::PartitionUuid),
            (
                "PARTLABEL=",
                "/dev/disk/by-partlabel/",
                Name::PartitionLabel,
            ),
        ];
        kinds
            .into_iter()
            .find_map(|(tag, folder, make)| {
                let value = name
                    .strip_prefix(tag)
                    .or_else(|| name.strip_prefix(folder))?;
                Some(make(value.trim_matches(['"', '\''])))
            })
            .unwrap_or(Self::Path(name))
    }
}

fn node(kernel_name: &str) -> String {
    format!("/dev/{kernel_name}")
}

/// The name of a device by which programs of the copied system know it.
fn path_of(device: &BlockDevice) -> String {
    match &device.mapped_name {
        Some(name) => format!("/dev/mapper/{name}"),
        None => node(&device.kernel_name),
    }
}

/// The name of a partition, from that of its disk: `/dev/sda1`, `/dev/nvme0n1p1`.
fn partition_name(disk: &str, number: u32) -> String {
    let separator = if disk.ends_with(|last: char| last.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    format!("{disk}{separator}{number}")
}

fn partition_style(signature: &Signature) -> Option<PartitionStyle> {
    match signature.get("PART_TABLE_TYPE")?.as_str() {
        "dos" => Some(PartitionStyle::Mbr),
        "gpt" => Some(PartitionStyle::Gpt),
        _ => None,
    }
}

/// Group and volume in a name of device mapper: the two are joined by a dash, and their own dashes
/// are doubled.
fn logical_volume(mapped_name: &str) -> Option<LogicalVolume> {
    let bytes = mapped_name.as_bytes();
    let mut position = 0;
    while position < bytes.len() {
        if bytes[position] != b'-' {
            position += 1;
        } else if bytes.get(position + 1) == Some(&b'-') {
            position += 2;
        } else {
            let plain = |part: &str| part.replace("--", "-");
            return Some(LogicalVolume {
                group: plain(mapped_name.get(..position)?),
                name: plain(mapped_name.get(position + 1..)?),
            });
        }
    }
    None
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
