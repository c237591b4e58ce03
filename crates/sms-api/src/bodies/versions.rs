//! The version routes, `GET /` and `GET /{version}`.
//!
//! The second answers a [`Version`] that is not wrapped.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire;

/// Answer of `GET /` (SMS, ListApiVersion).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListApiVersionResponse {
    /// Known versions.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(max_items = 1024)]
    pub versions: Vec<Version>,
}

/// A version of the interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Version name, such as v3.
    #[serde(default, deserialize_with = "wire::text")]
    #[schema(max_length = 255)]
    pub id: Option<String>,
    /// Links.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(max_items = 1024)]
    pub links: Vec<Link>,
    /// Support status of the version (SUPPORTED).
    #[schema(max_length = 255)]
    pub status: Option<String>,
    /// When the version was last updated, `yyyy-mm-ddThh:mm:ssZ` (UTC).
    #[schema(max_length = 255)]
    pub updated: Option<String>,
}

/// A link of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// URL.
    #[schema(max_length = 1024)]
    pub href: Option<String>,
    /// Relation; "self" is a local link.
    #[schema(max_length = 1024)]
    pub rel: Option<String>,
}
