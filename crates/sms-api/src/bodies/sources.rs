//! Listing and showing source servers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::current_task::{TaskByServerSource, TaskByServerSources};
use super::inventory::{BtrfsFileSystem, NetWork, ServerDisk, VolumeGroups};
use super::task_target::PhysicalVolumes;
use super::values;
use super::wire::{self, RecordId};

/// Answer of `GET /v3/sources` (SMS, ListServers).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListServersResponse {
    /// Total number of matches, regardless of limit and offset.
    pub count: Option<u32>,
    /// Page of source servers.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub source_servers: Vec<SourceServersResponseBody>,
}

/// A source server in the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceServersResponseBody {
    /// Identifier.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// IPv4 address.
    #[schema(max_length = 255)]
    pub ip: Option<String>,
    /// Name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Enterprise project ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub enterprise_project_id: Option<String>,
    /// Registration time of the source server, epoch milliseconds (64-bit).
    #[schema(minimum = 0)]
    pub add_date: Option<i64>,
    /// Operating system family.
    #[schema(value_type = Option<values::OsType>, inline)]
    pub os_type: Option<String>,
    /// Operating system version text.
    #[schema(max_length = 255)]
    pub os_version: Option<String>,
    /// Windows: whether this is an OEM edition.
    pub oem_system: Option<bool>,
    /// Source server state.
    #[schema(value_type = Option<values::SourceState>, inline)]
    pub state: Option<String>,
    /// Whether the agent is connected to the service.
    pub connected: Option<bool>,
    /// Number of vCPUs.
    pub cpu_quantity: Option<u32>,
    /// Memory size (documented in bytes).
    pub memory: Option<u64>,
    /// Task attached to this source server; absent or null when there is none.
    pub current_task: Option<TaskByServerSources>,
    /// Results of the environment checks run on the source server.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub checks: Vec<EnvironmentCheck>,
    /// Target configuration the service recommends.
    pub init_target_server: Option<InitTargetServer>,
    /// Bytes copied so far.
    pub replicatesize: Option<u64>,
    /// Last change of migration_cycle.
    #[schema(minimum = 0)]
    pub stage_action_time: Option<i64>,
    /// Bytes to migrate in all.
    pub totalsize: Option<u64>,
    /// Last time the agent connection state changed.
    #[schema(minimum = 0)]
    pub last_visit_time: Option<i64>,
    /// Stage of the migration.
    #[schema(value_type = Option<values::MigrationCycle>, inline)]
    pub migration_cycle: Option<String>,
    /// Last change of state.
    #[schema(minimum = 0)]
    pub state_action_time: Option<i64>,
    /// Whether a consistency result exists.
    pub is_consistency_result_exist: Option<bool>,
    /// Linux: whether tc is installed.
    pub has_tc: Option<bool>,
    /// How the agent was started: MANUAL, AUTO or empty; not validated. Anything but MANUAL means
    /// started by MGC.
    #[schema(max_length = 255)]
    pub start_type: Option<String>,
    /// Version string of the migration agent.
    pub agent_version: Option<String>,
}

/// Answer of `GET /v3/sources/{source_id}` (SMS, ShowServer).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowServerResponse {
    /// Identifier.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// IPv4 address.
    #[schema(max_length = 255)]
    pub ip: Option<String>,
    /// Name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Host name of the machine.
    #[schema(max_length = 255)]
    pub hostname: Option<String>,
    /// Enterprise project ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(min_length = 1, max_length = 255)]
    pub enterprise_project_id: Option<String>,
    /// Registration time of the source server, epoch milliseconds (64-bit).
    #[schema(minimum = 0)]
    pub add_date: Option<i64>,
    /// Operating system family.
    #[schema(max_length = 255)]
    pub os_type: Option<String>,
    /// Operating system version text.
    #[schema(max_length = 255)]
    pub os_version: Option<String>,
    /// Windows: whether this is an OEM edition.
    pub oem_system: Option<bool>,
    /// Source server state.
    #[schema(value_type = Option<values::SourceState>, inline)]
    pub state: Option<String>,
    /// Whether the agent is connected to the service.
    pub connected: Option<bool>,
    /// Boot firmware.
    #[schema(value_type = Option<values::Firmware>, inline)]
    pub firmware: Option<String>,
    /// Target configuration the service recommends.
    pub init_target_server: Option<InitTargetServer>,
    /// Number of vCPUs.
    #[schema(maximum = 65535)]
    pub cpu_quantity: Option<u32>,
    /// Memory size (documented in MB).
    pub memory: Option<u64>,
    /// Task attached to this source server; absent or null when there is none.
    pub current_task: Option<TaskByServerSource>,
    /// Disks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub disks: Vec<ServerDisk>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub volume_groups: Vec<VolumeGroups>,
    /// Btrfs file systems; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub btrfs_list: Vec<BtrfsFileSystem>,
    /// Network cards.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub networks: Vec<NetWork>,
    /// Results of the environment checks run on the source server.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub checks: Vec<EnvironmentCheck>,
    /// Stage of the migration.
    #[schema(value_type = Option<values::MigrationCycle>, inline)]
    pub migration_cycle: Option<String>,
    /// Last change of state.
    #[schema(minimum = 0)]
    pub state_action_time: Option<i64>,
    /// Bytes copied so far.
    pub replicatesize: Option<u64>,
    /// Bytes to migrate in all.
    pub totalsize: Option<u64>,
    /// Last time the agent connection state changed.
    #[schema(minimum = 0)]
    pub last_visit_time: Option<i64>,
    /// Last change of migration_cycle.
    #[schema(minimum = 0)]
    pub stage_action_time: Option<i64>,
    /// Version string of the migration agent.
    #[schema(max_length = 255)]
    pub agent_version: Option<String>,
    /// Linux: whether tc is installed.
    pub has_tc: Option<bool>,
    /// How the agent was started: MANUAL, AUTO or empty; not validated. Anything but MANUAL means
    /// started by MGC.
    #[schema(max_length = 255)]
    pub start_type: Option<String>,
    /// Whether the disk layout was changed for the target.
    pub adjust_disk: Option<bool>,
}

/// The outcome of one feasibility check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentCheck {
    /// ID of the check.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub id: u64,
    /// Parameters of the check.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub params: Vec<String>,
    /// Name of the check.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub name: String,
    /// Outcome of the check.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(value_type = values::CheckResult, inline, required)]
    pub result: String,
    /// Code of the failure.
    #[schema(max_length = 255)]
    pub error_code: Option<String>,
    /// Whether the failed check is an error or a warning.
    #[schema(max_length = 255)]
    pub error_or_warn: Option<String>,
    /// Parameters of the failed check.
    #[schema(max_length = 255)]
    pub error_params: Option<String>,
}

/// The target that would fit a source server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InitTargetServer {
    /// Disks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub disks: Vec<DiskIntargetServer>,
    /// LVM volume groups; `[]` when there are none (needed on Linux).
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub volume_groups: Vec<VolumeGroups>,
}

/// A disk of the recommended target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiskIntargetServer {
    /// Name.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub name: String,
    /// Size, bytes.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub size: u64,
    /// Role of the disk or partition.
    #[schema(max_length = 255, examples("BOOT", "OS", "NORMAL"))]
    pub device_use: Option<String>,
    /// Used space, bytes.
    pub used_size: Option<u64>,
    /// Partitions on the disk.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub physical_volumes: Vec<PhysicalVolumes>,
    /// Record ID (integer on the wire); used by `PUT /v3/sources/{source_id}`.
    #[schema(inline)]
    pub id: Option<RecordId>,
    /// Size chosen for the target; 0 when unchanged.
    pub adjust_size: Option<u64>,
    /// Whether this item is to be migrated.
    pub need_migration: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_writes_lists_as_lists_and_the_rest_as_null() {
        let json = serde_json::to_value(ShowServerResponse::default()).unwrap();
        for list in ["disks", "volume_groups", "btrfs_list", "networks", "checks"] {
            assert_eq!(json[list], serde_json::json!([]), "{list}");
        }
        for absent in ["current_task", "init_target_server", "add_date", "state"] {
            assert!(json.get(absent).unwrap().is_null(), "{absent}");
        }
    }
}
