//! What operators do with a task (SMS, UpdateTaskStatus).

use rehost_migration::subtask::SubtaskName;
use rehost_migration::task::{Action, Event, Facts};
use rehost_sms_api::bodies::{UpdateTaskStatusReq, UploadLogRequestBody};
use rehost_sms_api::errors::ErrorCode;

use super::{Scene, load};
use crate::app::{App, logs, retry, sources, templates};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse, refuse_text};
use crate::identity::Caller;

/// The one action that an agent may ask for: it pauses its own task when a speed limit is exceeded.
pub(super) const OVERSPEED: &str = "error_for_overspeed";

/// The older way to ask for logs, which is a call of its own today.
const COLLECT_LOG: &str = "collect_log";

/// Does what the operator wants, or says why not.
pub(crate) async fn act(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &UpdateTaskStatusReq,
) -> Result<(), ApiError> {
    let operation = body
        .operation
        .as_deref()
        .filter(|operation| !operation.is_empty());
    let operation =
        operation.ok_or_else(|| refuse(ErrorCode::IncompleteBody, "It lacks operation."))?;
    if operation != OVERSPEED && !caller.is_account() {
        return Err(refuse(
            ErrorCode::NoPermission,
            format!("{operation} is for operators."),
        ));
    }
    if operation == COLLECT_LOG {
        let bucket = body.param.as_ref().and_then(|param| param.get("bucket"));
        let body = UploadLogRequestBody {
            log_bucket: Some(bucket.cloned().unwrap_or_default()),
        };
        return logs::collect(app, caller, id, &body).await;
    }
    let template = body.template_id.as_ref().filter(|id| !id.is_empty());
    if let Some(template) = template {
        templates::load(app, caller, template).await?;
    }
    retry!({
        let task = load(app, caller, id).await?;
        let source = app.store.source(&task.row.source_id).await?;
        let source = source.ok_or(ErrorCode::SourceUnknown)?;
        sources::words(&source)?;
        let before = source.clone();
        let mut scene = Scene::open(app, source, now_ms()).await?;
        // The source may have got another task since.
        if scene.task.as_ref().is_none_or(|task| task.row.id != id) {
            return Err(ErrorCode::TaskUnknown.into());
        }
        let action = Action::from_operation(operation, facts(&scene, body))
            .map_err(|refusal| refuse_text(refusal.code(), refusal.to_string()))?;
        scene.happens(Event::Operator(action))?;
        if let (Action::NetworkCheck, Some(task)) = (action, &mut scene.task) {
            // Nobody shall take the figures of an earlier check for those of this one.
            task.body.network = None;
        }
        if let (Action::CloneTest { .. }, Some(template), Some(task)) =
            (action, template, &mut scene.task)
        {
            task.body.created.clonevm_template_id = Some(template.clone());
            task.row.clone_template_id = Some(template.clone());
        }
        if let (Some(wanted), Some(task)) = (body.is_need_consistency_check, &mut scene.task) {
            task.body.created.is_need_consistency_check = Some(wanted);
        }
        scene.commit(app, &before).await
    })
}

/// What the rules must know beside the task.
fn facts(scene: &Scene, body: &UpdateTaskStatusReq) -> Facts {
    let given = |id: &Option<String>| id.as_deref().is_some_and(|id| !id.is_empty());
    let task = scene.task.as_ref();
    let check = task.and_then(|task| {
        let mut subtasks = task.subtasks.iter();
        subtasks
            .find(|subtask| subtask.name.as_deref() == Some(SubtaskName::CheckConsistency.as_str()))
    });
    Facts {
        template: given(&body.template_id)
            || task.is_some_and(|task| given(&task.body.created.clonevm_template_id)),
        check_percent: check.map(|subtask| subtask.progress),
        mailbox_empty: scene.source.command_name.is_none(),
    }
}
