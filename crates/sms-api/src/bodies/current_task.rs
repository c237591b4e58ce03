//! The task as it is shown inside a source server (`current_task`).
//!
//! The list and the show route have different members; both are spelled out so that each is
//! complete.

use serde::{Deserialize, Serialize};

use super::wire;

/// `current_task` of a shown source server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskByServerSource {
    /// Task ID.
    #[serde(deserialize_with = "wire::text")]
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Migration method.
    pub r#type: Option<String>,
    /// Task state.
    pub state: Option<String>,
    /// Start time.
    pub start_date: Option<i64>,
    /// Rate limit, Mbit/s (0 = no limit).
    pub speed_limit: Option<u32>,
    /// Current rate, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    pub migrate_speed: Option<f64>,
    /// Launch the target when the migration is done.
    pub start_target_server: Option<bool>,
    /// Template used to create the target.
    #[serde(deserialize_with = "wire::text")]
    pub vm_template_id: Option<String>,
    /// Region ID.
    #[serde(deserialize_with = "wire::text")]
    pub region_id: Option<String>,
    /// Project name of the target.
    pub project_name: Option<String>,
    /// Project ID of the target.
    #[serde(deserialize_with = "wire::text")]
    pub project_id: Option<String>,
    /// Target server.
    pub target_server: Option<TargetServerById>,
    /// State of log collection.
    pub log_collect_status: Option<String>,
    /// Whether an existing server is the target.
    pub exist_server: Option<bool>,
    /// Migrate over the public network.
    pub use_public_ip: Option<bool>,
    /// Clone of the target server, when one exists.
    pub clone_server: Option<CloneServer>,
    /// Current subtask and its progress, as text.
    pub subtask_info: Option<String>,
}

/// `current_task` of a listed source server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskByServerSources {
    /// Task ID.
    #[serde(deserialize_with = "wire::text")]
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Migration method.
    pub r#type: Option<String>,
    /// Task state.
    pub state: Option<String>,
    /// Estimated completion time.
    pub estimate_complete_time: Option<i64>,
    /// Start time.
    pub start_date: Option<i64>,
    /// Rate limit, Mbit/s (0 = no limit).
    pub speed_limit: Option<u32>,
    /// Current rate, Mbit/s.
    #[serde(serialize_with = "wire::number")]
    pub migrate_speed: Option<f64>,
    /// Compression ratio of the transfer.
    #[serde(serialize_with = "wire::number")]
    pub compress_rate: Option<f64>,
    /// Launch the target when the migration is done.
    pub start_target_server: Option<bool>,
    /// Template used to create the target.
    #[serde(deserialize_with = "wire::text")]
    pub vm_template_id: Option<String>,
    /// Region ID.
    #[serde(deserialize_with = "wire::text")]
    pub region_id: Option<String>,
    /// Project name of the target.
    pub project_name: Option<String>,
    /// Project ID of the target.
    #[serde(deserialize_with = "wire::text")]
    pub project_id: Option<String>,
    /// Target server.
    pub target_server: Option<TargetServerById>,
    /// State of log collection.
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
    pub log_bucket: Option<String>,
    /// Lifetime of the shared link.
    pub log_expire: Option<u64>,
    /// When the log was uploaded.
    pub log_upload_time: Option<i64>,
    /// Shared link to the log.
    pub log_share_url: Option<String>,
    /// Current subtask and its progress, as text.
    pub subtask_info: Option<String>,
}

/// The target, in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetServerById {
    /// Server (ECS) ID of the target.
    #[serde(deserialize_with = "wire::text")]
    pub vm_id: Option<String>,
    /// Name.
    pub name: Option<String>,
}

/// A clone of the target server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloneServer {
    /// ID of the clone.
    #[serde(
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub vm_id: Option<String>,
    /// Name of the clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Error raised while cloning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clone_error: Option<String>,
    /// State of the clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clone_state: Option<String>,
    /// Text of the cloning error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_msg: Option<String>,
}

/// A clone of the target server, in the list of tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloneServerBrief {
    /// ID of the clone.
    #[serde(deserialize_with = "wire::text")]
    pub vm_id: Option<String>,
    /// Name of the clone.
    pub name: Option<String>,
}
