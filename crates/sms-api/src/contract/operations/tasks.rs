//! Tasks: made, controlled, reported on, verified.

use super::{Access, Operation, Tag};
use crate::bodies::{
    BatchGetConsistencyResultReq, CheckNetAclQuery, ConfigSettingQuery, ConfigurationRequestBody,
    CreateTaskResponse, DeleteTasksReq, ListTasksQuery, ListTasksResponse,
    NetworkCheckInfoRequestBody, PostTask, PutTaskReq, SetConsistencyResultRequestBody,
    ShowCertKeyQuery, ShowCertKeyResponse, ShowConfigSettingResponse,
    ShowConsistencyResultResponse, ShowPassphraseResponse, ShowTaskResponse,
    ShowsSpeedLimitsResponse, SpeedLimit, UpdateNetworkCheckInfoResponse, UpdateTaskResponse,
    UpdateTaskSpeedReq, UpdateTaskStatusReq, UploadLogRequestBody,
};
use crate::contract::parameters;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post("/v3/tasks", "create_task", "CreateTask")
        .about(Tag::TASKS, "Create a migration task for a source server")
        .takes::<PostTask>()
        .gives::<CreateTaskResponse>()
        .access(Access::Operator)
        .action("sms:server:createTask")
        .trace("CreateTask"),
    Operation::get("/v3/tasks", "list_tasks", "ListTasks")
        .about(Tag::TASKS, "List tasks")
        .query::<ListTasksQuery>()
        .gives::<ListTasksResponse>()
        .access(Access::Reader)
        .action("sms:server:listTask"),
    Operation::post("/v3/tasks/delete", "delete_tasks", "DeleteTasks")
        .about(Tag::TASKS, "Delete several tasks")
        .takes::<DeleteTasksReq>()
        .access(Access::Operator)
        .action("sms:server:batchDeleteTask")
        .trace("deleteTasks"),
    Operation::get("/v3/tasks/{task_id}", "show_task", "ShowTask")
        .about(Tag::TASKS, "Show a task")
        .gives::<ShowTaskResponse>()
        .access(Access::AgentOrReader)
        .action("sms:server:getTask"),
    Operation::put("/v3/tasks/{task_id}", "update_task", "UpdateTask")
        .about(Tag::TASKS, "Change a task")
        .takes::<PutTaskReq>()
        .gives::<UpdateTaskResponse>()
        .access(Access::Agent)
        .action("sms:server:updateTask")
        .trace("UpdateTask"),
    Operation::delete("/v3/tasks/{task_id}", "delete_task", "DeleteTask")
        .about(Tag::TASKS, "Delete one task")
        .access(Access::Operator)
        .action("sms:server:deleteTask")
        .trace("deleteTask"),
    Operation::post(
        "/v3/tasks/{task_id}/action",
        "update_task_status",
        "UpdateTaskStatus",
    )
    .about(Tag::TASKS, "Perform an action on a task")
    .takes::<UpdateTaskStatusReq>()
    .access(Access::Agent)
    .action("sms:server:manageTask")
    .trace("updateTaskStatus"),
    Operation::put(
        "/v3/tasks/{task_id}/progress",
        "update_task_speed",
        "UpdateTaskSpeed",
    )
    .about(
        Tag::TASKS,
        "Report progress of a subtask (called by the agent)",
    )
    .takes::<UpdateTaskSpeedReq>()
    .access(Access::Agent)
    .action("sms:server:updateTaskProgress")
    .trace("updateTaskProgressSpeed"),
    Operation::get(
        "/v3/tasks/{task_id}/speed-limit",
        "shows_speed_limits",
        "ShowsSpeedLimits",
    )
    .about(Tag::TASKS, "Read the rate limits of a task")
    .gives::<ShowsSpeedLimitsResponse>()
    .access(Access::AgentOrReader)
    .action("sms:server:getTaskSpeedLimit"),
    Operation::post(
        "/v3/tasks/{task_id}/speed-limit",
        "update_speed",
        "UpdateSpeed",
    )
    .about(Tag::TASKS, "Set the rate limits of a task")
    .takes::<SpeedLimit>()
    .access(Access::Operator)
    .action("sms:server:updateTaskSpeedLimit")
    .trace("updateSpeedLimit"),
    Operation::get(
        "/v3/tasks/{task_id}/passphrase",
        "show_passphrase",
        "ShowPassphrase",
    )
    .about(Tag::TASKS, "Get the certificate passphrase of a task")
    .gives::<ShowPassphraseResponse>()
    .access(Access::Agent)
    .action("sms:server:getTaskPassphrase")
    .trace("getTaskPassPhrase"),
    Operation::get(
        "/v3/tasks/{task_id}/certkey",
        "show_cert_key",
        "ShowCertKey",
    )
    .about(Tag::KEYS, "Get the certificates and keys for a task")
    .query::<ShowCertKeyQuery>()
    .gives::<ShowCertKeyResponse>()
    .access(Access::Agent)
    .action("sms:server:getCert")
    .trace("getCertKey"),
    Operation::post("/v3/tasks/{task_id}/log", "collect_log", "CollectLog")
        .about(
            Tag::TASKS,
            "Ask for the logs of a task to be put in a bucket",
        )
        .takes::<UploadLogRequestBody>()
        .access(Access::Agent)
        .action("sms:server:collectLog")
        .trace("task-collect-log-request"),
    Operation::get(
        "/v3/tasks/{task_id}/configuration-setting",
        "show_config_setting",
        "ShowConfigSetting",
    )
    .about(Tag::TASKS, "Read the settings of a task")
    .query::<ConfigSettingQuery>()
    .gives::<ShowConfigSettingResponse>()
    .access(Access::AgentOrReader)
    .action("sms:server:getTaskConfig"),
    Operation::post(
        "/v3/tasks/{task_id}/configuration-setting",
        "upload_special_configuration_setting",
        "UploadSpecialConfigurationSetting",
    )
    .about(Tag::TASKS, "Store settings for a task")
    .takes::<ConfigurationRequestBody>()
    .access(Access::Agent)
    .action("sms:server:updateTaskConfig")
    .trace("updateSpecialConfigSetting"),
    Operation::get(
        "/v3/tasks/{task_id}/consistency-result",
        "show_consistency_result",
        "ShowConsistencyResult",
    )
    .about(Tag::TASKS, "Read the consistency results of a task")
    .gives::<ShowConsistencyResultResponse>()
    .access(Access::Reader)
    .action("sms:server:getConsistencyCheckResult"),
    Operation::post(
        "/v3/tasks/{task_id}/consistency-result",
        "update_consistency_result",
        "UpdateConsistencyResult",
    )
    .about(
        Tag::TASKS,
        "Upload consistency results (called by the agent)",
    )
    .takes::<SetConsistencyResultRequestBody>()
    .access(Access::Agent)
    .action("sms:server:updateConsistencyCheckResult")
    .trace("UpdateConsistencyResult"),
    Operation::post(
        "/v3/tasks/consistency-results/export",
        "export_consistency_results",
        "ExportConsistencyResults",
    )
    .about(
        Tag::TASKS,
        "Download consistency results of several tasks as a file",
    )
    .parameters(parameters::language)
    .takes::<BatchGetConsistencyResultReq>()
    .gives_file("application/octet-stream")
    .access(Access::Reader)
    .action("sms:server:getBatchConsistencyResults"),
    Operation::post(
        "/v3/{task_id}/update-network-check-info",
        "update_network_check_info",
        "UpdateNetworkCheckInfo",
    )
    .about(
        Tag::TASKS,
        "Report network check results (called by the agent)",
    )
    .takes::<NetworkCheckInfoRequestBody>()
    .gives::<UpdateNetworkCheckInfoResponse>()
    .access(Access::Agent)
    .action("sms:server:updateNetworkCheckInfo")
    .trace("updateNetworkCheckInfo"),
    Operation::post(
        "/v3/tasks/{task_id}/unlock",
        "unlock_target_ecs",
        "UnlockTargetEcs",
    )
    .about(Tag::REMOVED, "Unlock the target server of a task")
    .access(Access::Operator)
    .action("sms:server:unlock")
    .trace("unlockTargetEcs")
    .deprecated(),
    Operation::get(
        "/v3/tasks/{t_project_id}/networkacl/{t_network_id}/check",
        "check_net_acl",
        "CheckNetAcl",
    )
    .about(
        Tag::REMOVED,
        "Check that the security group of a network opens the needed ports",
    )
    .query::<CheckNetAclQuery>()
    .access(Access::Reader)
    .action("sms::checkNetwork")
    .deprecated(),
];
