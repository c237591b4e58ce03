//! The interface itself: versions, documentation, settings for agents, consent.

use super::{Access, Operation, Tag};
use crate::bodies::{
    ListApiVersionResponse, ShowConfigResponse, ShowPrivacyAgreementsResponse, ShowSha256Response,
    Version,
};
use crate::rehost::Health;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/", "list_api_version", "ListApiVersion")
        .about(Tag::API_VERSION, "List API versions")
        .gives::<ListApiVersionResponse>()
        .access(Access::Everyone),
    Operation::get("/{version}", "show_api_version", "ShowApiVersion")
        .about(Tag::API_VERSION, "Show one API version")
        .gives::<Version>()
        .access(Access::Everyone),
    Operation::get("/healthz", "show_health", "ShowHealth")
        .about(Tag::SERVICE, "Tell whether the control plane works")
        .gives::<Health>()
        .access(Access::Everyone),
    Operation::get("/openapi.json", "show_openapi", "ShowOpenapi")
        .about(Tag::SERVICE, "Show this document")
        .gives_file("application/json")
        .access(Access::Everyone),
    Operation::get("/docs", "show_docs", "ShowDocs")
        .about(Tag::SERVICE, "Show this document as a page for people")
        .gives_file("text/html")
        .access(Access::Everyone),
    Operation::get("/v3/config", "show_config", "ShowConfig")
        .about(Tag::AGENT_RUNNING, "Get agent configuration")
        .gives::<ShowConfigResponse>()
        .access(Access::AgentOrReader)
        .action("sms::getConfig"),
    Operation::get(
        "/v3/privacy-agreements",
        "show_privacy_agreements",
        "ShowPrivacyAgreements",
    )
    .about(
        Tag::PRIVACY,
        "Tell whether the privacy agreement was accepted",
    )
    .gives::<ShowPrivacyAgreementsResponse>()
    .access(Access::AgentOrReader),
    Operation::post(
        "/v3/privacy-agreements",
        "create_privacy_agreements",
        "CreatePrivacyAgreements",
    )
    .about(Tag::PRIVACY, "Accept the privacy agreement")
    .access(Access::Agent)
    .trace("CreatePrivacyAgreements"),
    Operation::get("/v3/sha256/{key}", "show_sha256", "ShowSha256")
        .about(Tag::REMOVED, "Show the SHA-256 digest of an agent package")
        .gives::<ShowSha256Response>()
        .access(Access::AgentOrReader)
        .deprecated(),
];
