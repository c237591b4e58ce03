//! What operators do with a task (SMS, UpdateTaskStatus).

use rehost_migration::task::{Action, Event};
use rehost_sms_api::bodies::UpdateTaskStatusReq;
use rehost_sms_api::errors::ErrorCode;

use super::{Scene, load};
use crate::app::{App, retry, sources};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse, refuse_text};
use crate::identity::Caller;

/// The one action that an agent may ask for: it pauses its own task when a speed limit is exceeded.
const OVERSPEED: &str = "error_for_overspeed";

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
    if operation != OVERSPEED {
        caller.account()?;
    }
    retry!({
        let task = load(app, caller, id).await?;
        let action = Action::from_operation(operation)
            .map_err(|refusal| refuse_text(refusal.code(), refusal.to_string()))?;
        let source = app.store.source(&task.row.source_id).await?;
        let source = source.ok_or(ErrorCode::SourceUnknown)?;
        sources::words(&source)?;
        let before = source.clone();
        let mut scene = Scene::open(app, source, now_ms()).await?;
        // The source may have got another task since.
        if scene.task.as_ref().is_none_or(|task| task.row.id != id) {
            return Err(ErrorCode::TaskUnknown.into());
        }
        scene.happens(Event::Operator(action))?;
        if let (Some(wanted), Some(task)) = (body.is_need_consistency_check, &mut scene.task) {
            task.body.created.is_need_consistency_check = Some(wanted);
        }
        scene.commit(app, &before).await
    })
}
