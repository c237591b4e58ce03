//! Results of the consistency check, and the request to export them.

use serde::{Deserialize, Serialize};

use super::wire;

/// Body of `POST /v3/tasks/{task_id}/consistency-result` (SMS, UpdateConsistencyResult).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetConsistencyResultRequestBody {
    /// One record per verified directory.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub consistency_result: Vec<ConsistencyResult>,
}

/// What the check of one directory found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsistencyResult {
    /// Directory that was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir_check: Option<String>,
    /// Files verified in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_total_files: Option<u32>,
    /// Files that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_different_files: Option<u32>,
    /// Files missing on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_target_miss_files: Option<u32>,
    /// Extra files on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_target_more_files: Option<u32>,
}

/// Answer of `GET /v3/tasks/{task_id}/consistency-result` (SMS, ShowConsistencyResult).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShowConsistencyResultResponse {
    /// Runs of the check, oldest first.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub result_list: Vec<ConsistencyResultRecord>,
    /// Task ID.
    #[serde(deserialize_with = "wire::text")]
    pub task_id: Option<String>,
}

/// One run of the consistency check.
///
/// The newest SDK types it as text, but Terraform and older SDKs expect objects, and the SDK turns
/// objects into text by itself. So objects are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsistencyResultRecord {
    /// When the verification ended, epoch milliseconds.
    pub finished_time: Option<i64>,
    /// Outcome of the verification.
    pub check_result: Option<String>,
    /// One record per verified directory.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub consistency_result: Vec<ConsistencyResult>,
}

/// Body of `POST /v3/tasks/consistency-results/export` (SMS, ExportConsistencyResults).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchGetConsistencyResultReq {
    /// Tasks to export.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub task_info: Vec<BatchConsistencyReq>,
}

/// A task whose results are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchConsistencyReq {
    /// Task whose results are exported.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub task_id: Option<String>,
    /// Source server ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub source_id: Option<String>,
    /// Source server name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
}
