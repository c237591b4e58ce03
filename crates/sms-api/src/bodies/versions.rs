//! The version routes, `GET /` and `GET /{version}`.
//!
//! The second answers a [`Version`] that is not wrapped.

use serde::{Deserialize, Serialize};

use super::wire;

/// Answer of `GET /` (SMS, ListApiVersion).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListApiVersionResponse {
    /// Known versions.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub versions: Vec<Version>,
}

/// A version of the interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    /// Version name, such as v3.
    #[serde(deserialize_with = "wire::text")]
    pub id: Option<String>,
    /// Links.
    #[serde(deserialize_with = "wire::null_as_default")]
    pub links: Vec<Link>,
    /// Support status of the version (SUPPORTED).
    pub status: Option<String>,
    /// When the version was last updated, `yyyy-mm-ddThh:mm:ssZ` (UTC).
    pub updated: Option<String>,
}

/// A link of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// URL.
    pub href: Option<String>,
    /// Relation; "self" is a local link.
    pub rel: Option<String>,
}
