//! Removing tasks (SMS, DeleteTask). The target is told by its list of tasks; it keeps its volumes
//! if the migration ended well.

use rehost_migration::task::{Action, Event};
use rehost_sms_api::errors::ErrorCode;

use super::{Scene, load};
use crate::app::list::batch;
use crate::app::{App, retry, sources};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;

/// Removes tasks, one after the other; the first that cannot be removed ends it.
pub(crate) async fn delete(app: &App, caller: &Caller, ids: &[String]) -> Result<(), ApiError> {
    for id in batch(ids)? {
        retry!({
            let task = load(app, caller, id).await?;
            let source = app.store.source(&task.row.source_id).await?;
            let source = source.ok_or(ErrorCode::SourceUnknown)?;
            let now = now_ms();
            let (source_state, _) = sources::words(&source)?;
            let agent_connected = sources::is_connected(&source, now);
            let before = source.clone();
            let mut scene = Scene::open(app, source, now).await?;
            if scene.task.as_ref().is_none_or(|task| task.row.id != *id) {
                return Err(ErrorCode::TaskUnknown.into());
            }
            scene.happens(Event::Operator(Action::Delete {
                agent_connected,
                source_state,
                with_source: false,
            }))?;
            scene.commit(app, &before).await
        })?;
        tracing::info!(id, "task removed");
    }
    Ok(())
}
