//! Settings of a task: speed limits by time of day, advanced options.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{values, wire};

/// Body of `POST /v3/tasks/{task_id}/speed-limit` (SMS, UpdateSpeed). Replaces all windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "speed_limit": [
        { "start": "08:00", "end": "18:00", "speed": 100, "over_speed_threshold": 20 },
        { "start": "18:00", "end": "08:00", "speed": 0 }
    ]
}))]
pub struct SpeedLimit {
    /// Rate limits by time window.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable, max_items = 5)]
    pub speed_limit: Vec<SpeedLimitlJson>,
}

/// A window of the day and its limit (spelled this way in SMS).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpeedLimitlJson {
    /// Start of the window, HH:MM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub start: Option<String>,
    /// End of the window, HH:MM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 255)]
    pub end: Option<String>,
    /// Limit in the window, Mbit/s (0 = no limit).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000, default = 0)]
    pub speed: Option<u32>,
    /// Percentage above the limit at which the task is stopped.
    #[serde(
        serialize_with = "wire::number",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 10, maximum = 100)]
    pub over_speed_threshold: Option<f64>,
}

/// Answer of `GET /v3/tasks/{task_id}/speed-limit` (SMS, ShowsSpeedLimits).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowsSpeedLimitsResponse {
    /// Rate limits by time window.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(max_items = 5)]
    pub speed_limit: Vec<SpeedLimitlJson>,
}

/// Body of `POST /v3/tasks/{task_id}/configuration-setting` (SMS,
/// UploadSpecialConfigurationSetting). Adds or replaces settings; a list without any takes all away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "configurations": [{ "config_key": "LINUX_CPU_LIMIT", "config_value": "50" }]
}))]
pub struct ConfigurationRequestBody {
    /// List of settings.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(nullable)]
    pub configurations: Vec<ConfigBody>,
}

/// A setting of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigBody {
    /// Setting name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::ConfigKey, inline, required)]
    pub config_key: Option<String>,
    /// Value of the setting; stored as is and interpreted by the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 1024)]
    pub config_value: Option<String>,
    /// Reserved text describing the state of the setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub config_status: Option<String>,
}

/// Answer of `GET /v3/tasks/{task_id}/configuration-setting` (SMS, ShowConfigSetting).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShowConfigSettingResponse {
    /// Task ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 100)]
    pub task_id: Option<String>,
    /// OS and method of the task combined.
    #[schema(value_type = Option<values::MigrateType>, inline)]
    pub migrate_type: Option<String>,
    /// List of settings.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub configurations: Vec<ConfigBody>,
}
