//! The disks of the running machine: `lsblk` says what there is, the mounts say what it is for.

use std::path::{Path, PathBuf};

use super::disk::{Disk, Part};
use super::lsblk::BlockDevice;
use super::lvm::LogicalVolume;
use super::partition_table::TableKind;
use crate::mounts::{Mount, Usage};

/// A logical volume with what is on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogicalContent {
    /// Type of the file system; empty if unknown.
    pub file_system: String,
    /// Where it is mounted; empty if it is not.
    pub mount_point: String,
    /// Bytes in use; all of them where nobody can tell.
    pub used_bytes: u64,
}

/// What is known of the machine's block devices. Pure: asking for the usage of a mount point is the
/// caller's.
pub(crate) struct LiveDisks<'a> {
    /// All devices, from `lsblk`.
    pub devices: &'a [BlockDevice],
    /// All mounts.
    pub mounts: &'a [Mount],
    /// How full a mounted file system is.
    pub usage: &'a dyn Fn(&Path) -> Option<Usage>,
}

impl LiveDisks<'_> {
    /// Every real disk, the system disk first (SMS wants it there) and else in the order of `lsblk`.
    pub(crate) fn disks(&self) -> Vec<Disk> {
        let mut disks: Vec<Disk> = self
            .devices
            .iter()
            .filter(|device| is_disk(device))
            .map(|disk| self.disk(disk))
            .collect();
        disks.sort_by_key(|disk| !disk.system);
        disks
    }

    /// What is on a logical volume. Device-mapper doubles the dashes of both names and joins them
    /// by one.
    pub(crate) fn content_of(&self, group: &str, volume: &LogicalVolume) -> LogicalContent {
        let doubled = |name: &str| name.replace('-', "--");
        let mapped = format!("/dev/mapper/{}-{}", doubled(group), doubled(&volume.name));
        let found = self
            .devices
            .iter()
            .find(|device| device.path == mapped || device.path == volume.path);
        found.map_or_else(
            || LogicalContent {
                used_bytes: volume.size_bytes,
                ..LogicalContent::default()
            },
            |device| LogicalContent {
                file_system: self.file_system(device),
                mount_point: self.mount_point(device).unwrap_or_default(),
                used_bytes: self.used_bytes(device, 0),
            },
        )
    }

    fn disk(&self, disk: &BlockDevice) -> Disk {
        let mut partitions: Vec<_> = self
            .below(disk)
            .filter(|device| device.kind == "part")
            .collect();
        if partitions.is_empty()
            && (!disk.file_system.is_empty() || self.mount_point(disk).is_some())
        {
            partitions.push(disk);
        }
        let table = match disk.partition_table.as_str() {
            "gpt" => Some(TableKind::Gpt),
            "dos" => Some(TableKind::Mbr),
            _ => None,
        };
        let system_mounts = ["/", "/boot", "/boot/efi"];
        Disk {
            name: disk.path.clone(),
            path: PathBuf::from(&disk.path),
            size_bytes: disk.size_bytes,
            table,
            system: self.is_mounted_upon(disk, &system_mounts, 0),
            parts: partitions
                .into_iter()
                .map(|device| self.part(device))
                .collect(),
        }
    }

    fn part(&self, device: &BlockDevice) -> Part {
        let mount_point = self.mount_point(device).unwrap_or_default();
        let usage = if mount_point.is_empty() {
            None
        } else {
            (self.usage)(Path::new(&mount_point))
        };
        Part {
            name: device.path.clone(),
            size_bytes: device.size_bytes,
            used_bytes: self.used_bytes(device, 0),
            inodes: usage.unwrap_or_default().inodes,
            file_system: self.file_system(device),
            uuid: device.uuid.clone(),
            efi_system: device.file_system == "vfat" && mount_point.starts_with("/boot/"),
            mount_point,
        }
    }

    fn below(&self, device: &BlockDevice) -> impl Iterator<Item = &BlockDevice> {
        let parent = device.kernel_name.clone();
        self.devices
            .iter()
            .filter(move |child| !parent.is_empty() && child.parent == parent)
    }

    /// Where it is mounted; a mount of the file system's root is preferred to bind mounts.
    fn mount(&self, device: &BlockDevice) -> Option<&Mount> {
        let is_of_device = |mount: &&Mount| {
            mount.device.to_string() == device.number || mount.source == Path::new(&device.path)
        };
        let of_device = || self.mounts.iter().filter(is_of_device);
        of_device()
            .find(|mount| mount.root == Path::new("/"))
            .or_else(|| of_device().next())
    }

    fn mount_point(&self, device: &BlockDevice) -> Option<String> {
        let mount = self.mount(device)?;
        Some(mount.mount_point.to_string_lossy().into_owned())
    }

    /// What is on it: whoever has mounted it knows for sure, the tools may not.
    fn file_system(&self, device: &BlockDevice) -> String {
        let mounted = self.mount(device).map(|mount| &mount.file_system);
        mounted.unwrap_or(&device.file_system).clone()
    }

    /// What is used of a device: told by its file system, else by what is stacked on it, else all.
    fn used_bytes(&self, device: &BlockDevice, depth: u32) -> u64 {
        if let Some(mount_point) = self.mount_point(device)
            && let Some(usage) = (self.usage)(Path::new(&mount_point))
        {
            return usage.used_bytes.min(device.size_bytes);
        }
        if device.file_system == "swap" {
            return 0;
        }
        let mut children = self.below(device).peekable();
        if children.peek().is_none() || depth > MAX_STACK {
            return device.size_bytes;
        }
        let used = children.map(|child| self.used_bytes(child, depth + 1));
        used.fold(0, u64::saturating_add).min(device.size_bytes)
    }

    fn is_mounted_upon(&self, device: &BlockDevice, mount_points: &[&str], depth: u32) -> bool {
        let here = self.mount_point(device);
        here.is_some_and(|here| mount_points.contains(&here.as_str()))
            || (depth <= MAX_STACK
                && self
                    .below(device)
                    .any(|child| self.is_mounted_upon(child, mount_points, depth + 1)))
    }
}

/// Devices are stacked a few levels; a listing that claims more is in a circle.
const MAX_STACK: u32 = 16;

/// Disks with a medium. Memory that looks like a disk is none.
fn is_disk(device: &BlockDevice) -> bool {
    let in_memory = ["zram", "ram", "fd"];
    let is_numbered = |prefix: &&str| {
        let rest = device.kernel_name.strip_prefix(*prefix);
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    device.kind == "disk" && device.size_bytes > 0 && !in_memory.iter().any(is_numbered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::lsblk::{parse_json, parse_pairs};
    use crate::mounts::parse_mountinfo;

    fn half_full(_: &Path) -> Option<Usage> {
        Some(Usage {
            used_bytes: 1 << 20,
            inodes: 7,
        })
    }

    #[test]
    fn a_server_with_efi_and_lvm_is_described() {
        let devices = parse_json(include_str!("../../fixtures/debian-12/lsblk.json")).unwrap();
        let mounts = parse_mountinfo(include_bytes!("../../fixtures/debian-12/mountinfo"));
        let live = LiveDisks {
            devices: &devices,
            mounts: &mounts,
            usage: &half_full,
        };
        let disks = live.disks();
        assert_eq!(disks.len(), 1, "the optical drive is no disk");
        let disk = &disks[0];
        assert_eq!(
            (disk.name.as_str(), disk.size_bytes),
            ("/dev/vda", 21_474_836_480)
        );
        assert_eq!((disk.table, disk.system), (Some(TableKind::Gpt), true));
        let parts: Vec<_> = disk
            .parts
            .iter()
            .map(|part| (part.name.as_str(), part.device_use(), part.used_bytes))
            .collect();
        assert_eq!(
            parts,
            [
                ("/dev/vda1", "NORMAL", 536_870_912), // not mounted: nobody can tell
                ("/dev/vda2", "BOOT", 1 << 20),
                ("/dev/vda3", "VOLUME_GROUP", 1 << 20), // the root volume, and swap counts nothing
            ]
        );
        let root = LogicalVolume {
            name: "root".into(),
            ..LogicalVolume::default()
        };
        let content = live.content_of("sys", &root);
        assert_eq!(
            (content.mount_point.as_str(), content.used_bytes),
            ("/", 1 << 20)
        );
        assert_eq!(content.file_system, "ext4");
    }

    #[test]
    fn the_system_disk_is_first_and_a_disk_without_partitions_is_its_own_part() {
        let devices = parse_pairs(
            "NAME=\"zram0\" KNAME=\"zram0\" MAJ:MIN=\"253:0\" TYPE=\"disk\" SIZE=\"4096\"\n\
             NAME=\"vdb\" KNAME=\"vdb\" MAJ:MIN=\"254:16\" TYPE=\"disk\" SIZE=\"8192\"\n\
             NAME=\"vda\" KNAME=\"vda\" MAJ:MIN=\"254:0\" TYPE=\"disk\" SIZE=\"4096\"\n",
        );
        let mounts = parse_mountinfo(b"27 1 254:0 / / rw - ext4 /dev/root rw\n");
        let live = LiveDisks {
            devices: &devices,
            mounts: &mounts,
            usage: &|_| None,
        };
        let disks = live.disks();
        let names: Vec<_> = disks.iter().map(|disk| disk.name.as_str()).collect();
        assert_eq!(names, ["/dev/vda", "/dev/vdb"]);
        let root = &disks[0].parts[0];
        assert_eq!(
            (root.mount_point.as_str(), root.file_system.as_str()),
            ("/", "ext4")
        );
        assert_eq!(disks[0].used_bytes(), 4096);
        assert_eq!(disks[1].parts, []);
    }
}
