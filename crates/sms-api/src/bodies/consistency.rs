//! Results of the consistency check, and the request to export them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{values, wire};

/// Body of `POST /v3/tasks/{task_id}/consistency-result` (SMS, UpdateConsistencyResult).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "consistency_result": [{
        "dir_check": "/etc",
        "num_total_files": 1800,
        "num_different_files": 0,
        "num_target_miss_files": 0,
        "num_target_more_files": 0
    }]
}))]
pub struct SetConsistencyResultRequestBody {
    /// One record per verified directory.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable, max_items = 30)]
    pub consistency_result: Vec<ConsistencyResult>,
}

/// What the check of one directory found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyResult {
    /// Directory that was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 1024)]
    pub dir_check: Option<String>,
    /// Files verified in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub num_total_files: Option<u32>,
    /// Files that differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub num_different_files: Option<u32>,
    /// Files missing on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub num_target_miss_files: Option<u32>,
    /// Extra files on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub num_target_more_files: Option<u32>,
}

/// Answer of `GET /v3/tasks/{task_id}/consistency-result` (SMS, ShowConsistencyResult).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowConsistencyResultResponse {
    /// Runs of the check, oldest first.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(max_items = 65535)]
    pub result_list: Vec<ConsistencyResultRecord>,
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(min_length = 1, max_length = 36)]
    pub task_id: Option<String>,
}

/// One run of the consistency check.
///
/// The newest SDK types it as text, but Terraform and older SDKs expect objects, and the SDK turns
/// objects into text by itself. So objects are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyResultRecord {
    /// When the verification ended, epoch milliseconds.
    pub finished_time: Option<i64>,
    /// Outcome of the verification.
    pub check_result: Option<String>,
    /// One record per verified directory.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub consistency_result: Vec<ConsistencyResult>,
}

/// Body of `POST /v3/tasks/consistency-results/export` (SMS, ExportConsistencyResults).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "task_info": [{
        "task_id": "0198f6a3-0b44-7e07-b1de-58c2f96a7d20",
        "source_id": "0198f6a2-6c1e-7c3a-9d53-3f0a5e2b7c11",
        "source_name": "web-1"
    }]
}))]
pub struct BatchGetConsistencyResultReq {
    /// Tasks to export.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required, min_items = 1, max_items = 200)]
    pub task_info: Vec<BatchConsistencyReq>,
}

/// A task whose results are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchConsistencyReq {
    /// Task whose results are exported.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::RecordUuid>, inline)]
    pub task_id: Option<String>,
    /// Source server ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub source_id: Option<String>,
    /// Source server name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub source_name: Option<String>,
}
