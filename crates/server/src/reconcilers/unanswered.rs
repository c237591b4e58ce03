//! Ends what waits for an agent that had its time, and is gone or does not know how.
//!
//! - A collection of logs has failed then, and can be asked for again.
//! - A task that is being deleted goes without its agent. SMS leaves such a task behind; here nothing
//!   that an agent does not do may keep its target bound.
//! - A clean-up after the launch (`clear`) has failed.

use rehost_migration::source::SourceState;
use rehost_migration::task::{Action, AgentEvent, Command, CommandResult, Event, TaskState};
use serde_json::json;

use crate::app::tasks::Scene;
use crate::app::{App, retry, sources};
use crate::clock::now_ms;
use crate::errors::ApiError;

/// How long an agent may take to remove what a task left behind.
const REMOVAL_MS: i64 = 10 * 60 * 1000;

pub(super) async fn run(app: &App) -> Result<(), ApiError> {
    for command in [Command::UploadLog, Command::Delete] {
        for source_id in app.store.sources_with_command(command.as_str()).await? {
            retry!({ give_up_on(app, &source_id, command).await })?;
        }
    }
    Ok(())
}

async fn give_up_on(app: &App, source_id: &str, command: Command) -> Result<(), ApiError> {
    let Some(source) = app.store.source(source_id).await? else {
        return Ok(());
    };
    if source.command_name.as_deref() != Some(command.as_str()) {
        return Ok(());
    }
    let (before, now) = (source.clone(), now_ms());
    let mut scene = Scene::open(app, source, now).await?;
    let Some(event) = what_follows(&mut scene, command, now)? else {
        return Ok(());
    };
    tracing::warn!(source_id, ?command, "the agent did not obey in time");
    scene.happens(event)?;
    scene.commit(app, &before).await
}

/// What happens to the task because its agent had its time; nothing if it still has some.
fn what_follows(scene: &mut Scene, command: Command, now: i64) -> Result<Option<Event>, ApiError> {
    let task = scene.task.as_ref();
    let is_overdue = match command {
        Command::Delete => {
            let source = &scene.source;
            is_removal_overdue(&source.state, source.state_action_time, now)
        }
        _ => task
            .and_then(|task| task.body.logs.as_ref())
            .is_none_or(|logs| logs.is_overdue(now)),
    };
    if !is_overdue {
        return Ok(None);
    }
    if task.is_some_and(|task| task.rules.state == TaskState::Deleting) {
        let (source_state, _) = sources::words(&scene.source)?;
        // As an operator deletes the task of an agent that is gone.
        return Ok(Some(Event::Operator(Action::Delete {
            agent_connected: false,
            source_state,
            with_source: false,
        })));
    }
    let reason = json!({ "msg": "The agent did not do it within ten minutes." });
    scene.fails_with(Some(&reason));
    let failed = AgentEvent::Command(command, CommandResult::Fail);
    Ok(Some(Event::Agent(failed)))
}

/// Whether the agent of a source server in this state since then had its time; in another state it has
/// nothing to remove.
fn is_removal_overdue(state: &str, since: i64, now: i64) -> bool {
    let removes = [SourceState::Deleting, SourceState::Clearing];
    let removes = removes.iter().any(|removes| removes.as_str() == state);
    !removes || now.saturating_sub(since) >= REMOVAL_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_has_ten_minutes() {
        let since = 1_000_000;
        for state in ["deleting", "clearing"] {
            assert!(!is_removal_overdue(state, since, since + 599_999));
            assert!(is_removal_overdue(state, since, since + 600_000));
        }
        assert!(is_removal_overdue("error", since, since));
    }
}
