//! What is done to a registered source server: rename, choose disks, delete, change its state,
//! give it commands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::inventory::{BtrfsFileSystem, ServerDisk, VolumeGroups};
use super::values;
use super::wire::{self, RecordId};

/// Body of `PUT /v3/sources/{source_id}` (SMS, UpdateServerName).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "name": "web-1",
    "disks": [{ "need_migration": true, "id": 7, "adjust_size": 0, "physical_volumes": [] }]
}))]
pub struct PutSourceServerBody {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Migration project to move the server to.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub migprojectid: Option<String>,
    /// Disk choices; effective only while the target is not configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 65535)]
    pub disks: Option<Vec<PutDisk>>,
    /// Volume group choices; effective only while the target is not configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 65535)]
    pub volume_groups: Option<Vec<PutVolumeGroups>>,
}

/// What is wanted of a disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PutDisk {
    /// Whether the disk is migrated (the official text wrongly calls it the disk name).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = true)]
    pub need_migration: Option<bool>,
    /// Disk ID as reported by ShowServer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::Id>, inline)]
    pub id: Option<RecordId>,
    /// Requested new size; 0 leaves the size alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = 0)]
    pub adjust_size: Option<u64>,
    /// Partitions on the disk.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable, max_items = 65535)]
    pub physical_volumes: Vec<PutVolume>,
}

/// What is wanted of a partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PutVolume {
    /// Partition record ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::Id>, inline)]
    pub id: Option<RecordId>,
    /// Whether this item is to be migrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = true)]
    pub need_migration: Option<bool>,
    /// Requested new size; 0 leaves the size alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = 0)]
    pub adjust_size: Option<u64>,
}

/// What is wanted of a volume group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PutVolumeGroups {
    /// Logical volumes in the group.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub logical_volumes: Vec<PutLogicalVolume>,
    /// Volume group ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::Id>, inline)]
    pub id: Option<RecordId>,
    /// Whether this item is to be migrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = true)]
    pub need_migration: Option<bool>,
    /// Requested new size; 0 leaves the size alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = 0)]
    pub adjust_size: Option<u64>,
}

/// What is wanted of a logical volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PutLogicalVolume {
    /// Logical volume ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::Id>, inline)]
    pub id: Option<RecordId>,
    /// Whether this item is to be migrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = true)]
    pub need_migration: Option<bool>,
    /// Requested new size; 0 leaves the size alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = 0)]
    pub adjust_size: Option<u64>,
}

/// Body of `PUT /v3/sources/{source_id}/diskinfo` (SMS, UpdateDiskInfo). Replaces the lists that it
/// names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PutDiskInfoReq {
    /// Disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 50)]
    pub disks: Option<Vec<ServerDisk>>,
    /// Volume groups to store (no underscore in this request).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 50)]
    pub volumegroups: Option<Vec<VolumeGroups>>,
    /// Btrfs file systems; `[]` when there are none (needed on Linux).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 65535)]
    pub btrfs_list: Option<Vec<BtrfsFileSystem>>,
}

/// Body of `PUT /v3/sources/{source_id}/changestate` (SMS, UpdateCopyState).
///
/// Both members are optional here; which revision of the contract demands them is a rule, not a
/// form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "copystate": "replicate", "migrationcycle": "replicating" }))]
pub struct PutCopyStateReq {
    /// New replication state of the source server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::CopyState>, inline)]
    pub copystate: Option<String>,
    /// New migration stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::CopyCycle>, inline)]
    pub migrationcycle: Option<String>,
}

/// Body of `POST /v3/sources/delete` (SMS, DeleteServers).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "ids": ["0198f6a2-6c1e-7c3a-9d53-3f0a5e2b7c11"] }))]
pub struct DeleteIds {
    /// IDs to delete.
    #[serde(default, deserialize_with = "wire::texts")]
    #[schema(value_type = Vec<values::RecordUuid>, inline, required, min_items = 1, max_items = 50)]
    pub ids: Vec<String>,
}

/// Answer of `GET /v3/sources/{server_id}/command` (SMS, ShowCommand).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowCommandResponse {
    /// Command for the agent: START, STOP, SKIP, PREMIGRATE, or one of TASK_NOT_STARTED,
    /// TASK_HAS_STOPPED and TASK_HAS_FINISHED when there is nothing to do.
    #[schema(
        max_length = 255,
        examples(
            "START",
            "STOP",
            "SKIP",
            "PREMIGRATE",
            "TASK_NOT_STARTED",
            "TASK_HAS_STOPPED",
            "TASK_HAS_FINISHED"
        )
    )]
    pub command_name: Option<String>,
    /// Arguments of the command.
    pub command_param: Option<CommandParam>,
}

/// Arguments of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandParam {
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub task_id: Option<String>,
    /// Name of the bucket the command refers to.
    #[schema(max_length = 255)]
    pub bucket: Option<String>,
    /// Name of the object in the bucket that the command refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub object: Option<String>,
    /// What the command is for, where SMS has no command of its own for an operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub operation: Option<String>,
}

/// Body of `POST /v3/sources/{server_id}/command_result` (SMS, UpdateCommandResult).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "command_name": "START",
    "result": "success",
    "result_detail": { "msg": "" }
}))]
pub struct CommandBody {
    /// Command that was run: START, STOP, DELETE, SYNC, UPLOAD_LOG or RSET_LOG_ACL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        required,
        nullable = false,
        max_length = 255,
        examples("START", "STOP", "DELETE", "SYNC", "UPLOAD_LOG", "RSET_LOG_ACL")
    )]
    pub command_name: Option<String>,
    /// success or fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        required,
        nullable = false,
        max_length = 255,
        examples("success", "fail")
    )]
    pub result: Option<String>,
    /// Any JSON value; stored and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required)]
    pub result_detail: Option<serde_json::Value>,
}

/// Answer of `GET /v3/sources/overview`: how many source servers are in each state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowOverviewResponse {
    /// Number of servers waiting.
    pub waiting: Option<u32>,
    /// Number of servers being replicated.
    pub replicate: Option<u32>,
    /// Number of servers being synchronised.
    pub syncing: Option<u32>,
    /// Number of stopped servers.
    pub stopped: Option<u32>,
    /// Number of servers being deleted.
    pub deleting: Option<u32>,
    /// Number of servers whose target is being launched.
    pub cutovering: Option<u32>,
    /// Number of servers that failed the environment check.
    pub unavailable: Option<u32>,
    /// Number of servers being stopped.
    pub stopping: Option<u32>,
    /// Number of servers in the skipping state.
    pub skipping: Option<u32>,
    /// Number of servers whose target has been launched.
    pub finished: Option<u32>,
    /// Number of servers being initialised.
    pub initialize: Option<u32>,
    /// Number of servers in error.
    pub error: Option<u32>,
    /// Number of servers whose target is being cloned.
    pub cloning: Option<u32>,
    /// Number of servers without a configured target.
    pub unconfigured: Option<u32>,
}

/// Answer of `GET /v3/errors` (SMS, ListErrorServers).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListErrorServersResponse {
    /// Number of source servers with errors.
    pub count: Option<u32>,
    /// Page of failures.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(max_items = 65535)]
    pub migration_errors: Vec<MigrationErrors>,
}

/// A source server whose migration failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MigrationErrors {
    /// Error details, a JSON document inside a string.
    pub error_json: Option<String>,
    /// Host name taken from the source; can be empty.
    #[schema(max_length = 255)]
    pub host_name: Option<String>,
    /// Source server name in the service.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Source server ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub source_id: Option<String>,
    /// Address of the source server.
    #[schema(max_length = 255)]
    pub source_ip: Option<String>,
    /// Address of the target server.
    #[schema(max_length = 255)]
    pub target_ip: Option<String>,
}
