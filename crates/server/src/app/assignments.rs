//! What a source and a target are told about their tasks.

use rehost_migration::task::WantedPhase as Wanted;
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{
    AssignedVolume, DataPath, MappedVolume, SourceAssignment, TargetAssignment, TargetAssignments,
    TargetTaskState, WantedPhase,
};

use super::tasks::Task;
use super::{App, certificates, deadline, logs, targets, tasks};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;

/// All tasks of a target; waits until the list is another one than the target knows.
pub(crate) async fn target_assignments(
    app: &App,
    caller: &Caller,
    known: Option<i64>,
    wait_seconds: Option<u64>,
) -> Result<TargetAssignments, ApiError> {
    let id = caller.target()?;
    let listener = app.wakeups.listen(id);
    let deadline = deadline(wait_seconds);
    app.store.touch_target(id, now_ms());
    // The generation is read before the list: a list that is newer than it says is fetched again.
    let generation = loop {
        let news = listener.catch();
        let target = app
            .store
            .target(id)
            .await?
            .ok_or(ErrorCode::TargetUnknown)?;
        if Some(target.generation) != known || !news.come_before(deadline).await {
            break target.generation;
        }
    };
    app.store.touch_target(id, now_ms());
    let mut assignments = Vec::new();
    for row in app.store.tasks_of_target(id).await? {
        let task = Task::open(row)?;
        assignments.push(TargetAssignment {
            certificates: certificates::for_target(app, &task.row.id).await?,
            volumes: task.plan.iter().map(assigned).collect(),
            committed: task.rules.launched,
            let_go: task.rules.target_is_free(),
            boot: tasks::boots::order(app, &task).await?,
            logs_requested_at: logs::wanted_since(&task, now_ms()),
            task_id: task.row.id,
        });
    }
    Ok(TargetAssignments {
        generation,
        assignments,
    })
}

fn assigned(volume: &tasks::Volume) -> AssignedVolume {
    AssignedVolume {
        index: volume.index,
        name: volume.source_disk.clone(),
        size_bytes: volume.size_bytes,
        format: volume.format,
        device: volume.device.clone(),
    }
}

/// What an agent shall do with its task now.
pub(crate) async fn source_assignment(
    app: &App,
    caller: &Caller,
    task_id: &str,
) -> Result<SourceAssignment, ApiError> {
    let task = tasks::load(app, caller, task_id).await?;
    app.store.touch_source(&task.row.source_id, now_ms());
    let (data_path, target_message) = data_path(app, &task).await?;
    Ok(SourceAssignment {
        phase: match task.rules.wanted_phase() {
            Wanted::Rest => WantedPhase::Rest,
            Wanted::Replicate => WantedPhase::Replicate,
            Wanted::Cutover => WantedPhase::Cutover,
        },
        syncing: task.rules.syncs(),
        data_path,
        target_message,
        network_check: task.body.created.start_network_check == Some(true)
            && task.body.network.is_none(),
        point: tasks::boots::wanted_point(&task),
        volumes: task
            .plan
            .iter()
            .map(|volume| MappedVolume {
                index: volume.index,
                source_disk: volume.source_disk.clone(),
                size_bytes: volume.size_bytes,
            })
            .collect(),
        task_id: task.row.id,
    })
}

/// Where the data goes, or why it cannot go there yet.
async fn data_path(app: &App, task: &Task) -> Result<(Option<DataPath>, String), ApiError> {
    let Some(report) = &task.target_report else {
        return Ok((None, "The target has not answered yet.".to_owned()));
    };
    if report.state != TargetTaskState::Ready {
        return Ok((None, report.message.clone()));
    }
    let target_id = task.row.target_id.as_deref().unwrap_or_default();
    let target = app
        .store
        .target(target_id)
        .await?
        .ok_or(ErrorCode::TargetUnknown)?;
    let offered = targets::registration(&target)?;
    // SMS: the operator may name the address that the source reaches the target by.
    let named = task.body.migration_ip();
    let path = DataPath {
        address: if named.is_empty() {
            offered.data_address
        } else {
            named.to_owned()
        },
        port: offered.data_port,
        server_name: rehost_certificates::server_name(&task.row.id),
    };
    Ok((Some(path), report.message.clone()))
}
