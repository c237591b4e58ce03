//! What is done to a task while it lives: actions, progress, certificates, network check.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{values, wire};

/// Body of `POST /v3/tasks/{task_id}/action` (SMS, UpdateTaskStatus).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "operation": "start" }))]
pub struct UpdateTaskStatusReq {
    /// Action to perform on the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::Operation, inline, required)]
    pub operation: Option<String>,
    /// Template ID.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub template_id: Option<String>,
    /// Switch the target to Huawei Cloud EulerOS; Linux tasks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = false)]
    pub switch_hce: Option<bool>,
    /// Run a consistency check.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(default = false)]
    pub is_need_consistency_check: Option<bool>,
    /// Arguments of the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<std::collections::BTreeMap<String, String>>,
}

/// Body of `POST /v3/tasks/{task_id}/log` (SMS, CollectLog).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "log_bucket": "migration-logs" }))]
pub struct UploadLogRequestBody {
    /// Bucket to put the logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub log_bucket: Option<String>,
}

/// Body of `PUT /v3/tasks/{task_id}/progress` (SMS, UpdateTaskSpeed).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "subtask_name": "MIGRATE_LINUX_BLOCK",
    "progress": 42,
    "replicatesize": 2_705_829_396_u64,
    "totalsize": 6_442_450_944_u64,
    "process_trace": "full copy",
    "migrate_speed": 812.5,
    "remain_time": 37
}))]
pub struct UpdateTaskSpeedReq {
    /// Subtask the report is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::SubtaskName, inline, required)]
    pub subtask_name: Option<String>,
    /// Latest percentage of the subtask.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, maximum = 100)]
    pub progress: Option<u32>,
    /// Bytes the task has copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub replicatesize: Option<u64>,
    /// Bytes the task has to copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    pub totalsize: Option<u64>,
    /// Detailed progress text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 2048)]
    pub process_trace: Option<String>,
    /// Current rate, Mbit/s.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 10000)]
    pub migrate_speed: Option<f64>,
    /// Compression ratio of the transfer.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 10000)]
    pub compress_rate: Option<f64>,
    /// Time left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2147483647)]
    pub remain_time: Option<u64>,
    /// CPU use of the host, percent.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 100)]
    pub total_cpu_usage: Option<f64>,
    /// CPU share used by the agent, percent.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 100)]
    pub agent_cpu_usage: Option<f64>,
    /// Memory use of the host, MB.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 1048576)]
    pub total_mem_usage: Option<f64>,
    /// Memory used by the agent, MB.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 1048576)]
    pub agent_mem_usage: Option<f64>,
    /// Disk I/O of the host, Mbit/s.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 10000)]
    pub total_disk_io: Option<f64>,
    /// Disk I/O caused by the agent, Mbit/s.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 0, maximum = 10000)]
    pub agent_disk_io: Option<f64>,
    /// Run a migration drill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_migration_test: Option<bool>,
    /// Wall-clock time on the agent host; used to choose the speed-limit window when overspeed is
    /// checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 30)]
    pub agent_time: Option<String>,
}

/// Answer of `GET /v3/tasks/{task_id}/certkey` (SMS, ShowCertKey).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowCertKeyResponse {
    /// Certificate for the source side, PEM.
    #[schema(min_length = 1, max_length = 1048576)]
    pub cert: Option<String>,
    /// Private key for the source side, PEM.
    #[schema(min_length = 1, max_length = 1048576)]
    pub private_key: Option<String>,
    /// CA certificate, PEM.
    #[schema(min_length = 1, max_length = 1048576)]
    pub ca: Option<String>,
    /// Management-plane certificate of the target, PEM.
    #[schema(min_length = 1, max_length = 1048576)]
    pub target_mgmt_cert: Option<String>,
    /// Management-plane key of the target, PEM.
    #[schema(min_length = 1, max_length = 1048576)]
    pub target_mgmt_private_key: Option<String>,
    /// Data-plane certificate of the target, PEM.
    #[schema(min_length = 1, max_length = 1048576)]
    pub target_data_cert: Option<String>,
    /// Data-plane key of the target, PEM.
    #[schema(min_length = 1, max_length = 1048576)]
    pub target_data_private_key: Option<String>,
}

impl std::fmt::Debug for ShowCertKeyResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShowCertKeyResponse")
            .finish_non_exhaustive()
    }
}

/// Answer of `GET /v3/tasks/{task_id}/passphrase` (SMS, ShowPassphrase).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowPassphraseResponse {
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub task_id: Option<String>,
    /// Passphrase of the certificate for the secure channel.
    #[schema(max_length = 255)]
    pub passphrase: Option<String>,
}

impl std::fmt::Debug for ShowPassphraseResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShowPassphraseResponse")
            .finish_non_exhaustive()
    }
}

/// Body of `POST /v3/{task_id}/update-network-check-info` (SMS, UpdateNetworkCheckInfo).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "domain_connectivity": true,
    "destination_connectivity": true,
    "network_delay": 20.4,
    "network_jitter": 2.5,
    "migration_speed": 180,
    "loss_percentage": 0,
    "cpu_usage": 12.5,
    "mem_usage": 40,
    "evaluation_result": "SUCCESS"
}))]
pub struct NetworkCheckInfoRequestBody {
    /// Whether the service domain names could be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_connectivity: Option<bool>,
    /// Whether the target could be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_connectivity: Option<bool>,
    /// Latency, ms.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required, nullable = false, minimum = 0, maximum = 10000)]
    pub network_delay: Option<f64>,
    /// Jitter, ms.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required, nullable = false, minimum = 0, maximum = 10000)]
    pub network_jitter: Option<f64>,
    /// Measured bandwidth, Mbit/s.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required, nullable = false, minimum = 0, maximum = 10000)]
    pub migration_speed: Option<f64>,
    /// Packet loss, percent.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required, nullable = false, minimum = 0, maximum = 100)]
    pub loss_percentage: Option<f64>,
    /// CPU use during the check, percent.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required, nullable = false, minimum = 0, maximum = 100)]
    pub cpu_usage: Option<f64>,
    /// Memory use during the check, percent.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required, nullable = false, minimum = 0, maximum = 100)]
    pub mem_usage: Option<f64>,
    /// Verdict of the network check, such as SUCCESS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, min_length = 5, max_length = 9)]
    pub evaluation_result: Option<String>,
}

/// Answer of `POST /v3/{task_id}/update-network-check-info`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpdateNetworkCheckInfoResponse {
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(min_length = 1, max_length = 255)]
    pub task_id: Option<String>,
}
