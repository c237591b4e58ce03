//! Domains: tenants that see nothing of each other.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /rehost/v1/domains`.
///
/// A domain begins with one administrator, who makes everything else in it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreateDomainRequest {
    /// Name of the domain; unique on the control plane.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub name: String,
    /// Name of its first administrator.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.@-]{1,64}$")]
    pub administrator: String,
    /// Password of its first administrator.
    #[schema(min_length = 8, max_length = 128)]
    pub password: String,
}

impl std::fmt::Debug for CreateDomainRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateDomainRequest")
            .field("name", &self.name)
            .field("administrator", &self.administrator)
            .finish_non_exhaustive()
    }
}

/// A domain, as administrators of the control plane see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantDomain {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// When it was created, milliseconds since 1970.
    pub created_at: i64,
}

/// Answer of `GET /rehost/v1/domains`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TenantDomainList {
    /// How many there are.
    pub count: u64,
    /// All domains, by name.
    pub domains: Vec<TenantDomain>,
}

/// Answer of `POST /rehost/v1/domains`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedDomain {
    /// Id of the domain.
    pub id: String,
    /// Id of its first administrator.
    pub administrator_id: String,
}

#[cfg(test)]
mod tests {
    use super::CreateDomainRequest;

    #[test]
    fn the_password_stays_out_of_debug() {
        let body: CreateDomainRequest =
            serde_json::from_str(r#"{"name":"a","administrator":"b","password":"hush-hush"}"#)
                .unwrap();
        assert!(!format!("{body:?}").contains("hush"));
    }
}
