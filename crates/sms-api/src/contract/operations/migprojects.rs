//! Migration projects: the settings that new source servers begin with.

use super::{Access, Operation, Tag};
use crate::bodies::{
    CreateMigprojectResponse, ListMigprojectsQuery, ListMigprojectsResponse, MigProject,
    PostMigProjectBody, ShowMigprojectResponse,
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post("/v3/migprojects", "create_migproject", "CreateMigproject")
        .about(Tag::MIGPROJECTS, "Create a migration project")
        .takes::<PostMigProjectBody>()
        .gives::<CreateMigprojectResponse>()
        .access(Access::Operator)
        .action("sms:migproject:create")
        .trace("addMigProject"),
    Operation::get("/v3/migprojects", "list_migprojects", "ListMigprojects")
        .about(Tag::MIGPROJECTS, "List migration projects")
        .query::<ListMigprojectsQuery>()
        .gives::<ListMigprojectsResponse>()
        .access(Access::Reader)
        .action("sms:migproject:list"),
    Operation::get(
        "/v3/migprojects/{mig_project_id}",
        "show_migproject",
        "ShowMigproject",
    )
    .about(Tag::MIGPROJECTS, "Show a migration project")
    .gives::<ShowMigprojectResponse>()
    .access(Access::Reader)
    .action("sms:migproject:get"),
    Operation::put(
        "/v3/migprojects/{mig_project_id}",
        "update_migproject",
        "UpdateMigproject",
    )
    .about(Tag::MIGPROJECTS, "Change a migration project")
    .takes::<MigProject>()
    .access(Access::Operator)
    .action("sms:migproject:update")
    .trace("updateMigProject"),
    Operation::delete(
        "/v3/migprojects/{mig_project_id}",
        "delete_migproject",
        "DeleteMigproject",
    )
    .about(Tag::MIGPROJECTS, "Delete a migration project")
    .access(Access::Operator)
    .action("sms:migproject:delete")
    .trace("removeMigProject"),
    Operation::put(
        "/v3/migprojects/{mig_project_id}/default",
        "update_default_migproject",
        "UpdateDefaultMigproject",
    )
    .about(Tag::MIGPROJECTS, "Make a migration project the default one")
    .access(Access::Operator)
    .action("sms:migproject:update")
    .trace("setMigProjectDefault"),
];
