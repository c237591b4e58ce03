//! The small part of IAM that SMS clients need before their first call: tokens, domains, projects.
//!
//! Forms follow Keystone v3, which IAM implements. The token itself travels in the header
//! `X-Subject-Token`, never in a body.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{values, wire};

/// Body of `POST /v3/auth/tokens`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
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

/// Answer of `POST` and `GET /v3/auth/tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenResponse {
    /// What the token stands for.
    #[serde(default)]
    #[schema(required)]
    pub token: Token,
}

/// What a token stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// How the user proved who it is.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub methods: Vec<String>,
    /// When the token ends, such as `2030-01-02T00:00:00.000000Z`.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub expires_at: String,
    /// When it was issued, in the same form.
    #[serde(default)]
    #[schema(required, format = DateTime)]
    pub issued_at: String,
    /// The user.
    #[serde(default)]
    #[schema(required)]
    pub user: TokenUser,
    /// The project, for a token of a project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<TokenProject>,
    /// The domain, for a token of a domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Named>,
    /// What the user may do.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub roles: Vec<Named>,
    /// Services and where they are; `[]` with `nocatalog=true`.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub catalog: Vec<CatalogEntry>,
}

/// The user of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenUser {
    /// User id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// User name.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Domain of the user.
    #[serde(default)]
    #[schema(required)]
    pub domain: Named,
    /// When the password must be changed; empty if never.
    #[serde(default)]
    #[schema(required)]
    pub password_expires_at: String,
}

/// The project of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenProject {
    /// Project id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Project name.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Domain of the project.
    #[serde(default)]
    #[schema(required)]
    pub domain: Named,
}

/// An id and its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Named {
    /// Id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Name.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
}

/// A service in the catalog of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogEntry {
    /// Id of the service.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Name, such as `sms`.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Type, such as `sms`.
    #[serde(default)]
    #[schema(required)]
    pub r#type: String,
    /// Where it is.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub endpoints: Vec<CatalogEndpoint>,
}

/// Where a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogEndpoint {
    /// Id of the endpoint.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// `public`.
    #[serde(default)]
    #[schema(required)]
    pub interface: String,
    /// Region.
    #[serde(default)]
    #[schema(required)]
    pub region: String,
    /// Id of the region.
    #[serde(default)]
    #[schema(required)]
    pub region_id: String,
    /// Base URL.
    #[serde(default)]
    #[schema(required)]
    pub url: String,
}

/// Answer of `GET /v3/auth/domains`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DomainList {
    /// Domains of the caller, at least one.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub domains: Vec<Domain>,
    /// Keystone's links of the list.
    #[serde(default)]
    #[schema(required)]
    pub links: ListLinks,
}

/// A domain (account).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Domain {
    /// Domain id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Domain name.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Whether it may be used.
    #[serde(default)]
    #[schema(required)]
    pub enabled: bool,
    /// Text for people.
    #[serde(default)]
    #[schema(required)]
    pub description: String,
}

/// Answer of `GET /v3/projects`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectList {
    /// Projects that match. The SDK refuses an answer with none or several for one name.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub projects: Vec<Project>,
    /// Keystone's links of the list.
    #[serde(default)]
    #[schema(required)]
    pub links: ListLinks,
}

/// A project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Project id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Project name, which is the name of its region.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Domain it belongs to.
    #[serde(default)]
    #[schema(required)]
    pub domain_id: String,
    /// Project or domain above it.
    #[serde(default)]
    #[schema(required)]
    pub parent_id: String,
    /// Whether it is a domain itself; false here.
    #[serde(default)]
    #[schema(required)]
    pub is_domain: bool,
    /// Whether it may be used.
    #[serde(default)]
    #[schema(required)]
    pub enabled: bool,
    /// Text for people.
    #[serde(default)]
    #[schema(required)]
    pub description: String,
}

/// Answer of `GET /v3/users`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IamUserList {
    /// Users that match; the caller itself where no name is given.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub users: Vec<IamUser>,
    /// Keystone's links of the list.
    #[serde(default)]
    #[schema(required)]
    pub links: ListLinks,
}

/// A user, as far as clients look it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IamUser {
    /// User id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Login name.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Domain it belongs to.
    #[serde(default)]
    #[schema(required)]
    pub domain_id: String,
    /// Whether it may log in.
    #[serde(default)]
    #[schema(required)]
    pub enabled: bool,
}

/// Keystone's links of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListLinks {
    /// The list itself.
    #[serde(default, rename = "self")]
    #[schema(required)]
    pub this: String,
    /// The page before; `null`.
    pub previous: Option<String>,
    /// The page after; `null`.
    pub next: Option<String>,
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
