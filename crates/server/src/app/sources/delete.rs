//! Removing source servers, with their tasks (SMS, DeleteServer). The servers themselves are left
//! alone; an agent that is started again registers anew.

use rehost_migration::task::{Action, Event};

use super::{is_connected, load, words};
use crate::app::list::batch;
use crate::app::tasks::Scene;
use crate::app::{App, retry};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;

/// Removes source servers, one after the other; the first that cannot be removed ends it.
pub(crate) async fn delete(app: &App, caller: &Caller, ids: &[String]) -> Result<(), ApiError> {
    for id in batch(ids)? {
        retry!({
            let source = load(app, caller, id).await?;
            let now = now_ms();
            let (source_state, _) = words(&source)?;
            let agent_connected = is_connected(&source, now);
            let mut scene = Scene::open(app, source, now).await?;
            scene.happens(Event::Operator(Action::Delete {
                agent_connected,
                source_state,
                with_source: true,
            }))?;
            scene.commit_removal(app).await
        })?;
        tracing::info!(id, "source removed");
    }
    Ok(())
}
