//! The request for a token: who asks, and for what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bodies::{values, wire};

/// Body of `POST /v3/auth/tokens`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {
                "user": { "name": "ann", "domain": { "name": "acme" }, "password": "..." }
            }
        },
        "scope": { "project": { "name": "cn-north-4" } }
    }
}))]
pub struct AuthTokensRequest {
    /// Who asks, and for what.
    #[serde(default)]
    #[schema(required)]
    pub auth: Auth,
}

/// Who asks for a token, and for what.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Auth {
    /// Proof of who asks.
    #[serde(default)]
    #[schema(required)]
    pub identity: Identity,
    /// What the token shall be good for; the user's domain unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// Proof of who asks.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// `password` or `token`.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub methods: Vec<String>,
    /// For the method `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordIdentity>,
    /// For the method `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenIdentity>,
}

/// The member `password` of an identity.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PasswordIdentity {
    /// The user.
    #[serde(default)]
    #[schema(required)]
    pub user: PasswordUser,
}

/// A user with a password; named by `id`, or by `name` and `domain`.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct PasswordUser {
    /// User id.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::AnyId>, inline)]
    pub id: Option<String>,
    /// User name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Domain (account) of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Reference>,
    /// Password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, format = Password)]
    pub password: Option<String>,
}

impl std::fmt::Debug for PasswordUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordUser")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// The member `token` of an identity: an older token to exchange.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct TokenIdentity {
    /// The token.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
}

impl std::fmt::Debug for TokenIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenIdentity").finish_non_exhaustive()
    }
}

/// What a token shall be good for: a project or a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scope {
    /// A project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<Reference>,
    /// A domain (account).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Reference>,
}

/// Something named by its id, or by its name and domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reference {
    /// Id.
    #[serde(
        default,
        deserialize_with = "wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<values::AnyId>, inline)]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Domain of a project that is named by its name.
    #[schema(no_recursion)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Box<Reference>>,
}

#[cfg(test)]
mod tests {
    use super::AuthTokensRequest;

    #[test]
    fn a_password_request_is_read_and_its_password_stays_out_of_debug() {
        let request: AuthTokensRequest = serde_json::from_str(
            r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"acme"},
                "name":"ann","password":"hush"}}},"scope":{"project":{"name":"cn-north-4"}}}}"#,
        )
        .unwrap();
        let user = &request.auth.identity.password.as_ref().unwrap().user;
        assert_eq!(user.password.as_deref(), Some("hush"));
        assert_eq!(user.domain.as_ref().unwrap().name.as_deref(), Some("acme"));
        assert!(!format!("{request:?}").contains("hush"));
        let scope = request.auth.scope.unwrap();
        assert_eq!(scope.project.unwrap().name.as_deref(), Some("cn-north-4"));
    }
}
