//! Disks as the control plane sees them, wherever they were found.

use std::path::PathBuf;

use super::partition_table::TableKind;

/// A disk that can be migrated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Name under which it is registered: the device path, or the file name of an image.
    pub name: String,
    /// What to open to read it.
    pub path: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Its partition table, if it has one.
    pub table: Option<TableKind>,
    /// Whether the system starts from it.
    pub system: bool,
    /// Its partitions; the disk itself if it holds something without a partition table.
    pub parts: Vec<Part>,
}

/// A partition, or whatever else lies directly on a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Name, such as `/dev/vda1` or `root.img1`.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Bytes in use; all of them where nobody can tell.
    pub used_bytes: u64,
    /// Number of inodes; 0 if unknown or not fixed.
    pub inodes: u64,
    /// Type of the file system, or of what else is in it; empty if unknown.
    pub file_system: String,
    /// UUID of the file system; empty if unknown.
    pub uuid: String,
    /// Where it is mounted; empty if it is not.
    pub mount_point: String,
    /// Whether it is an EFI system partition.
    pub efi_system: bool,
}

impl Disk {
    /// Sum over the parts, in bytes.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| part.used_bytes)
            .sum::<u64>()
            .min(self.size_bytes)
    }

    /// Role of the disk as SMS spells it.
    #[must_use]
    pub const fn device_use(&self) -> &'static str {
        if self.system { "BOOT" } else { "NORMAL" }
    }
}

impl Part {
    /// Role of the part as SMS spells it.
    #[must_use]
    pub fn device_use(&self) -> &'static str {
        match (self.mount_point.as_str(), self.file_system.as_str()) {
            ("/", _) => "OS",
            ("/boot" | "/boot/efi", _) => "BOOT",
            _ if self.efi_system => "BOOT",
            (_, "LVM2_member") => "VOLUME_GROUP",
            (_, "btrfs") => "BTRFS",
            _ => "NORMAL",
        }
    }
}
