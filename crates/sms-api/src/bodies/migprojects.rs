//! Migration projects: groups of source servers with common defaults for their tasks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{values, wire};

/// Body of `POST /v3/migprojects` (SMS, CreateMigproject).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "name": "spring-2026",
    "description": "The web servers",
    "isdefault": false,
    "region": "cn-north-4",
    "start_target_server": true,
    "speed_limit": 0,
    "use_public_ip": true,
    "exist_server": true,
    "type": "MIGRATE_BLOCK",
    "enterprise_project": "default",
    "syncing": false,
    "start_network_check": false
}))]
pub struct PostMigProjectBody {
    /// Project name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Free-text description.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// Whether this is the default project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isdefault: Option<bool>,
    /// Region name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false, max_length = 100)]
    pub region: Option<String>,
    /// Launch the target when the migration is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_target_server: Option<bool>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000)]
    pub speed_limit: Option<u32>,
    /// Migrate over the public network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_public_ip: Option<bool>,
    /// Whether an existing server is used as the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exist_server: Option<bool>,
    /// Default method of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = values::MigrationMethod, inline, required)]
    pub r#type: Option<String>,
    /// Enterprise project name.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub enterprise_project: Option<String>,
    /// Keep synchronising after the first copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syncing: Option<bool>,
    /// Run a network check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_network_check: Option<bool>,
}

/// Answer of `POST /v3/migprojects`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreateMigprojectResponse {
    /// ID of the new migration project.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
}

/// Body of `PUT /v3/migprojects/{mig_project_id}` (SMS, UpdateMigproject). Members that are absent
/// stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "description": "The web servers and their databases", "speed_limit": 500 }))]
pub struct MigProject {
    /// Project name: Chinese characters, letters, digits, underscore, hyphen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, pattern = "^[一-龥_0-9a-zA-Z-]*$")]
    pub name: Option<String>,
    /// Free-text description.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// Whether this is the default project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isdefault: Option<bool>,
    /// Region name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub region: Option<String>,
    /// Launch the target when the migration is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_target_server: Option<bool>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000)]
    pub speed_limit: Option<u32>,
    /// Migrate over the public network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_public_ip: Option<bool>,
    /// Whether an existing server is used as the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exist_server: Option<bool>,
    /// Default method of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<values::MigrationMethod>, inline)]
    pub r#type: Option<String>,
    /// Enterprise project name.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::Id>, inline)]
    pub enterprise_project: Option<String>,
    /// Keep synchronising after the first copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syncing: Option<bool>,
    /// Run a network check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_network_check: Option<bool>,
}

/// Answer of `GET /v3/migprojects` (SMS, ListMigprojects).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListMigprojectsResponse {
    /// Total number of matches, regardless of limit and offset.
    pub count: Option<u32>,
    /// Page of migration projects.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub migprojects: Vec<MigprojectsResponseBody>,
}

/// A migration project in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MigprojectsResponseBody {
    /// Migration project ID.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(min_length = 1, max_length = 255)]
    pub id: Option<String>,
    /// Project name.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Migrate over the public network.
    pub use_public_ip: Option<bool>,
    /// Whether this is the default project.
    pub isdefault: Option<bool>,
    /// Launch the target when the migration is done.
    pub start_target_server: Option<bool>,
    /// Region.
    #[schema(max_length = 255)]
    pub region: Option<String>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[schema(maximum = 10000)]
    pub speed_limit: Option<u32>,
    /// Whether an existing server is used as the target.
    pub exist_server: Option<bool>,
    /// Free-text description.
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// Default method of the project.
    #[schema(value_type = Option<values::MigrationMethod>, inline)]
    pub r#type: Option<String>,
    /// Enterprise project name.
    #[schema(max_length = 255)]
    pub enterprise_project: Option<String>,
    /// Keep synchronising after the first copy.
    pub syncing: Option<bool>,
    /// Run a network check.
    pub start_network_check: Option<bool>,
}

/// Answer of `GET /v3/migprojects/{mig_project_id}` (SMS, ShowMigproject). It carries no ID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowMigprojectResponse {
    /// Project name.
    #[schema(min_length = 1, max_length = 100, pattern = "^[一-龥_0-9a-zA-Z-]*$")]
    pub name: Option<String>,
    /// Free-text description.
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// Whether this is the default project.
    pub isdefault: Option<bool>,
    /// Region.
    #[schema(max_length = 255)]
    pub region: Option<String>,
    /// Launch the target when the migration is done.
    pub start_target_server: Option<bool>,
    /// Rate limit, Mbit/s (0 = no limit).
    #[schema(maximum = 1000)]
    pub speed_limit: Option<u32>,
    /// Migrate over the public network.
    pub use_public_ip: Option<bool>,
    /// Whether an existing server is used as the target.
    pub exist_server: Option<bool>,
    /// Default method of the project.
    #[schema(value_type = Option<values::MigrationMethod>, inline)]
    pub r#type: Option<String>,
    /// Enterprise project name.
    #[schema(max_length = 255)]
    pub enterprise_project: Option<String>,
    /// Keep synchronising after the first copy.
    pub syncing: Option<bool>,
    /// Run a network check.
    pub start_network_check: Option<bool>,
}
