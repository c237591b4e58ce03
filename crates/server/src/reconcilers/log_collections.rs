//! Ends collections of logs that came to nothing: their agent had its time, and is gone or does not
//! know how. Then they can be asked for again.

use rehost_migration::task::{AgentEvent, Command, CommandResult, Event};
use serde_json::json;

use crate::app::tasks::Scene;
use crate::app::{App, retry};
use crate::clock::now_ms;
use crate::errors::ApiError;

pub(super) async fn run(app: &App) -> Result<(), ApiError> {
    let waiting = Command::UploadLog.as_str();
    for source_id in app.store.sources_with_command(waiting).await? {
        retry!({ give_up_on(app, &source_id).await })?;
    }
    Ok(())
}

async fn give_up_on(app: &App, source_id: &str) -> Result<(), ApiError> {
    let Some(source) = app.store.source(source_id).await? else {
        return Ok(());
    };
    if source.command_name.as_deref() != Some(Command::UploadLog.as_str()) {
        return Ok(());
    }
    let (before, now) = (source.clone(), now_ms());
    let mut scene = Scene::open(app, source, now).await?;
    let logs = scene.task.as_ref().and_then(|task| task.body.logs.as_ref());
    if logs.is_some_and(|logs| !logs.is_overdue(now)) {
        return Ok(());
    }
    tracing::warn!(source_id, "the agent did not send its logs in time");
    let reason = json!({ "msg": "The agent did not send its logs within ten minutes." });
    scene.fails_with(Some(&reason));
    let failed = AgentEvent::Command(Command::UploadLog, CommandResult::Fail);
    scene.happens(Event::Agent(failed))?;
    scene.commit(app, &before).await
}
