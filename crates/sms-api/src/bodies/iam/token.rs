//! What a token stands for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bodies::wire;

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
