//! Users of a domain, what they may do, and their access keys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an account may do. Each role may do what the ones before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AccountRole {
    /// See everything but secrets.
    ReadOnly,
    /// Migrate: change source servers, tasks, templates and projects, and read their secrets.
    Operator,
    /// Say who may do what, let machines join, read the audit log.
    Administrator,
}

impl AccountRole {
    /// The role as it is written in bodies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The role of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ReadOnly, Self::Operator, Self::Administrator]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// Body of `POST /rehost/v1/users`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreateUserRequest {
    /// Name to log in with; unique in the domain.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.@-]{1,64}$")]
    pub name: String,
    /// Password to log in with.
    #[schema(min_length = 8, max_length = 128)]
    pub password: String,
    /// What the user may do.
    #[schema(inline)]
    pub role: AccountRole,
}

impl std::fmt::Debug for CreateUserRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateUserRequest")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Body of `PUT /rehost/v1/users/{user_id}`. What is absent stays as it is.
///
/// A new password, a new role and `enabled: false` end the user's tokens.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct UpdateUserRequest {
    /// New password.
    #[schema(min_length = 8, max_length = 128, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// New role.
    #[schema(inline, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<AccountRole>,
    /// Whether the user may log in and use access keys.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl std::fmt::Debug for UpdateUserRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpdateUserRequest")
            .field("role", &self.role)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// A user, as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Id.
    pub id: String,
    /// Name to log in with.
    pub name: String,
    /// Id of the domain it belongs to.
    pub domain_id: String,
    /// What the user may do.
    #[schema(inline)]
    pub role: AccountRole,
    /// Whether the user may log in and use access keys.
    pub enabled: bool,
    /// When it was created, milliseconds since 1970.
    pub created_at: i64,
}

/// Answer of `GET /rehost/v1/users`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// How many there are.
    pub count: u64,
    /// All users of the domain, by name.
    pub users: Vec<User>,
}

/// Body of `POST /rehost/v1/users/{user_id}/access-keys`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CreateAccessKeyRequest {
    /// What the key is for, in words for people.
    #[schema(max_length = 255, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Answer of `POST /rehost/v1/users/{user_id}/access-keys`: the only time that the secret is told.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedAccessKey {
    /// Public part (AK).
    pub access_key: String,
    /// Secret part (SK).
    pub secret_key: String,
}

impl std::fmt::Debug for CreatedAccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedAccessKey")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// An access key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessKey {
    /// Public part (AK).
    pub access_key: String,
    /// What the key is for; empty if nobody said.
    pub description: String,
    /// When it was created, milliseconds since 1970.
    pub created_at: i64,
}

/// Answer of `GET /rehost/v1/users/{user_id}/access-keys`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessKeyList {
    /// How many there are.
    pub count: u64,
    /// All keys of the user, oldest first.
    pub access_keys: Vec<AccessKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_written_in_one_way() {
        assert!(AccountRole::ReadOnly < AccountRole::Operator);
        assert!(AccountRole::Operator < AccountRole::Administrator);
        for name in ["read-only", "operator", "administrator"] {
            let role = AccountRole::from_name(name).unwrap();
            assert_eq!(serde_json::to_value(role).unwrap(), name);
        }
        assert_eq!(AccountRole::from_name("root"), None);
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let create: CreateUserRequest =
            serde_json::from_str(r#"{"name":"ann","password":"hush-hush","role":"operator"}"#)
                .unwrap();
        let update = UpdateUserRequest {
            password: Some("hush-hush".into()),
            ..Default::default()
        };
        let key = CreatedAccessKey {
            access_key: "AK".into(),
            secret_key: "hush-hush".into(),
        };
        assert!(!format!("{create:?}{update:?}{key:?}").contains("hush"));
    }
}
