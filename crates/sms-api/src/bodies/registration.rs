//! Registering a source server.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::inventory::{BtrfsFileSystem, NetWork, ServerDisk, VolumeGroups};
use super::{values, wire};

/// Body of `POST /v3/sources` (SMS, RegisterServer).
///
/// A missing member is kept apart from an empty one, because the feasibility check looks at that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "ip": "192.168.0.10",
    "name": "web-1",
    "hostname": "web-1",
    "os_type": "LINUX",
    "os_version": "UBUNTU_24_4_64BIT",
    "firmware": "UEFI",
    "cpu_quantity": 4,
    "memory": 8_589_934_592_u64,
    "disks": [{
        "name": "/dev/vda",
        "partition_style": "GPT",
        "device_use": "BOOT",
        "size": 42_949_672_960_u64,
        "used_size": 6_442_450_944_u64,
        "physical_volumes": [{
            "device_use": "OS",
            "file_system": "ext4",
            "index": 0,
            "mount_point": "/",
            "name": "/dev/vda1",
            "size": 42_947_575_808_u64,
            "used_size": 6_442_450_944_u64
        }],
        "os_disk": true
    }],
    "btrfs_list": [],
    "networks": [{
        "name": "eth0",
        "ip": "192.168.0.10",
        "netmask": "255.255.255.0",
        "gateway": "192.168.0.1",
        "mtu": 1500,
        "mac": "fa:16:3e:00:00:01"
    }],
    "has_rsync": true,
    "paravirtualization": true,
    "raw_devices": "",
    "boot_loader": "GRUB",
    "volume_groups": [],
    "agent_version": "25.2.0",
    "start_type": "MANUAL",
    "has_tc": true,
    "platform": "vmware"
}))]
pub struct PostSourceServerBody {
    /// ID the server already has in the service.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub id: Option<String>,
    /// IPv4 address; ip or ipv6 must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ip: Option<String>,
    /// IPv6 address; ip or ipv6 must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ipv6: Option<String>,
    /// Name that tells source servers apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, min_length = 1, max_length = 64)]
    pub name: Option<String>,
    /// Host name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub hostname: Option<String>,
    /// Operating system family.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::OsType, inline, required)]
    pub os_type: Option<String>,
    /// Operating system version text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub os_version: Option<String>,
    /// Result of the Linux block-level check.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub linux_block_check: Option<String>,
    /// Boot firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::Firmware>, inline)]
    pub firmware: Option<String>,
    /// Number of vCPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535)]
    pub cpu_quantity: Option<u32>,
    /// Memory size; documented in MB although agents and examples send bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disks: Option<Vec<ServerDisk>>,
    /// Btrfs file systems; `[]` when there are none (needed on Linux).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub btrfs_list: Option<Vec<BtrfsFileSystem>>,
    /// Network cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub networks: Option<Vec<NetWork>>,
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
    #[schema(max_length = 255, examples("GRUB"))]
    pub boot_loader: Option<String>,
    /// Windows: system directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub system_dir: Option<String>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_groups: Option<Vec<VolumeGroups>>,
    /// Version string of the migration agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub agent_version: Option<String>,
    /// Kernel version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub kernel_version: Option<String>,
    /// Stage to record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::MigrationCycle>, inline)]
    pub migration_cycle: Option<String>,
    /// State to record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::SourceState>, inline)]
    pub state: Option<String>,
    /// Windows: whether this is an OEM edition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oem_system: Option<bool>,
    /// How the agent was started: MANUAL, AUTO or empty; not validated. Anything but MANUAL means
    /// started by MGC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, default = "MANUAL", examples("MANUAL", "AUTO"))]
    pub start_type: Option<String>,
    /// Disk read latency, milliseconds.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 10000)]
    pub io_read_wait: Option<f64>,
    /// Linux: whether tc is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_tc: Option<bool>,
    /// Where the source runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::Platform>, inline)]
    pub platform: Option<String>,
    /// Virtualisation of the source; dropped from the current SDK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtualization_type: Option<String>,
}

/// Answer of `POST /v3/sources`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RegisterServerResponse {
    /// ID of the source server.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_of_sms_can_register() {
        let body: PostSourceServerBody = serde_json::from_str(
            r#"{"ip":"192.168.0.10","name":"src-01","os_type":"LINUX","memory":4143333376,
                "linux_block_check":"{\"release_type\":\"CentOS\"}","virtualization_type":"kvm",
                "has_rsync":true,"firmware":null,"io_read_wait":1.5,"unheard_of":{"a":[1]},
                "disks":[{"name":"/dev/vda","size":42949672960,"os_disk":true,
                    "physical_volumes":[{"name":"/dev/vda1","index":1,"mount_point":"/"}]}],
                "volume_groups":[],"networks":[{"name":"eth0","mtu":1500,"mac":"fa:16:3e:00:00:01"}]}"#,
        )
        .unwrap();
        let disk = &body.disks.as_deref().unwrap()[0];
        assert_eq!(disk.size, Some(42_949_672_960));
        assert_eq!(disk.physical_volumes[0].mount_point.as_deref(), Some("/"));
        assert_eq!(body.volume_groups, Some(Vec::new()));
        assert_eq!((body.btrfs_list, body.firmware), (None, None));
        assert_eq!(body.virtualization_type.as_deref(), Some("kvm"));
    }
}
