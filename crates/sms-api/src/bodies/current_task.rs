//! The task as it is shown inside a source server (`current_task`).
//!
//! The list and the show route have different members; both are spelled out so that each is
//! complete.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{values, wire};

/// `current_task` of a shown source server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskByServerSource {
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
    /// Task state.
    #[schema(max_length = 255)]
    pub state: Option<String>,
    /// Start time.
    #[schema(minimum = 0)]
    pub start_date: Option<i64>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[schema(maximum = 10000)]
    pub speed_limit: Option<u32>,
    /// Current rate, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    #[schema(minimum = 0, maximum = 10000)]
    pub migrate_speed: Option<f64>,
    /// Launch the target when the migration is done.
    pub start_target_server: Option<bool>,
    /// Template used to create the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub vm_template_id: Option<String>,
    /// Region ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub region_id: Option<String>,
    /// Project name of the target.
    #[schema(max_length = 255)]
    pub project_name: Option<String>,
    /// Project ID of the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub project_id: Option<String>,
    /// Target server.
    pub target_server: Option<TargetServerById>,
    /// State of log collection.
    #[schema(value_type = Option<values::LogCollectStatus>, inline)]
    pub log_collect_status: Option<String>,
    /// Whether an existing server is the target.
    pub exist_server: Option<bool>,
    /// Migrate over the public network.
    pub use_public_ip: Option<bool>,
    /// Clone of the target server, when one exists.
    pub clone_server: Option<CloneServer>,
    /// Current subtask and its progress, as text.
    #[schema(max_length = 255)]
    pub subtask_info: Option<String>,
}

/// `current_task` of a listed source server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskByServerSources {
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(min_length = 1, max_length = 255)]
    pub id: Option<String>,
    /// Name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Migration method.
    #[schema(value_type = Option<values::MigrationMethod>, inline)]
    pub r#type: Option<String>,
    /// Task state.
    #[schema(max_length = 255)]
    pub state: Option<String>,
    /// Estimated completion time.
    #[schema(minimum = 0)]
    pub estimate_complete_time: Option<i64>,
    /// Start time.
    #[schema(minimum = 0)]
    pub start_date: Option<i64>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[schema(maximum = 10000)]
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
    /// Template used to create the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub vm_template_id: Option<String>,
    /// Region ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub region_id: Option<String>,
    /// Project name of the target.
    #[schema(max_length = 255)]
    pub project_name: Option<String>,
    /// Project ID of the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub project_id: Option<String>,
    /// Target server.
    pub target_server: Option<TargetServerById>,
    /// State of log collection.
    #[schema(value_type = Option<values::LogCollectStatus>, inline)]
    pub log_collect_status: Option<String>,
    /// Whether an existing server is used as the target.
    pub exist_server: Option<bool>,
    /// Migrate over the public network.
    pub use_public_ip: Option<bool>,
    /// Clone of the target server, when one exists.
    pub clone_server: Option<CloneServer>,
    /// Seconds left.
    pub remain_seconds: Option<u64>,
    /// Bucket for logs.
    #[schema(max_length = 255)]
    pub log_bucket: Option<String>,
    /// Lifetime of the shared link.
    #[schema(minimum = 300, maximum = 64800)]
    pub log_expire: Option<u64>,
    /// When the log was uploaded.
    #[schema(minimum = 0)]
    pub log_upload_time: Option<i64>,
    /// Shared link to the log.
    #[schema(max_length = 65535)]
    pub log_share_url: Option<String>,
    /// Current subtask and its progress, as text.
    #[schema(max_length = 255)]
    pub subtask_info: Option<String>,
}

/// The target, in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetServerById {
    /// Server (ECS) ID of the target.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub vm_id: Option<String>,
    /// Name.
    #[schema(max_length = 255)]
    pub name: Option<String>,
}

/// A clone of the target server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CloneServer {
    /// ID of the clone.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub vm_id: Option<String>,
    /// Name of the clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// Error raised while cloning.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub clone_error: Option<String>,
    /// State of the clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::CloneState>, inline)]
    pub clone_state: Option<String>,
    /// Text of the cloning error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub error_msg: Option<String>,
}

/// A clone of the target server, in the list of tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CloneServerBrief {
    /// ID of the clone.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub vm_id: Option<String>,
    /// Name of the clone.
    #[schema(max_length = 255)]
    pub name: Option<String>,
}
