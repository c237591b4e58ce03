//! The small IAM that clients ask before their first call. Refusals of the token route have IAM's
//! own form.

use super::{Access, Operation, Tag};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post("/v3/auth/tokens", "issue_token", "IssueToken")
        .about(Tag::IAM, "Get a token for a password or for another token")
        .access(Access::Everyone)
        .trace("createToken"),
    Operation::get("/v3/auth/tokens", "show_token", "ShowToken")
        .about(Tag::IAM, "Show what a token stands for")
        .access(Access::Reader),
    Operation::delete("/v3/auth/tokens", "revoke_token", "RevokeToken")
        .about(Tag::IAM, "End a token before its time")
        .access(Access::Reader)
        .trace("revokeToken"),
    Operation::get("/v3/auth/domains", "list_auth_domains", "ListAuthDomains")
        .about(Tag::IAM, "List the domains of the caller")
        .access(Access::Reader),
    Operation::get("/v3/projects", "list_projects", "ListProjects")
        .about(Tag::IAM, "List the projects of the caller")
        .access(Access::Reader),
    Operation::get("/v3/users", "list_iam_users", "ListIamUsers")
        .about(Tag::IAM, "Find a user of the caller's domain by its name")
        .access(Access::Reader),
];
