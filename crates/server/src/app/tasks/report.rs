//! What agents and receivers report about a task.

use rehost_migration::subtask::{SubtaskName, advance};
use rehost_sms_api::bodies::{NetworkCheckInfoRequestBody, SubTask, UpdateTaskSpeedReq};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::TargetTaskReport;
use rehost_store::Write;

use super::{Task, load};
use crate::app::{App, retry};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse, refuse_text};
use crate::identity::Caller;

/// Longest `process_trace` (SMS, UpdateTaskSpeed).
const MAX_TRACE: usize = 2048;
/// Longest message of a target that is kept.
const MAX_MESSAGE: usize = 4096;

/// Takes the progress of a subtask (SMS, UpdateTaskSpeed). It never goes back.
pub(crate) async fn report_progress(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &UpdateTaskSpeedReq,
) -> Result<(), ApiError> {
    let name: SubtaskName = body
        .subtask_name
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(|_| ErrorCode::SubtaskName)?;
    let progress = body.progress.ok_or(ErrorCode::ProgressRange)?;
    if body
        .process_trace
        .as_ref()
        .is_some_and(|trace| trace.chars().count() > MAX_TRACE)
    {
        return Err(refuse(
            ErrorCode::Parameters,
            "process_trace has 2048 characters at most.",
        ));
    }
    let source_id = retry!({
        let mut task = load(app, caller, id).await?;
        note(&mut task, name, progress, body, now_ms())?;
        merge(&mut task.figures, body);
        app.store
            .write(&[Write::UpdateTask(&task.close()?)])
            .await?;
        Ok(task.row.source_id)
    })?;
    app.store.touch_source(&source_id, now_ms()).await?;
    Ok(())
}

fn note(
    task: &mut Task,
    name: SubtaskName,
    progress: u32,
    body: &UpdateTaskSpeedReq,
    now: i64,
) -> Result<(), ApiError> {
    let at = task
        .subtasks
        .iter()
        .position(|task| task.name.as_deref() == Some(name.as_str()));
    let known = at
        .and_then(|at| task.subtasks.get(at))
        .map(|subtask| subtask.progress);
    let next =
        advance(known, progress).map_err(|error| refuse_text(error.code(), error.to_string()))?;
    if next.begins {
        task.subtasks.push(SubTask {
            id: u64::try_from(task.subtasks.len() + 1).ok(),
            name: Some(name.as_str().to_owned()),
            start_date: Some(now),
            user_op: Some(name.user_op().to_owned()),
            ..SubTask::default()
        });
    }
    let at = at.unwrap_or(task.subtasks.len() - 1);
    if let Some(subtask) = task.subtasks.get_mut(at) {
        subtask.progress = next.progress;
        subtask.migrate_speed = body.migrate_speed.or(subtask.migrate_speed);
        if body.process_trace.is_some() {
            subtask.process_trace.clone_from(&body.process_trace);
        }
        if next.ends {
            subtask.end_date = Some(now);
        }
    }
    Ok(())
}

/// The last figure of each kind: a report leaves out what it has not measured.
fn merge(known: &mut UpdateTaskSpeedReq, body: &UpdateTaskSpeedReq) {
    known.replicatesize = body.replicatesize.or(known.replicatesize);
    known.totalsize = body.totalsize.or(known.totalsize);
    known.migrate_speed = body.migrate_speed.or(known.migrate_speed);
    known.compress_rate = body.compress_rate.or(known.compress_rate);
    known.remain_time = body.remain_time.or(known.remain_time);
    known.total_cpu_usage = body.total_cpu_usage.or(known.total_cpu_usage);
    known.agent_cpu_usage = body.agent_cpu_usage.or(known.agent_cpu_usage);
    known.total_mem_usage = body.total_mem_usage.or(known.total_mem_usage);
    known.agent_mem_usage = body.agent_mem_usage.or(known.agent_mem_usage);
    known.total_disk_io = body.total_disk_io.or(known.total_disk_io);
    known.agent_disk_io = body.agent_disk_io.or(known.agent_disk_io);
    known.need_migration_test = body.need_migration_test.or(known.need_migration_test);
}

/// Takes the result of a network check (SMS, UpdateNetworkCheckInfo).
pub(crate) async fn report_network(
    app: &App,
    caller: &Caller,
    id: &str,
    body: NetworkCheckInfoRequestBody,
) -> Result<(), ApiError> {
    retry!({
        let mut task = load(app, caller, id).await?;
        task.body.network = Some(body.clone());
        Ok(app
            .store
            .write(&[Write::UpdateTask(&task.close()?)])
            .await?)
    })
}

/// Takes where a target is with one of its tasks, and tells the source, which may wait for it.
pub(crate) async fn report_target(
    app: &App,
    caller: &Caller,
    task_id: &str,
    report: &TargetTaskReport,
) -> Result<(), ApiError> {
    let target_id = caller.target()?;
    let too_long = report.message.len() > MAX_MESSAGE
        || report.paths.iter().any(|path| path.len() > MAX_MESSAGE);
    let source_id = retry!({
        let row = app.store.task(task_id).await?;
        let row = row.filter(|row| row.target_id.as_deref() == Some(target_id));
        let mut task = Task::open(row.ok_or(ErrorCode::TaskNotOfTarget)?)?;
        if too_long || report.paths.len() > task.plan.len() {
            return Err(refuse(
                ErrorCode::Parameters,
                "message or paths are too long.",
            ));
        }
        task.target_report = Some(report.clone());
        app.store
            .write(&[Write::UpdateTask(&task.close()?)])
            .await?;
        Ok(task.row.source_id)
    })?;
    tracing::info!(task_id, target_id, state = ?report.state, "target reported");
    app.store.touch_target(target_id, now_ms()).await?;
    app.wakeups.wake(&source_id);
    Ok(())
}
