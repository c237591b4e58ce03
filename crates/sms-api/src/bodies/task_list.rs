//! The list of tasks, which has other members than a task that is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::current_task::CloneServerBrief;
use super::task_control::NetworkCheckInfoRequestBody;
use super::task_settings::ConfigBody;
use super::{values, wire};

/// Answer of `GET /v3/tasks` (SMS, ListTasks).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListTasksResponse {
    /// Total number of matches, regardless of limit and offset.
    pub count: Option<u32>,
    /// Page of tasks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub tasks: Vec<TasksResponseBody>,
}

/// A task in the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TasksResponseBody {
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// Name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Migration method.
    #[schema(value_type = Option<values::MigrationMethod>, inline)]
    pub r#type: Option<String>,
    /// Operating system family.
    #[schema(value_type = Option<values::OsType>, inline)]
    pub os_type: Option<String>,
    /// Task state.
    #[schema(value_type = Option<values::TaskState>, inline)]
    pub state: Option<String>,
    /// Estimated completion time.
    #[schema(minimum = 0)]
    pub estimate_complete_time: Option<i64>,
    /// Creation time of the task, epoch milliseconds.
    #[schema(minimum = 0)]
    pub create_date: Option<i64>,
    /// Priority: 0 low, 1 normal, 2 high.
    #[schema(maximum = 2)]
    pub priority: Option<u32>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[schema(maximum = 65535)]
    pub speed_limit: Option<u32>,
    /// Current rate, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub migrate_speed: Option<f64>,
    /// Compression ratio of the transfer.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub compress_rate: Option<f64>,
    /// Launch the target when the migration is done.
    pub start_target_server: Option<bool>,
    /// Error details, a JSON document inside a string.
    pub error_json: Option<String>,
    /// Total run time.
    pub total_time: Option<u64>,
    /// Address the data is sent to: an EIP for public migration, a private address for a dedicated
    /// line.
    #[schema(max_length = 255)]
    pub migration_ip: Option<String>,
    /// Subtasks.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub sub_tasks: Vec<SubTaskAssociatedWithTask>,
    /// Source server.
    pub source_server: Option<SourceServerAssociatedWithTask>,
    /// Enterprise project ID (the official text says migration project ID).
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub enterprise_project_id: Option<String>,
    /// Target server.
    pub target_server: Option<TargetServerAssociatedWithTask>,
    /// State of log collection.
    #[schema(value_type = Option<values::LogCollectStatus>, inline)]
    pub log_collect_status: Option<String>,
    /// Clone of the target server, when one exists.
    pub clone_server: Option<CloneServerBrief>,
    /// Keep synchronising after the first copy.
    pub syncing: Option<bool>,
    /// Result of the network check.
    pub network_check_info: Option<NetworkCheckInfoRequestBody>,
    /// Settings stored for the task.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub special_config: Vec<ConfigBody>,
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
}

/// The source server of a listed task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceServerAssociatedWithTask {
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
}

/// The target server of a listed task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetServerAssociatedWithTask {
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
}

/// A subtask of a listed task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubTaskAssociatedWithTask {
    /// Subtask ID.
    pub id: Option<u64>,
    /// Subtask name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Progress, 0-100.
    #[schema(maximum = 100)]
    pub progress: Option<u32>,
    /// Start time.
    #[schema(minimum = 0)]
    pub start_date: Option<i64>,
    /// End time of the subtask; null while it is running.
    #[schema(minimum = 0)]
    pub end_date: Option<i64>,
    /// Detailed progress text.
    #[schema(max_length = 2048)]
    pub process_trace: Option<String>,
}
