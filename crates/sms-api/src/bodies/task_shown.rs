//! A task as it is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::current_task::CloneServer;
use super::task_control::NetworkCheckInfoRequestBody;
use super::task_target::TaskTargetServer;
use super::{values, wire};

/// Answer of `GET /v3/tasks/{task_id}` (SMS, ShowTask).
///
/// `syncing`, `use_public_ip` and `use_ipv6` are not in the SDK but Terraform reads them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowTaskResponse {
    /// Name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Migration method.
    #[schema(value_type = Option<values::MigrationMethod>, inline)]
    pub r#type: Option<String>,
    /// Operating system family.
    #[schema(value_type = Option<values::OsType>, inline)]
    pub os_type: Option<String>,
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// Priority: 0 low, 1 normal, 2 high.
    #[schema(maximum = 2)]
    pub priority: Option<u32>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[schema(maximum = 65535)]
    pub speed_limit: Option<u32>,
    /// Region ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub region_id: Option<String>,
    /// Launch the target when the migration is done.
    pub start_target_server: Option<bool>,
    /// Enterprise project ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(min_length = 1, max_length = 255)]
    pub enterprise_project_id: Option<String>,
    /// Address the data is sent to: an EIP for public migration, a private address for a dedicated
    /// line.
    #[schema(max_length = 255)]
    pub migration_ip: Option<String>,
    /// Region name.
    #[schema(max_length = 255)]
    pub region_name: Option<String>,
    /// Project name of the target.
    #[schema(max_length = 255)]
    pub project_name: Option<String>,
    /// Project ID of the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub project_id: Option<String>,
    /// Template used to create the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub vm_template_id: Option<String>,
    /// Source server.
    pub source_server: Option<SourceServerResponse>,
    /// Target server.
    pub target_server: Option<TaskTargetServer>,
    /// Task state.
    #[schema(value_type = Option<values::TaskState>, inline)]
    pub state: Option<String>,
    /// Estimated completion time.
    #[schema(minimum = 0)]
    pub estimate_complete_time: Option<i64>,
    /// Whether the agent is connected.
    pub connected: Option<bool>,
    /// Creation time of the task, epoch milliseconds.
    #[schema(minimum = 0)]
    pub create_date: Option<i64>,
    /// Start time.
    #[schema(minimum = 0)]
    pub start_date: Option<i64>,
    /// End time of the task.
    #[schema(minimum = 0)]
    pub finish_date: Option<i64>,
    /// Current rate, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub migrate_speed: Option<f64>,
    /// Compression ratio of the transfer.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub compress_rate: Option<f64>,
    /// Error details, a JSON document inside a string.
    pub error_json: Option<String>,
    /// Total run time.
    pub total_time: Option<u64>,
    /// Kept only for old agents.
    #[schema(max_length = 255)]
    pub float_ip: Option<String>,
    /// Seconds left.
    pub remain_seconds: Option<u64>,
    /// Snapshot of the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub target_snapshot_id: Option<String>,
    /// Clone of the target server, when one exists.
    pub clone_server: Option<CloneServer>,
    /// Subtasks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub sub_tasks: Vec<SubTask>,
    /// Result of the network check.
    pub network_check_info: Option<NetworkCheckInfoRequestBody>,
    /// CPU use of the host, percent.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 100)]
    pub total_cpu_usage: Option<f64>,
    /// CPU share used by the agent, percent.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 100)]
    pub agent_cpu_usage: Option<f64>,
    /// Memory use of the host, MB.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 1048576)]
    pub total_mem_usage: Option<f64>,
    /// Memory used by the agent, MB.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 1048576)]
    pub agent_mem_usage: Option<f64>,
    /// Disk I/O of the host, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub total_disk_io: Option<f64>,
    /// Disk I/O caused by the agent, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub agent_disk_io: Option<f64>,
    /// Run a migration drill.
    pub need_migration_test: Option<bool>,
    /// Current subtask and its progress, as text.
    #[schema(max_length = 255)]
    pub subtask_info: Option<String>,
    /// Migrate over the public network.
    pub use_public_ip: Option<bool>,
    /// Keep synchronising after the first copy.
    pub syncing: Option<bool>,
    /// Whether addresses are IPv6.
    pub use_ipv6: Option<bool>,
}

/// The source server of a shown task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceServerResponse {
    /// Identifier.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// IPv4 address.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub ip: String,
    /// Name.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, max_length = 255)]
    pub name: String,
    /// Operating system family.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(value_type = values::OsType, inline, required)]
    pub os_type: String,
    /// Operating system version text.
    #[schema(max_length = 255)]
    pub os_version: Option<String>,
    /// Windows: whether this is an OEM edition.
    pub oem_system: Option<bool>,
    /// Source server state.
    #[schema(value_type = Option<values::SourceState>, inline)]
    pub state: Option<String>,
    /// Stage of the migration.
    #[schema(value_type = Option<values::MigrationCycle>, inline)]
    pub migration_cycle: Option<String>,
}

/// A subtask of a shown task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubTask {
    /// Subtask ID.
    pub id: Option<u64>,
    /// Subtask name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Progress, 0-100.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, maximum = 100)]
    pub progress: u32,
    /// Start time.
    #[schema(minimum = 0)]
    pub start_date: Option<i64>,
    /// End time of the subtask; null while it is running.
    #[schema(minimum = 0)]
    pub end_date: Option<i64>,
    /// Current rate, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub migrate_speed: Option<f64>,
    /// User action that started the subtask.
    #[schema(max_length = 50)]
    pub user_op: Option<String>,
    /// Detailed progress text.
    #[schema(max_length = 2048)]
    pub process_trace: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_task_has_what_terraform_reads() {
        let task = ShowTaskResponse {
            syncing: Some(false),
            use_public_ip: Some(true),
            use_ipv6: Some(false),
            migrate_speed: Some(0.0),
            create_date: Some(1_767_323_045_000),
            ..Default::default()
        };
        let json = serde_json::to_value(&task).unwrap();
        for (name, text) in [
            ("syncing", "false"),
            ("use_public_ip", "true"),
            ("use_ipv6", "false"),
            ("migrate_speed", "0"),
            ("create_date", "1767323045000"),
            ("clone_server", "null"),
            ("vm_template_id", "null"),
            ("sub_tasks", "[]"),
        ] {
            assert_eq!(json.get(name).unwrap().to_string(), text, "{name}");
        }
        assert_eq!(
            serde_json::from_value::<ShowTaskResponse>(json).unwrap(),
            task
        );
    }
}
