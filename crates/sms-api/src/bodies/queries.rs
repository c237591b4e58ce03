//! Query parameters of the list routes.

use serde::{Deserialize, Serialize};

/// Query of `GET /v3/sources` (SMS, ListServers). Filters that are absent let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListServersQuery {
    /// State, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Source server id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// IPv6 address; `ip` has precedence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
    /// Migration project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migproject: Option<String>,
    /// Page size, 0 to 200; absent and 0 mean 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many to skip, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// Stage of the migration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_cycle: Option<String>,
    /// Whether the agent is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Enterprise project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_project_id: Option<String>,
    /// Whether a consistency result exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_consistency_result_exist: Option<bool>,
    /// Clone of the target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm_id: Option<String>,
}

/// Query of `GET /v3/tasks` (SMS, ListTasks). Filters that are absent let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListTasksQuery {
    /// State, upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Task id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Source server id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_server_id: Option<String>,
    /// Page size, 0 to 200; absent means 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many to skip, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// Enterprise project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_project_id: Option<String>,
}
