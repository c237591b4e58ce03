//! What agents and receivers report about a task.

use rehost_migration::speed;
use rehost_migration::subtask::{SubtaskName, advance};
use rehost_migration::task::{After, AgentEvent, Event, TaskState};
use rehost_sms_api::bodies::{
    NetworkCheckInfoRequestBody, SubTask, UpdateTaskSpeedReq, UpdateTaskStatusReq,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::TargetTaskReport;
use rehost_store::Write;

use super::{Task, keep_opened, load};
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
    let (source_id, pauses) = retry!({
        let mut task = load(app, caller, id).await?;
        let exceedances = task.body.exceedances;
        let pauses = note_speed(app, &mut task, body).await?;
        note(&mut task, name, progress, body, now_ms())?;
        merge(&mut task.figures, body);
        let source_id = task.row.source_id.clone();
        if task.body.exceedances == exceedances {
            app.store.write_figures(task.close_figures()?).await?;
            keep_opened(app, task);
        } else {
            let row = task.close()?;
            app.store.write(&[Write::UpdateTask(&row)]).await?;
        }
        Ok((source_id, pauses))
    })?;
    if pauses {
        tracing::warn!(
            id,
            "the speed limit was exceeded in a row; the task is paused"
        );
        let pause = UpdateTaskStatusReq {
            operation: Some(super::act::OVERSPEED.to_owned()),
            ..UpdateTaskStatusReq::default()
        };
        super::act(app, caller, id, &pause).await?;
    }
    app.store.touch_source(&source_id, now_ms());
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
            user_op: Some(name.user_op(task.rules.launched).as_str().to_owned()),
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

/// Counts how often in a row a speed limit was exceeded, and says whether that pauses the task (SMS,
/// `over_speed_threshold`). Only windows that name a threshold count: an agent may tell the rate
/// before compression, which a limit of the wire does not bound.
async fn note_speed(
    app: &App,
    task: &mut Task,
    body: &UpdateTaskSpeedReq,
) -> Result<bool, ApiError> {
    let (Some(speed), Some(now)) = (
        body.migrate_speed.filter(|speed| *speed > 0.0),
        body.agent_time.as_deref().and_then(speed::time_in),
    ) else {
        return Ok(false);
    };
    let windows = super::settings::windows_with_threshold(app, &task.row.id).await?;
    task.body.exceedances = speed::exceedances(task.body.exceedances, &windows, now, speed);
    let pauses = task.rules.state.is_copying()
        && task.rules.state != TaskState::Aborting
        && task.body.exceedances >= speed::EXCEEDANCES_TO_PAUSE;
    if pauses {
        task.body.exceedances = 0;
    }
    Ok(pauses)
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
        let heard = task.rules.apply(Event::Agent(AgentEvent::Measured));
        if let Ok(After::Becomes(rules)) = heard.map(|transition| transition.task) {
            task.rules = rules;
        }
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
    retry!({
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
        let row = task.close()?;
        let news = Write::News(&row.source_id);
        Ok(app.store.write(&[Write::UpdateTask(&row), news]).await?)
    })?;
    tracing::info!(task_id, target_id, state = ?report.state, "target reported");
    app.store.touch_target(target_id, now_ms());
    Ok(())
}
