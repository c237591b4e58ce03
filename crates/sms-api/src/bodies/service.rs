//! What concerns the service as a whole: success without data, consent to its terms, its settings
//! for agents, digests of agent packages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire;

/// Success without data: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmptyResult {}

/// Answer of `GET /v3/privacy-agreements` (SMS, ShowPrivacyAgreements).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowPrivacyAgreementsResponse {
    /// true once the user has accepted the privacy agreement.
    pub flag: Option<bool>,
}

/// Answer of `GET /v3/config` (SMS, ShowConfig).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowConfigResponse {
    /// Settings for the agent by name.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    pub config: BTreeMap<String, String>,
    /// Regions known to the service, each with members such as `region_name` and `project_name`.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(max_items = 100)]
    pub regions: Vec<BTreeMap<String, String>>,
}

/// Answer of `GET /v3/sha256/{key}` (SMS, ShowSha256; no longer in the SDK).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShowSha256Response {
    /// SHA-256 of the agent package, hexadecimal.
    pub value: Option<String>,
}
