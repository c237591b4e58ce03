//! A task as the API shows it, in four forms: alone, in a list, and inside its source server.

use rehost_migration::subtask::{self, SubtaskName};
use rehost_sms_api::bodies::{
    CloneServerBrief, ShowTaskResponse, SourceServerAssociatedWithTask, SourceServerResponse,
    SubTask, SubTaskAssociatedWithTask, TargetServerAssociatedWithTask, TargetServerById,
    TaskByServerSource, TaskByServerSources, TasksResponseBody,
};
use rehost_store::{OptionRow, SourceRow, TargetRow};

use super::record::Task;
use super::settings::shown_option;
use super::target_view::target_server;
use crate::app::sources;
use crate::errors::ApiError;

/// Priority of a task that names none (SMS: normal).
const NORMAL_PRIORITY: u32 = 1;

/// SMS, ShowTask.
pub(super) fn shown(
    task: Task,
    source: &SourceRow,
    target: Option<&TargetRow>,
    now: i64,
) -> Result<ShowTaskResponse, ApiError> {
    let inventory = sources::inventory(source)?;
    let times = Times::of(&task, now);
    let subtask_info = subtask_info(&task.subtasks);
    let target_server = target_server(&task, source, target)?;
    let Task {
        row,
        body,
        subtasks,
        figures,
        ..
    } = task;
    let created = body.created;
    Ok(ShowTaskResponse {
        name: Some(row.name),
        r#type: created.r#type,
        os_type: created.os_type.or_else(|| inventory.os_type.clone()),
        id: Some(row.id),
        priority: Some(created.priority.unwrap_or(NORMAL_PRIORITY)),
        speed_limit: Some(created.speed_limit.unwrap_or(0)),
        region_id: created.region_id,
        start_target_server: Some(created.start_target_server.unwrap_or(true)),
        enterprise_project_id: Some(source.enterprise_project.clone()),
        migration_ip: created.migration_ip,
        region_name: created.region_name,
        project_name: created.project_name,
        project_id: created.project_id,
        vm_template_id: created.vm_template_id,
        source_server: Some(SourceServerResponse {
            id: Some(source.id.clone()),
            ip: sources::address(source),
            name: source.name.clone(),
            os_type: inventory.os_type.unwrap_or_default(),
            os_version: inventory.os_version,
            oem_system: inventory.oem_system,
            state: Some(source.state.clone()),
            migration_cycle: Some(source.migration_cycle.clone()),
        }),
        target_server: Some(target_server),
        state: Some(row.state),
        estimate_complete_time: times.estimate_complete_time,
        connected: Some(sources::is_connected(source, now)),
        create_date: Some(row.create_date),
        start_date: row.start_date,
        finish_date: row.finish_date,
        migrate_speed: Some(figures.migrate_speed.unwrap_or(0.0)),
        compress_rate: figures.compress_rate,
        error_json: row.error_json,
        total_time: times.total_seconds,
        float_ip: None,
        remain_seconds: times.remain_seconds,
        target_snapshot_id: None,
        clone_server: body.clone,
        sub_tasks: subtasks,
        network_check_info: body.network,
        total_cpu_usage: figures.total_cpu_usage,
        agent_cpu_usage: figures.agent_cpu_usage,
        total_mem_usage: figures.total_mem_usage,
        agent_mem_usage: figures.agent_mem_usage,
        total_disk_io: figures.total_disk_io,
        agent_disk_io: figures.agent_disk_io,
        need_migration_test: Some(created.need_migration_test.unwrap_or(false)),
        subtask_info,
        use_public_ip: Some(created.use_public_ip.unwrap_or(true)),
        syncing: Some(created.syncing.unwrap_or(false)),
        use_ipv6: Some(created.use_ipv6.unwrap_or(false)),
    })
}

/// SMS, ListTasks.
pub(super) fn listed(
    task: Task,
    source: &SourceRow,
    target: Option<&TargetRow>,
    options: Vec<OptionRow>,
    now: i64,
) -> Result<TasksResponseBody, ApiError> {
    let inventory = sources::inventory(source)?;
    let times = Times::of(&task, now);
    let subtask_info = subtask_info(&task.subtasks);
    let target_server = target_server(&task, source, target)?;
    let log_collect_status = log_collect_status(&task);
    let Task {
        row,
        body,
        subtasks,
        figures,
        ..
    } = task;
    let created = body.created;
    Ok(TasksResponseBody {
        id: Some(row.id),
        name: Some(row.name),
        r#type: created.r#type,
        os_type: created.os_type.or_else(|| inventory.os_type.clone()),
        state: Some(row.state),
        estimate_complete_time: times.estimate_complete_time,
        create_date: Some(row.create_date),
        priority: Some(created.priority.unwrap_or(NORMAL_PRIORITY)),
        speed_limit: Some(created.speed_limit.unwrap_or(0)),
        migrate_speed: Some(figures.migrate_speed.unwrap_or(0.0)),
        compress_rate: figures.compress_rate,
        start_target_server: Some(created.start_target_server.unwrap_or(true)),
        error_json: row.error_json,
        total_time: times.total_seconds,
        migration_ip: created.migration_ip,
        sub_tasks: subtasks.into_iter().map(listed_subtask).collect(),
        source_server: Some(SourceServerAssociatedWithTask {
            id: Some(source.id.clone()),
            ip: sources::address(source),
            name: source.name.clone(),
            os_type: inventory.os_type.unwrap_or_default(),
            os_version: inventory.os_version,
            oem_system: inventory.oem_system,
            state: Some(source.state.clone()),
        }),
        enterprise_project_id: Some(source.enterprise_project.clone()),
        target_server: Some(TargetServerAssociatedWithTask {
            id: target_server.id,
            vm_id: target_server.vm_id,
            name: target_server.name,
            ip: target_server.ip,
            os_type: target_server.os_type,
            os_version: target_server.os_version,
        }),
        log_collect_status,
        clone_server: body.clone.map(|clone| CloneServerBrief {
            vm_id: clone.vm_id,
            name: clone.name,
        }),
        syncing: Some(created.syncing.unwrap_or(false)),
        network_check_info: body.network,
        special_config: options.into_iter().map(shown_option).collect(),
        total_cpu_usage: figures.total_cpu_usage,
        agent_cpu_usage: figures.agent_cpu_usage,
        total_mem_usage: figures.total_mem_usage,
        agent_mem_usage: figures.agent_mem_usage,
        total_disk_io: figures.total_disk_io,
        agent_disk_io: figures.agent_disk_io,
        need_migration_test: Some(created.need_migration_test.unwrap_or(false)),
        subtask_info,
    })
}

/// `current_task` of a shown source server.
pub(crate) fn shown_in_source(task: &Task) -> TaskByServerSource {
    let created = &task.body.created;
    TaskByServerSource {
        id: Some(task.row.id.clone()),
        name: Some(task.row.name.clone()),
        r#type: created.r#type.clone(),
        state: Some(task.row.state.clone()),
        start_date: task.row.start_date,
        speed_limit: Some(created.speed_limit.unwrap_or(0)),
        migrate_speed: Some(task.figures.migrate_speed.unwrap_or(0.0)),
        start_target_server: Some(created.start_target_server.unwrap_or(true)),
        vm_template_id: created.vm_template_id.clone(),
        region_id: created.region_id.clone(),
        project_name: created.project_name.clone(),
        project_id: created.project_id.clone(),
        target_server: Some(target_by_id(task)),
        log_collect_status: log_collect_status(task),
        exist_server: Some(created.exist_server.unwrap_or(true)),
        use_public_ip: Some(created.use_public_ip.unwrap_or(true)),
        // Terraform takes an object here for a mistake and stops; there is no clone anyway.
        clone_server: None,
        subtask_info: subtask_info(&task.subtasks),
    }
}

/// `current_task` of a listed source server.
pub(crate) fn listed_in_source(task: &Task) -> TaskByServerSources {
    let created = &task.body.created;
    let times = Times::of(task, crate::clock::now_ms());
    let logs = task.body.logs.as_ref();
    let shared_logs = logs.and_then(|logs| logs.shared.as_ref());
    TaskByServerSources {
        id: Some(task.row.id.clone()),
        name: Some(task.row.name.clone()),
        r#type: created.r#type.clone(),
        state: Some(task.row.state.clone()),
        estimate_complete_time: times.estimate_complete_time,
        start_date: task.row.start_date,
        speed_limit: Some(created.speed_limit.unwrap_or(0)),
        migrate_speed: Some(task.figures.migrate_speed.unwrap_or(0.0)),
        compress_rate: task.figures.compress_rate,
        start_target_server: Some(created.start_target_server.unwrap_or(true)),
        vm_template_id: created.vm_template_id.clone(),
        region_id: created.region_id.clone(),
        project_name: created.project_name.clone(),
        project_id: created.project_id.clone(),
        target_server: Some(target_by_id(task)),
        log_collect_status: log_collect_status(task),
        exist_server: Some(created.exist_server.unwrap_or(true)),
        use_public_ip: Some(created.use_public_ip.unwrap_or(true)),
        clone_server: None,
        remain_seconds: times.remain_seconds,
        log_bucket: logs.map(|logs| logs.bucket.clone()),
        log_expire: shared_logs.map(|logs| logs.lifetime_seconds),
        log_upload_time: shared_logs.map(|logs| logs.uploaded_at),
        log_share_url: shared_logs.map(|logs| logs.url.clone()),
        subtask_info: subtask_info(&task.subtasks),
    }
}

fn log_collect_status(task: &Task) -> Option<String> {
    Some(task.rules.aside.logs.as_str().to_owned())
}

/// Times that follow from others.
struct Times {
    total_seconds: Option<u64>,
    remain_seconds: Option<u64>,
    estimate_complete_time: Option<i64>,
}

impl Times {
    fn of(task: &Task, now: i64) -> Self {
        let end = task.row.finish_date.unwrap_or(now);
        let run = task
            .row
            .start_date
            .map(|start| end.saturating_sub(start).max(0) / 1000);
        // What is over, or rests, has nothing left that time would change.
        let remain = task
            .figures
            .remain_time
            .filter(|_| task.rules.state.is_active());
        let remain_ms = remain.and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000));
        Self {
            total_seconds: run.and_then(|seconds| u64::try_from(seconds).ok()),
            remain_seconds: remain,
            estimate_complete_time: remain_ms.and_then(|ms| now.checked_add(ms)),
        }
    }
}

fn subtask_info(subtasks: &[SubTask]) -> Option<String> {
    let known: Vec<(SubtaskName, u32)> = subtasks
        .iter()
        .filter_map(|task| Some((task.name.as_deref()?.parse().ok()?, task.progress)))
        .collect();
    subtask::current(&known).map(|(name, progress)| subtask::subtask_info(name, progress))
}

fn listed_subtask(subtask: SubTask) -> SubTaskAssociatedWithTask {
    SubTaskAssociatedWithTask {
        id: subtask.id,
        name: subtask.name,
        progress: Some(subtask.progress),
        start_date: subtask.start_date,
        end_date: subtask.end_date,
        process_trace: subtask.process_trace,
    }
}

fn target_name(task: &Task) -> Option<String> {
    task.body
        .created
        .target_server
        .as_ref()
        .and_then(|target| target.name.clone())
}

fn target_by_id(task: &Task) -> TargetServerById {
    TargetServerById {
        vm_id: task.row.target_id.clone(),
        name: target_name(task),
    }
}
