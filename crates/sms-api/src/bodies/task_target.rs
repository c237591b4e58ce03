//! The target server of a task: as it is asked for, as the agent writes it back, as it is shown.

use serde::{Deserialize, Serialize};

use super::inventory::{BtrfsFileSystem, NetWork, VolumeGroups};
use super::wire::{self, RecordId};

/// The target server of a new task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetServerByTask {
    /// Btrfs file systems; `[]` when there are none (needed on Linux).
    #[serde(deserialize_with = "wire::null_as_default")]
    pub btrfs_list: Vec<BtrfsFileSystem>,
    /// Disks.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub disks: Vec<TargetDisks>,
    /// Name of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Server (ECS) ID of the target; Terraform leaves it out when a template is used.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub vm_id: Option<String>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(deserialize_with = "wire::null_as_default")]
    pub volume_groups: Vec<VolumeGroups>,
}

/// A target disk of a new task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetDisks {
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_use: Option<String>,
    /// EVS disk ID; not set when the target server is created automatically.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub disk_id: Option<String>,
    /// Disk name, "Disk X" by position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Partitions on the disk.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub physical_volumes: Vec<PhysicalVolumes>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
}

/// A partition of a target disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhysicalVolumes {
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_use: Option<String>,
    /// File system type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
    /// Position, starting at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_point: Option<String>,
    /// Drive letter on Windows, device on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Inode size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// GUID reported by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Record ID (integer on the wire); used by `PUT /v3/sources/{source_id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RecordId>,
    /// Size chosen for the target; 0 when unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjust_size: Option<u64>,
    /// Whether this item is to be migrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_migration: Option<bool>,
}

/// The target server as the agent writes it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetServer {
    /// Identifier.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<String>,
    /// IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Host name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Operating system family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    /// Operating system version text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Boot firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Number of vCPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quantity: Option<u32>,
    /// Memory size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Btrfs file systems; `[]` when there are none (needed on Linux).
    #[serde(deserialize_with = "wire::null_as_default")]
    pub btrfs_list: Vec<BtrfsFileSystem>,
    /// Network cards.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub networks: Vec<NetWork>,
    /// Account (domain) ID of the tenant.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub domain_id: Option<String>,
    /// Linux: whether rsync is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_rsync: Option<bool>,
    /// Linux: whether the source is paravirtualised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paravirtualization: Option<bool>,
    /// Linux: raw devices, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_devices: Option<String>,
    /// Windows: whether driver files are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_files: Option<bool>,
    /// Windows: whether a service is in an abnormal state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_services: Option<bool>,
    /// Windows: true when the agent runs with enough privileges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_rights: Option<bool>,
    /// Boot loader of the source (GRUB; older texts also LILO); needed on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_loader: Option<String>,
    /// Windows: system directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_dir: Option<String>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(deserialize_with = "wire::null_as_default")]
    pub volume_groups: Vec<VolumeGroups>,
    /// Server (ECS) ID.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub vm_id: Option<String>,
    /// ECS flavor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavor: Option<String>,
    /// Disks.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub disks: Vec<TargetDisk>,
    /// Disk that holds the agent image on the target.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub image_disk_id: Option<String>,
    /// Snapshot IDs of the target joined with ";".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_ids: Option<String>,
    /// Snapshots kept for rolling the target back after cutover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cutovered_snapshot_ids: Option<String>,
}

/// A disk of the target server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetDisk {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RecordId>,
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_use: Option<String>,
    /// EVS disk ID; not set when the target server is created automatically.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub disk_id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Partitions on the disk.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub physical_volumes: Vec<TargetPhysicalVolumes>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// Position of the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_index: Option<String>,
    /// Whether this is the system disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_disk: Option<bool>,
    /// Partition table type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_style: Option<String>,
    /// Linux: name of the source disk this target disk is paired with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation_name: Option<String>,
}

/// A partition of a disk of the target server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetPhysicalVolumes {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RecordId>,
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_use: Option<String>,
    /// File system type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
    /// Position, starting at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_point: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Linux: name of the source disk this target disk is paired with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation_name: Option<String>,
    /// Free space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_size: Option<u64>,
}

/// The target server of a shown task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskTargetServer {
    /// Identifier.
    #[serde(deserialize_with = "wire::text")]
    pub id: Option<String>,
    /// Server (ECS) ID.
    #[serde(deserialize_with = "wire::text")]
    pub vm_id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// IPv4 address.
    pub ip: Option<String>,
    /// Operating system family.
    pub os_type: Option<String>,
    /// Operating system version text.
    pub os_version: Option<String>,
    /// Windows: system directory.
    pub system_dir: Option<String>,
    /// Disks.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub disks: Vec<TargetDisk>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(deserialize_with = "wire::null_as_default")]
    pub volume_groups: Vec<VolumeGroups>,
    /// Btrfs information (typed as strings here, as objects elsewhere).
    #[serde(deserialize_with = "wire::null_as_default")]
    pub btrfs_list: Vec<String>,
    /// Disk that holds the agent image on the target.
    #[serde(deserialize_with = "wire::text")]
    pub image_disk_id: Option<String>,
    /// Snapshots kept for rolling the target back after cutover.
    pub cutovered_snapshot_ids: Option<String>,
}
