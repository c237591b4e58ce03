//! The small IAM that clients ask before their first call. Refusals of the token route have IAM's
//! own form.

use super::{Access, Operation, Tag};
use crate::bodies::iam::{
    AuthTokensRequest, DomainList, IamUserList, IamVersions, ProjectList, TokenResponse,
};
use crate::contract::parameters;
use crate::rehost::CloudServerResponse;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post("/v3/auth/tokens", "issue_token", "IssueToken")
        .about(Tag::IAM, "Get a token for a password or for another token")
        .parameters(parameters::token)
        .takes::<AuthTokensRequest>()
        .gives_created::<TokenResponse>()
        .access(Access::Everyone)
        .trace("createToken"),
    Operation::get("/v3/auth/tokens", "show_token", "ShowToken")
        .about(Tag::IAM, "Show what a token stands for")
        .parameters(parameters::subject_token)
        .gives::<TokenResponse>()
        .access(Access::Reader),
    Operation::delete("/v3/auth/tokens", "revoke_token", "RevokeToken")
        .about(Tag::IAM, "End a token before its time")
        .parameters(parameters::subject_token)
        .gives_nothing()
        .access(Access::Reader)
        .trace("revokeToken"),
    Operation::get("/v3/auth/domains", "list_auth_domains", "ListAuthDomains")
        .about(Tag::IAM, "List the domains of the caller")
        .gives::<DomainList>()
        .access(Access::Reader),
    Operation::get("/v3/projects", "list_projects", "ListProjects")
        .about(Tag::IAM, "List the projects of the caller")
        .parameters(parameters::projects)
        .gives::<ProjectList>()
        .access(Access::Reader),
    Operation::get("/v3/users", "list_iam_users", "ListIamUsers")
        .about(Tag::IAM, "Find a user of the caller's domain by its name")
        .parameters(parameters::users)
        .gives::<IamUserList>()
        .access(Access::Reader),
    Operation::get("/iam", "list_iam_versions", "ListIamVersions")
        .about(
            Tag::IAM,
            "Discover IAM; its routes are below /iam/v3 as well as below /v3",
        )
        .gives::<IamVersions>()
        .access(Access::Everyone),
    Operation::get(
        "/v1/{project_id}/cloudservers/{server_id}",
        "show_cloud_server",
        "ShowCloudServer",
    )
    .about(
        Tag::TARGETS,
        "Look a target server up as a cloud server, as clients do before they make a task for it",
    )
    .gives::<CloudServerResponse>()
    .access(Access::Reader),
];
