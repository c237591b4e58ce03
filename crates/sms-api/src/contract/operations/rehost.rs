//! Routes beside the public contract: joining, targets, what a migration came to, logs.

use super::{Access, Operation, Tag};
use crate::rehost::{
    Boot, BootList, BootReport, BootSettings, CopyPlan, JoinRequest, JoinResponse,
    JoinTokenRequest, JoinTokenResponse, MigrationReport, OrderedBoot, SourceAssignment,
    StoredLogArchive, TargetAssignments, TargetAssignmentsQuery, TargetList, TargetRegistration,
    TargetTaskReport,
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/rehost/v1/join-tokens",
        "create_join_token",
        "CreateJoinToken",
    )
    .about(Tag::JOINING, "Make a token with which one machine can join")
    .takes::<JoinTokenRequest>()
    .gives::<JoinTokenResponse>()
    .access(Access::Administrator)
    .trace("createJoinToken"),
    Operation::post("/rehost/v1/join", "join", "Join")
        .about(Tag::JOINING, "Exchange a join token for a certificate")
        .takes::<JoinRequest>()
        .gives::<JoinResponse>()
        .access(Access::Everyone)
        .trace("join"),
    Operation::get("/rehost/v1/targets", "list_targets", "ListTargets")
        .about(Tag::TARGETS, "List target servers")
        .gives::<TargetList>()
        .access(Access::Reader),
    Operation::delete(
        "/rehost/v1/targets/{target_id}",
        "delete_target",
        "DeleteTarget",
    )
    .about(Tag::TARGETS, "Forget a target server")
    .access(Access::Administrator)
    .trace("deleteTarget"),
    Operation::put(
        "/rehost/v1/targets/self",
        "register_target",
        "RegisterTarget",
    )
    .about(
        Tag::TARGETS,
        "Say what a target server offers (called by the receiver)",
    )
    .takes::<TargetRegistration>()
    .access(Access::Receiver)
    .trace("registerTarget"),
    Operation::get(
        "/rehost/v1/targets/self/assignments",
        "list_target_assignments",
        "ListTargetAssignments",
    )
    .about(
        Tag::TARGETS,
        "Wait for the tasks that a target server has to receive (called by the receiver)",
    )
    .query::<TargetAssignmentsQuery>()
    .gives::<TargetAssignments>()
    .access(Access::Receiver),
    Operation::put(
        "/rehost/v1/targets/self/tasks/{task_id}",
        "report_target_task",
        "ReportTargetTask",
    )
    .about(
        Tag::TARGETS,
        "Report where a target server is with a task (called by the receiver)",
    )
    .takes::<TargetTaskReport>()
    .access(Access::Receiver)
    .trace("reportTargetTask"),
    Operation::put(
        "/rehost/v1/targets/self/tasks/{task_id}/boots/{boot_id}",
        "report_boot",
        "ReportBoot",
    )
    .about(
        Tag::TARGETS,
        "Report what came of starting what was received (called by the receiver)",
    )
    .takes::<BootReport>()
    .access(Access::Receiver)
    .trace("reportBoot"),
    Operation::get(
        "/rehost/v1/tasks/{task_id}/boot-settings",
        "show_boot_settings",
        "ShowBootSettings",
    )
    .about(
        Tag::TASKS,
        "Show how rehearsals and cut-overs start the target",
    )
    .gives::<BootSettings>()
    .access(Access::Reader),
    Operation::put(
        "/rehost/v1/tasks/{task_id}/boot-settings",
        "update_boot_settings",
        "UpdateBootSettings",
    )
    .about(
        Tag::TASKS,
        "Say how rehearsals and cut-overs start the target",
    )
    .takes::<BootSettings>()
    .access(Access::Operator)
    .trace("updateBootSettings"),
    Operation::post(
        "/rehost/v1/tasks/{task_id}/rehearsals",
        "create_rehearsal",
        "CreateRehearsal",
    )
    .about(
        Tag::TASKS,
        "Start a copy of the target while synchronisation goes on, and throw it away",
    )
    .gives::<OrderedBoot>()
    .access(Access::Operator)
    .trace("createRehearsal"),
    Operation::get(
        "/rehost/v1/tasks/{task_id}/boots",
        "list_boots",
        "ListBoots",
    )
    .about(Tag::RESULTS, "List rehearsals and starts of the target")
    .gives::<BootList>()
    .access(Access::Reader),
    Operation::get(
        "/rehost/v1/tasks/{task_id}/boots/{boot_id}",
        "show_boot",
        "ShowBoot",
    )
    .about(
        Tag::RESULTS,
        "Show a rehearsal or a start with its fix-ups, console and screen",
    )
    .gives::<Boot>()
    .access(Access::Reader),
    Operation::get(
        "/rehost/v1/sources/{source_id}/copy-plan",
        "show_copy_plan",
        "ShowCopyPlan",
    )
    .about(
        Tag::SOURCES,
        "Show how the disks of a source server are going to be copied",
    )
    .gives::<CopyPlan>()
    .access(Access::AgentOrReader),
    Operation::put(
        "/rehost/v1/sources/{source_id}/copy-plan",
        "update_copy_plan",
        "UpdateCopyPlan",
    )
    .about(
        Tag::SOURCES,
        "Say how the disks of a source server are going to be copied (called by the agent)",
    )
    .takes::<CopyPlan>()
    .access(Access::Agent)
    .trace("updateCopyPlan"),
    Operation::get(
        "/rehost/v1/tasks/{task_id}/assignment",
        "show_source_assignment",
        "ShowSourceAssignment",
    )
    .about(
        Tag::TASKS,
        "Show what a source server has to do for a task (called by the agent)",
    )
    .gives::<SourceAssignment>()
    .access(Access::Agent),
    Operation::get(
        "/rehost/v1/tasks/{task_id}/report",
        "show_report",
        "ShowReport",
    )
    .about(Tag::RESULTS, "Show what a migration cost and achieved")
    .gives::<MigrationReport>()
    .access(Access::AgentOrReader),
    Operation::put(
        "/rehost/v1/tasks/{task_id}/report",
        "update_report",
        "UpdateReport",
    )
    .about(
        Tag::RESULTS,
        "Report what a migration cost and achieved (called by the agent)",
    )
    .takes::<MigrationReport>()
    .access(Access::Agent)
    .trace("updateReport"),
    Operation::get(
        "/rehost/v1/tasks/{task_id}/proof",
        "show_proof",
        "ShowProof",
    )
    .about(Tag::RESULTS, "Show the proof that both sides are equal")
    .gives_file("application/json")
    .access(Access::AgentOrReader),
    Operation::put(
        "/rehost/v1/tasks/{task_id}/proof",
        "update_proof",
        "UpdateProof",
    )
    .about(
        Tag::RESULTS,
        "Store the proof that both sides are equal (called by the agent)",
    )
    .takes_stream("application/json")
    .access(Access::Agent)
    .trace("updateProof"),
    Operation::put(
        "/rehost/v1/tasks/{task_id}/log-archives/{role}",
        "upload_log_archive",
        "UploadLogArchive",
    )
    .about(
        Tag::RESULTS,
        "Store the logs of one machine of a task (called by the machine)",
    )
    .takes_stream("application/octet-stream")
    .gives::<StoredLogArchive>()
    .access(Access::Machine)
    .trace("uploadLogArchive"),
    Operation::get(
        "/rehost/v1/log-archives/{share}",
        "download_log_archive",
        "DownloadLogArchive",
    )
    .about(
        Tag::RESULTS,
        "Download logs by the secret address that was given out for them",
    )
    .gives_file("application/octet-stream")
    .access(Access::Everyone),
];
