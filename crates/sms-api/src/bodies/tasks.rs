//! Creating and updating tasks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::current_task::CloneServer;
use super::task_target::{TargetServer, TargetServerByTask};
use super::{values, wire};

/// Body of `POST /v3/tasks` (SMS, CreateTask).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "name": "move-web-1",
    "type": "MIGRATE_BLOCK",
    "start_target_server": true,
    "auto_start": false,
    "os_type": "LINUX",
    "source_server": { "id": "0198f6a2-6c1e-7c3a-9d53-3f0a5e2b7c11" },
    "target_server": {
        "btrfs_list": [],
        "disks": [{
            "device_use": "BOOT",
            "name": "Disk 0",
            "physical_volumes": [],
            "size": 42_949_672_960_u64
        }],
        "name": "web-1",
        "vm_id": "0198f6a2-7d02-7f11-8a2c-1b9d4c6e0f55",
        "volume_groups": []
    },
    "region_name": "CN North-Beijing4",
    "region_id": "cn-north-4",
    "project_name": "cn-north-4",
    "project_id": "0605767a5580d5762fc5c0118c0f2a3b",
    "priority": 1,
    "use_public_ip": true,
    "syncing": true,
    "exist_server": true,
    "speed_limit": 200
}))]
pub struct PostTask {
    /// Task name: Chinese characters, letters, digits, underscore, hyphen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_一-龥-]{1,64}$"
    )]
    pub name: Option<String>,
    /// Migration method.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::MigrationMethod, inline, required)]
    pub r#type: Option<String>,
    /// Launch the target when the migration is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = true)]
    pub start_target_server: Option<bool>,
    /// Start the task as soon as it has been created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_start: Option<bool>,
    /// Operating system family.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::OsType>, inline)]
    pub os_type: Option<String>,
    /// Source server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub source_server: Option<SourceServerByTask>,
    /// Target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub target_server: Option<TargetServerByTask>,
    /// Address the data is sent to: an EIP for public migration, a private address for a dedicated
    /// line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub migration_ip: Option<String>,
    /// Region name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub region_name: Option<String>,
    /// Region ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = values::Id, inline, required)]
    pub region_id: Option<String>,
    /// Project name of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub project_name: Option<String>,
    /// Project ID of the target.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = values::Id, inline, required)]
    pub project_id: Option<String>,
    /// Priority, 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 65535, default = 1)]
    pub priority: Option<u32>,
    /// Template used to create the target.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::TemplateId>, inline)]
    pub vm_template_id: Option<String>,
    /// Template used for the clone server.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::TemplateId>, inline)]
    pub clonevm_template_id: Option<String>,
    /// Migrate over the public network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_public_ip: Option<bool>,
    /// Whether addresses are IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_ipv6: Option<bool>,
    /// Keep synchronising after the first copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = false)]
    pub syncing: Option<bool>,
    /// Whether the target server already exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exist_server: Option<bool>,
    /// Run a network check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_network_check: Option<bool>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000)]
    pub speed_limit: Option<u32>,
    /// Percentage above the limit at which the task is stopped.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 10, maximum = 100)]
    pub over_speed_threshold: Option<f64>,
    /// Run a consistency check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_need_consistency_check: Option<bool>,
    /// Run a migration drill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_migration_test: Option<bool>,
}

/// The source server of a new task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceServerByTask {
    /// Source server to migrate; it must exist, be connected and have no task.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = values::Id, inline, required)]
    pub id: Option<String>,
}

/// Answer of `POST /v3/tasks`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreateTaskResponse {
    /// ID of the new task.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
}

/// Body of `PUT /v3/tasks/{task_id}` (SMS, UpdateTask).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "name": "move-web-1-again", "speed_limit": 100 }))]
pub struct PutTaskReq {
    /// Task name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_一-龥-]{1,64}$"
    )]
    pub name: Option<String>,
    /// Migration method.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::MigrationMethod>, inline)]
    pub r#type: Option<String>,
    /// Region ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub region_id: Option<String>,
    /// Region name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub region_name: Option<String>,
    /// true for an existing target, false to create one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exist_server: Option<bool>,
    /// Address the data is sent to: an EIP for public migration, a private address for a dedicated
    /// line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub migration_ip: Option<String>,
    /// Whether addresses are IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_ipv6: Option<bool>,
    /// Migrate over the public network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_public_ip: Option<bool>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000)]
    pub speed_limit: Option<u32>,
    /// Project name of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub project_name: Option<String>,
    /// Project ID of the target.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub project_id: Option<String>,
    /// Enterprise project ID (the name notwithstanding).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 36)]
    pub enterprise_project: Option<String>,
    /// Disk that holds the agent image on the target.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub image_disk_id: Option<String>,
    /// Template used to create the target.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::TemplateId>, inline)]
    pub vm_template_id: Option<String>,
    /// Disk IDs of the target joined with spaces, each at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16384)]
    pub target_disk_ids: Option<String>,
    /// Snapshot IDs of the target joined with ";".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub snapshot_ids: Option<String>,
    /// Snapshots kept for rolling the target back after cutover.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub cutovered_snapshot_ids: Option<String>,
    /// Target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_server: Option<TargetServer>,
    /// Clone of the target server, when one exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clone_server: Option<CloneServer>,
}

/// Answer of `PUT /v3/tasks/{task_id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpdateTaskResponse {
    /// ID of the task.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(min_length = 1, max_length = 255)]
    pub id: Option<String>,
}

/// Body of `POST /v3/tasks/delete` (SMS, DeleteTasks).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "ids": ["0198f6a3-0b44-7e07-b1de-58c2f96a7d20"] }))]
pub struct DeleteTasksReq {
    /// IDs to delete.
    #[serde(default, deserialize_with = "wire::texts")]
    #[schema(value_type = Vec<values::Id>, inline, required, min_items = 1, max_items = 50)]
    pub ids: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_of_sms_and_one_of_terraform_are_read() {
        let task: PostTask = serde_json::from_str(
            r#"{"name":"MigrationTask","type":"MIGRATE_FILE","syncing":false,"priority":1,
                "source_server":{"id":"s1"},"target_server":{"name":"t1","vm_id":"v1","disks":[
                {"disk_id":"e1","name":"/dev/vda","size":85899345920,"physical_volumes":null}]}}"#,
        )
        .unwrap();
        let target = task.target_server.unwrap();
        assert_eq!(target.disks[0].disk_id.as_deref(), Some("e1"));
        assert_eq!(task.r#type.as_deref(), Some("MIGRATE_FILE"));
        let task: PostTask =
            serde_json::from_str(r#"{"target_server":{},"vm_template_id":7}"#).unwrap();
        assert_eq!(task.target_server, Some(TargetServerByTask::default()));
        assert_eq!(task.vm_template_id.as_deref(), Some("7"));
    }
}
