//! Templates of target servers.

use super::{Access, Operation, Tag};
use crate::bodies::{
    CreateTemplateReq, CreateTemplateResponse, DeletetemplatesReq, ListTemplatesQuery,
    ListTemplatesResponse, ShowTargetPasswordResponse, ShowTemplateResponse, UpdateTemplateReq,
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post("/v3/vm/templates", "create_template", "CreateTemplate")
        .about(Tag::TEMPLATES, "Create a target-server template")
        .takes::<CreateTemplateReq>()
        .gives::<CreateTemplateResponse>()
        .access(Access::Operator)
        .action("sms:template:create")
        .trace("addTemplate"),
    Operation::get("/v3/vm/templates", "list_templates", "ListTemplates")
        .about(Tag::TEMPLATES, "List templates")
        .query::<ListTemplatesQuery>()
        .gives::<ListTemplatesResponse>()
        .access(Access::Reader)
        .action("sms:template:list"),
    Operation::post(
        "/v3/vm/templates/delete",
        "delete_templates",
        "DeleteTemplates",
    )
    .about(Tag::TEMPLATES, "Delete several templates")
    .takes::<DeletetemplatesReq>()
    .access(Access::Operator)
    .action("sms:template:batchDelete")
    .trace("deleteTemplates"),
    Operation::get("/v3/vm/templates/{id}", "show_template", "ShowTemplate")
        .about(Tag::TEMPLATES, "Show a template")
        .gives::<ShowTemplateResponse>()
        .access(Access::AgentOrReader)
        .action("sms:template:get"),
    Operation::put("/v3/vm/templates/{id}", "update_template", "UpdateTemplate")
        .about(Tag::TEMPLATES, "Change a template")
        .takes::<UpdateTemplateReq>()
        .access(Access::Operator)
        .action("sms:template:update")
        .trace("updateTemplate"),
    Operation::delete("/v3/vm/templates/{id}", "delete_template", "DeleteTemplate")
        .about(Tag::TEMPLATES, "Delete one template")
        .access(Access::Operator)
        .action("sms:template:delete")
        .trace("deleteTemplate"),
    Operation::get(
        "/v3/vm/templates/{id}/target-password",
        "show_target_password",
        "ShowTargetPassword",
    )
    .about(
        Tag::TEMPLATES,
        "Get the target-server password stored in a template",
    )
    .gives::<ShowTargetPasswordResponse>()
    .access(Access::Agent)
    .action("sms:template:getTargetPassword")
    .trace("getTargetPassword"),
];
