//! The target server of a task: as it is asked for, as the agent writes it back, as it is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::inventory::{BtrfsFileSystem, NetWork, VolumeGroups};
use super::values;
use super::wire::{self, RecordId};

/// The target server of a new task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetServerByTask {
    /// Btrfs file systems; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub btrfs_list: Vec<BtrfsFileSystem>,
    /// Disks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub disks: Vec<TargetDisks>,
    /// Name of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Server (ECS) ID of the target; Terraform leaves it out when a template is used.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub vm_id: Option<String>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub volume_groups: Vec<VolumeGroups>,
}

/// A target disk of a new task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetDisks {
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::DeviceUse>, inline)]
    pub device_use: Option<String>,
    /// EVS disk ID; not set when the target server is created automatically.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub disk_id: Option<String>,
    /// Disk name, "Disk X" by position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Partitions on the disk.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub physical_volumes: Vec<PhysicalVolumes>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
}

/// A partition of a target disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PhysicalVolumes {
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub device_use: Option<String>,
    /// File system type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub file_system: Option<String>,
    /// Position, starting at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub mount_point: Option<String>,
    /// Drive letter on Windows, device on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
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
    #[schema(max_length = 255)]
    pub uuid: Option<String>,
    /// Record ID (integer on the wire); used by `PUT /v3/sources/{source_id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub id: Option<RecordId>,
    /// Size chosen for the target; 0 when unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjust_size: Option<u64>,
    /// Whether this item is to be migrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_migration: Option<bool>,
}

/// The target server as the agent writes it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetServer {
    /// Identifier.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub id: Option<String>,
    /// IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ip: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Host name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub hostname: Option<String>,
    /// Operating system family.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::OsType>, inline)]
    pub os_type: Option<String>,
    /// Operating system version text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub os_version: Option<String>,
    /// Boot firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::Firmware>, inline)]
    pub firmware: Option<String>,
    /// Number of vCPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535)]
    pub cpu_quantity: Option<u32>,
    /// Memory size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Btrfs file systems; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub btrfs_list: Vec<BtrfsFileSystem>,
    /// Network cards.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub networks: Vec<NetWork>,
    /// Account (domain) ID of the tenant.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub domain_id: Option<String>,
    /// Linux: whether rsync is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_rsync: Option<bool>,
    /// Linux: whether the source is paravirtualised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paravirtualization: Option<bool>,
    /// Linux: raw devices, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
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
    #[schema(value_type = Option<values::BootLoader>, inline)]
    pub boot_loader: Option<String>,
    /// Windows: system directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub system_dir: Option<String>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub volume_groups: Vec<VolumeGroups>,
    /// Server (ECS) ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub vm_id: Option<String>,
    /// ECS flavor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub flavor: Option<String>,
    /// Disks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub disks: Vec<TargetDisk>,
    /// Disk that holds the agent image on the target.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub image_disk_id: Option<String>,
    /// Snapshot IDs of the target joined with ";".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub snapshot_ids: Option<String>,
    /// Snapshots kept for rolling the target back after cutover.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub cutovered_snapshot_ids: Option<String>,
}

/// A disk of the target server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetDisk {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub id: Option<RecordId>,
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::DeviceUse>, inline)]
    pub device_use: Option<String>,
    /// EVS disk ID; not set when the target server is created automatically.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub disk_id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Partitions on the disk.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub physical_volumes: Vec<TargetPhysicalVolumes>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// Position of the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub disk_index: Option<String>,
    /// Whether this is the system disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_disk: Option<bool>,
    /// Partition table type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::PartitionStyle>, inline)]
    pub partition_style: Option<String>,
    /// Linux: name of the source disk this target disk is paired with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub relation_name: Option<String>,
}

/// A partition of a disk of the target server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetPhysicalVolumes {
    /// Identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub id: Option<RecordId>,
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::DeviceUse>, inline)]
    pub device_use: Option<String>,
    /// File system type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub file_system: Option<String>,
    /// Position, starting at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub mount_point: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub uuid: Option<String>,
    /// Linux: name of the source disk this target disk is paired with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub relation_name: Option<String>,
    /// Free space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_size: Option<u64>,
}

/// The target server of a shown task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskTargetServer {
    /// Identifier.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// Server (ECS) ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub vm_id: Option<String>,
    /// Name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// IPv4 address.
    #[schema(max_length = 255)]
    pub ip: Option<String>,
    /// Operating system family.
    #[schema(value_type = Option<values::OsType>, inline)]
    pub os_type: Option<String>,
    /// Operating system version text.
    #[schema(max_length = 255)]
    pub os_version: Option<String>,
    /// Windows: system directory.
    #[schema(max_length = 255)]
    pub system_dir: Option<String>,
    /// Disks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub disks: Vec<TargetDisk>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub volume_groups: Vec<VolumeGroups>,
    /// Btrfs information (typed as strings here, as objects elsewhere).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub btrfs_list: Vec<String>,
    /// Disk that holds the agent image on the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub image_disk_id: Option<String>,
    /// Snapshots kept for rolling the target back after cutover.
    #[schema(max_length = 1024)]
    pub cutovered_snapshot_ids: Option<String>,
}
