//! What a source server consists of: disks, partitions, volume groups, file systems, network cards.
//!
//! These types travel both ways: the agent registers them and the service shows them again. Absent
//! values are left out, lists are always written (`[]` when empty) and may arrive as `null`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::values;
use super::wire::{self, RecordId};

/// A disk of a source server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServerDisk {
    /// Disk name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// MBR or GPT; without it later checks fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, examples("MBR", "GPT"))]
    pub partition_style: Option<String>,
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 255,
        examples("NORMAL", "OS", "BOOT", "VOLUME_GROUP", "BTRFS")
    )]
    pub device_use: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// Partitions on the disk.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub physical_volumes: Vec<PhysicalVolume>,
    /// Whether this is the system disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_disk: Option<bool>,
    /// Linux: name of the source disk this target disk is paired with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub relation_name: Option<String>,
    /// Inode size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_size: Option<u32>,
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

/// A partition of a disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PhysicalVolume {
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 255,
        examples("NORMAL", "OS", "BOOT", "VOLUME_GROUP", "BTRFS")
    )]
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
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// Inode size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_size: Option<u32>,
    /// Number of inodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_nums: Option<u64>,
    /// GUID reported by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub uuid: Option<String>,
    /// Cluster size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_per_cluster: Option<u32>,
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

/// An LVM volume group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VolumeGroups {
    /// Physical volumes that make up the group, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub components: Option<String>,
    /// Free space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_size: Option<u64>,
    /// Logical volumes in the group.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub logical_volumes: Vec<LogicalVolumes>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
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

/// A logical volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogicalVolumes {
    /// Number of blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_count: Option<u32>,
    /// Size of one block.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1048576)]
    pub block_size: Option<u64>,
    /// File system type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub file_system: Option<String>,
    /// Inode size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_size: Option<u32>,
    /// Number of inodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode_nums: Option<u64>,
    /// Role of the disk or partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 255,
        examples("NORMAL", "OS", "BOOT", "VOLUME_GROUP", "BTRFS")
    )]
    pub device_use: Option<String>,
    /// Mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    pub mount_point: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub name: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Used space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_size: Option<u64>,
    /// Free space, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_size: Option<u64>,
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

/// A Btrfs file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BtrfsFileSystem {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Label; empty string when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub label: Option<String>,
    /// UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub uuid: Option<String>,
    /// Device(s) that hold the file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub device: Option<String>,
    /// Size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Node size of the file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodesize: Option<u64>,
    /// Sector size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sectorsize: Option<u32>,
    /// RAID profile used for data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub data_profile: Option<String>,
    /// RAID profile used for system data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub system_profile: Option<String>,
    /// RAID profile used for metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub metadata_profile: Option<String>,
    /// Global reserve of the file system, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub global_reserve1: Option<String>,
    /// Space used in the volume, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub g_vol_used_size: Option<u64>,
    /// ID of the default subvolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub default_subvolid: Option<String>,
    /// Name of the default subvolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub default_subvol_name: Option<String>,
    /// Mount path of the default subvolume (of the file system).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub default_subvol_mountpath: Option<String>,
    /// Subvolumes (spelled this way on the wire).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub subvolumn: Vec<BtrfsSubvolumn>,
}

/// A Btrfs subvolume (spelled this way in SMS).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BtrfsSubvolumn {
    /// UUID of the parent volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub uuid: Option<String>,
    /// Whether the subvolume is a snapshot, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub is_snapshot: Option<String>,
    /// Subvolume ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub subvol_id: Option<String>,
    /// Parent subvolume ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub parent_id: Option<String>,
    /// Subvolume name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub subvol_name: Option<String>,
    /// Mount path of the subvolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub subvol_mount_path: Option<String>,
}

/// A network card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NetWork {
    /// Card name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Address bound to the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ip: Option<String>,
    /// IPv6 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ipv6: Option<String>,
    /// Subnet mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub netmask: Option<String>,
    /// Default gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub gateway: Option<String>,
    /// MTU (needed on Linux).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// MAC address; must not be empty on the first card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub mac: Option<String>,
    /// Database record ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub id: Option<String>,
}
