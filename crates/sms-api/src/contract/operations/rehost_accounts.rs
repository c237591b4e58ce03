//! Routes beside the public contract: users, access keys, domains, and who did what.

use super::{Access, Operation, Tag};
use crate::rehost::{
    AccessKeyList, AuditRecordList, CreateAccessKeyRequest, CreateDomainRequest, CreateUserRequest,
    CreatedAccessKey, CreatedDomain, ExportAuditQuery, ListAuditQuery, TenantDomainList,
    UpdateUserRequest, User, UserList,
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/rehost/v1/users", "list_users", "ListUsers")
        .about(Tag::ACCOUNTS, "List users")
        .gives::<UserList>()
        .access(Access::Administrator),
    Operation::post("/rehost/v1/users", "create_user", "CreateUser")
        .about(Tag::ACCOUNTS, "Create a user")
        .takes::<CreateUserRequest>()
        .gives::<User>()
        .access(Access::Administrator)
        .trace("createUser"),
    Operation::get("/rehost/v1/users/{user_id}", "show_user", "ShowUser")
        .about(Tag::ACCOUNTS, "Show a user")
        .gives::<User>()
        .access(Access::Administrator),
    Operation::put("/rehost/v1/users/{user_id}", "update_user", "UpdateUser")
        .about(
            Tag::ACCOUNTS,
            "Change a user (role, password, whether it may log in)",
        )
        .takes::<UpdateUserRequest>()
        .gives::<User>()
        .access(Access::Administrator)
        .trace("updateUser"),
    Operation::delete("/rehost/v1/users/{user_id}", "delete_user", "DeleteUser")
        .about(
            Tag::ACCOUNTS,
            "Delete a user with its access keys and tokens",
        )
        .access(Access::Administrator)
        .trace("deleteUser"),
    Operation::get(
        "/rehost/v1/users/{user_id}/access-keys",
        "list_access_keys",
        "ListAccessKeys",
    )
    .about(Tag::ACCOUNTS, "List the access keys of a user")
    .gives::<AccessKeyList>()
    .access(Access::Administrator),
    Operation::post(
        "/rehost/v1/users/{user_id}/access-keys",
        "create_access_key",
        "CreateAccessKey",
    )
    .about(
        Tag::ACCOUNTS,
        "Create an access key; its secret is shown this once",
    )
    .may_take::<CreateAccessKeyRequest>()
    .gives::<CreatedAccessKey>()
    .access(Access::Administrator)
    .trace("addCredential"),
    Operation::delete(
        "/rehost/v1/users/{user_id}/access-keys/{access_key}",
        "delete_access_key",
        "DeleteAccessKey",
    )
    .about(Tag::ACCOUNTS, "Delete an access key")
    .access(Access::Administrator)
    .trace("deleteCredential"),
    Operation::get("/rehost/v1/domains", "list_domains", "ListDomains")
        .about(Tag::ACCOUNTS, "List domains")
        .gives::<TenantDomainList>()
        .access(Access::Administrator),
    Operation::post("/rehost/v1/domains", "create_domain", "CreateDomain")
        .about(
            Tag::ACCOUNTS,
            "Create a domain with its first administrator",
        )
        .takes::<CreateDomainRequest>()
        .gives::<CreatedDomain>()
        .access(Access::Administrator)
        .trace("createDomain"),
    Operation::get("/rehost/v1/audit", "list_audit_records", "ListAuditRecords")
        .about(Tag::AUDIT, "List who did what, latest first")
        .query::<ListAuditQuery>()
        .gives::<AuditRecordList>()
        .access(Access::Administrator),
    Operation::get(
        "/rehost/v1/audit/export",
        "export_audit_records",
        "ExportAuditRecords",
    )
    .about(Tag::AUDIT, "Download who did what as CSV, oldest first")
    .query::<ExportAuditQuery>()
    .gives_file("text/csv")
    .access(Access::Administrator),
];
