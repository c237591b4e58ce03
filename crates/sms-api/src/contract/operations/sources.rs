//! Source servers, their state, disks and commands.

use super::{Access, Operation, Tag};
use crate::bodies::{
    CommandBody, DeleteIds, ListErrorServersQuery, ListErrorServersResponse, ListServersQuery,
    ListServersResponse, PostSourceServerBody, PutCopyStateReq, PutDiskInfoReq,
    PutSourceServerBody, RegisterServerResponse, ShowCommandResponse, ShowOverviewResponse,
    ShowServerResponse,
};
use crate::rehost::CommandWaitQuery;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post("/v3/sources", "register_server", "RegisterServer")
        .about(
            Tag::SOURCES,
            "Register a source server (called by the agent)",
        )
        .takes::<PostSourceServerBody>()
        .gives::<RegisterServerResponse>()
        .access(Access::Agent)
        .action("sms:server:register")
        .trace("RegisterSourceServer"),
    Operation::get("/v3/sources", "list_servers", "ListServers")
        .about(Tag::SOURCES, "List source servers")
        .query::<ListServersQuery>()
        .gives::<ListServersResponse>()
        .access(Access::Reader)
        .action("sms:server:list"),
    Operation::get("/v3/sources/overview", "show_overview", "ShowOverview")
        .about(Tag::SOURCES, "Count source servers by state")
        .gives::<ShowOverviewResponse>()
        .access(Access::Reader)
        .action("sms:server:overview"),
    Operation::post("/v3/sources/delete", "delete_servers", "DeleteServers")
        .about(Tag::SOURCES, "Delete several source server records")
        .takes::<DeleteIds>()
        .access(Access::Operator)
        .action("sms:server:batchDelete")
        .trace("removeSources"),
    Operation::get("/v3/sources/{source_id}", "show_server", "ShowServer")
        .about(Tag::SOURCES, "Show a source server")
        .gives::<ShowServerResponse>()
        .access(Access::AgentOrReader)
        .action("sms:server:get"),
    Operation::put(
        "/v3/sources/{source_id}",
        "update_server_name",
        "UpdateServerName",
    )
    .about(
        Tag::SOURCES,
        "Change a source server (name, project, disk choices)",
    )
    .takes::<PutSourceServerBody>()
    .access(Access::Agent)
    .action("sms:server:update")
    .trace("updateSource"),
    Operation::delete("/v3/sources/{source_id}", "delete_server", "DeleteServer")
        .about(Tag::SOURCES, "Delete one source server record")
        .access(Access::Operator)
        .action("sms:server:delete")
        .trace("removeSource"),
    Operation::put(
        "/v3/sources/{source_id}/changestate",
        "update_copy_state",
        "UpdateCopyState",
    )
    .about(
        Tag::SOURCES,
        "Change the replication state of a source server",
    )
    .takes::<PutCopyStateReq>()
    .access(Access::Agent)
    .action("sms:server:updateState")
    .trace("updateCopyState"),
    Operation::put(
        "/v3/sources/{source_id}/diskinfo",
        "update_disk_info",
        "UpdateDiskInfo",
    )
    .about(
        Tag::SOURCES,
        "Replace the disk information of a source server",
    )
    .takes::<PutDiskInfoReq>()
    .access(Access::Agent)
    .action("sms:server:updateDiskInfo")
    .trace("updateSourceDiskInfo"),
    Operation::get("/v3/errors", "list_error_servers", "ListErrorServers")
        .about(Tag::SOURCES, "List source servers whose migration failed")
        .query::<ListErrorServersQuery>()
        .gives::<ListErrorServersResponse>()
        .access(Access::Reader)
        .action("sms:server:listErrors"),
    Operation::get(
        "/v3/sources/{server_id}/command",
        "show_command",
        "ShowCommand",
    )
    .about(
        Tag::COMMANDS,
        "Poll for the command meant for a source server (called by the agent)",
    )
    .query::<CommandWaitQuery>()
    .gives::<ShowCommandResponse>()
    .access(Access::Agent)
    .action("sms:server:getCommand"),
    Operation::post(
        "/v3/sources/{server_id}/command_result",
        "update_command_result",
        "UpdateCommandResult",
    )
    .about(
        Tag::COMMANDS,
        "Report the result of a command (called by the agent)",
    )
    .takes::<CommandBody>()
    .access(Access::Agent)
    .action("sms:server:updateCommandResult")
    .trace("processCommandResult"),
];
