//! Query parameters.

use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::values;

/// Query of `GET /v3/sources` (SMS, ListServers). Filters that are absent let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListServersQuery {
    /// State, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<values::SourceStateFilter>, inline)]
    pub state: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub name: Option<String>,
    /// Source server id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub id: Option<String>,
    /// IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub ip: Option<String>,
    /// IPv6 address; `ip` has precedence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub ipv6: Option<String>,
    /// Migration project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub migproject: Option<String>,
    /// Page size, 0 to 200; absent and 0 mean 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 200, default = 200)]
    pub limit: Option<u32>,
    /// How many to skip, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 65535, default = 0)]
    pub offset: Option<u32>,
    /// Stage of the migration.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<values::MigrationCycleFilter>, inline)]
    pub migration_cycle: Option<String>,
    /// Whether the agent is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// Enterprise project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub enterprise_project_id: Option<String>,
    /// Whether a consistency result exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_consistency_result_exist: Option<bool>,
    /// Clone of the target server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub vm_id: Option<String>,
}

/// Query of `GET /v3/tasks` (SMS, ListTasks). Filters that are absent let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListTasksQuery {
    /// State, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<values::TaskStateFilter>, inline)]
    pub state: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub name: Option<String>,
    /// Task id; empty means any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 36)]
    pub id: Option<String>,
    /// Source server id; empty means any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 36)]
    pub source_server_id: Option<String>,
    /// Page size, 0 to 200; absent means 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 200, default = 100)]
    pub limit: Option<u32>,
    /// How many to skip, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 65535, default = 0)]
    pub offset: Option<u32>,
    /// Enterprise project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub enterprise_project_id: Option<String>,
}

/// Query of `GET /v3/vm/templates` (SMS, ListTemplates). Filters that are absent let everything
/// through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListTemplatesQuery {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub name: Option<String>,
    /// Availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub availability_zone: Option<String>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub region: Option<String>,
    /// Page size, 0 to 100; absent means 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 100, default = 50)]
    pub limit: Option<u32>,
    /// How many to skip, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 65535, default = 0)]
    pub offset: Option<u32>,
    /// Template id; empty means any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 36, pattern = "^[a-zA-Z0-9-]{0,36}$")]
    pub id: Option<String>,
}

/// Query of `GET /v3/migprojects` (SMS, ListMigprojects).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListMigprojectsQuery {
    /// Page size, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 100)]
    pub limit: Option<u32>,
    /// How many to skip, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 65535)]
    pub offset: Option<u32>,
}

/// Query of `GET /v3/errors` (SMS, ListErrorServers).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListErrorServersQuery {
    /// Page size, 0 to 100; absent means 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 100, default = 50)]
    pub limit: Option<u32>,
    /// How many to skip, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 65535, default = 0)]
    pub offset: Option<u32>,
    /// Enterprise project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub enterprise_project_id: Option<String>,
    /// Migration project; no longer in the SDK, still sent by Terraform.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 255)]
    pub migproject: Option<String>,
}

/// Query of `GET /v3/tasks/{task_id}/certkey` (SMS, ShowCertKey).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ShowCertKeyQuery {
    /// Whether a CA certificate is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(default = false)]
    pub enable_ca_cert: Option<bool>,
}

/// Query of `GET /v3/tasks/{task_id}/configuration-setting` (SMS, ShowConfigSetting).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ConfigSettingQuery {
    /// The one setting to show; absent shows all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_key: Option<String>,
}

/// Query of `GET /v3/tasks/{t_project_id}/networkacl/{t_network_id}/check` (SMS, CheckNetAcl; no
/// longer in the SDK).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CheckNetAclQuery {
    /// Region of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region_id: Option<String>,
    /// Operating system family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
}
