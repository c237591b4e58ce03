//! The mailbox of a source server: one command, taken by polling, settled by its result.
//!
//! A command stays until its result is reported, so an agent that dies in between is given it again.

use rehost_migration::task::{
    Action, AgentEvent, Command, CommandResult, Event, Order, Task as Rules, TaskState,
};
use rehost_sms_api::bodies::{CommandBody, CommandParam, ShowCommandResponse};
use rehost_sms_api::errors::ErrorCode;
use tokio::time::Instant;

use super::stored::from_json;
use super::tasks::{Scene, Task};
use super::{App, deadline, retry, sources, tasks};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;
use crate::parking::{Parked, Place};

/// What came of asking for a command.
pub(crate) enum Sight {
    /// The pending command, or why there is none.
    Answer(ShowCommandResponse),
    /// There is none; to be asked again when the wait is over.
    Later(Parked),
}

/// The pending command, or why there is none. With `wait_seconds` it waits for a command, in the place
/// that there is for it or else here.
pub(crate) async fn command(
    app: &App,
    caller: &Caller,
    id: &str,
    wait_seconds: Option<u64>,
    place: Option<Place>,
) -> Result<Sight, ApiError> {
    let waited = place.and_then(|place| place.until);
    let until = waited.or_else(|| wait_seconds.map(|seconds| deadline(Some(seconds))));
    loop {
        let listener = app.wakeups.listen(id);
        let news = listener.catch();
        let (pending, answer) = look(app, caller, id).await?;
        app.store.touch_source(id, now_ms());
        let until = until.filter(|until| !pending && *until > Instant::now());
        match (until, place) {
            (None, _) => return Ok(Sight::Answer(answer)),
            (Some(until), Some(_)) => {
                return Ok(Sight::Later(Parked::new(listener, news, until)));
            }
            (Some(until), None) => {
                news.come_before(until).await;
            }
        }
    }
}

/// What the mailbox holds, and whether that is a command.
async fn look(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<(bool, ShowCommandResponse), ApiError> {
    let mut source = sources::load(app, caller, id).await?;
    let mut task = tasks::of_source(app, id).await?;
    if task.as_deref().is_some_and(starts_by_itself) {
        start(app, id).await?;
        source = sources::load(app, caller, id).await?;
        task = tasks::of_source(app, id).await?;
    }
    if let Some(name) = source.command_name {
        let param = source.command_param.as_deref().unwrap_or("{}");
        let param: CommandParam = from_json(param, "command")?;
        return Ok((true, answer(&name, Some(param))));
    }
    let name = Rules::idle_command(task.as_ref().map(|task| task.rules));
    let param = task.as_ref().map(|task| param_of(task, None));
    Ok((false, answer(name, param)))
}

/// A task that was made with `auto_start` is READY for whoever made it, and starts when its agent asks
/// for work (Terraform shows the first, SMS says the second).
fn starts_by_itself(task: &Task) -> bool {
    task.rules.state == TaskState::Ready && task.body.created.auto_start == Some(true)
}

async fn start(app: &App, source_id: &str) -> Result<(), ApiError> {
    retry!({
        let source = app.store.source(source_id).await?;
        let source = source.ok_or(ErrorCode::SourceUnknown)?;
        let before = source.clone();
        let mut scene = Scene::open(app, source, now_ms()).await?;
        // Another poll may have been faster.
        if scene.task.as_ref().is_some_and(starts_by_itself) {
            scene.happens(Event::Operator(Action::Start))?;
            scene.commit(app, &before).await?;
        }
        Ok(())
    })
}

fn answer(name: &str, param: Option<CommandParam>) -> ShowCommandResponse {
    ShowCommandResponse {
        command_name: Some(name.to_owned()),
        command_param: param,
    }
}

/// What a command says besides its name; an order is what it is for.
pub(crate) fn param_of(task: &Task, order: Option<Order>) -> CommandParam {
    let logs = task.body.logs.as_ref();
    CommandParam {
        task_id: Some(task.row.id.clone()),
        bucket: logs.map(|logs| logs.bucket.clone()),
        object: logs.map(|logs| logs.object(&task.row.id)),
        operation: order.map(|order| order.as_str().to_owned()),
    }
}

/// Takes the result of a command (SMS, UpdateCommandResult). A result that is reported twice, or for
/// a command that another one has replaced, is no mistake of the agent's and changes nothing.
pub(crate) async fn command_result(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &CommandBody,
) -> Result<(), ApiError> {
    let (command, result) = read(body)?;
    retry!({
        let source = sources::load(app, caller, id).await?;
        if source.command_generation == 0 {
            return Err(ErrorCode::CommandMismatch.into());
        }
        let before = source.clone();
        let mut scene = Scene::open(app, source, now_ms()).await?;
        if result == CommandResult::Fail {
            scene.fails_with(body.result_detail.as_ref());
        }
        scene.happens(Event::Agent(AgentEvent::Command(command, result)))?;
        scene.commit(app, &before).await
    })?;
    app.store.touch_source(id, now_ms());
    Ok(())
}

fn read(body: &CommandBody) -> Result<(Command, CommandResult), ApiError> {
    let name = body.command_name.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or(ErrorCode::CommandMissing)?;
    let command: Command = name
        .parse()
        .map_err(|_| refuse(ErrorCode::CommandMismatch, "No such command is given."))?;
    let result = match body.result.as_deref() {
        Some("success") => CommandResult::Success,
        Some("fail") => CommandResult::Fail,
        _ => return Err(ErrorCode::CommandResult.into()),
    };
    if body.result_detail.is_none() {
        return Err(ErrorCode::CommandDetail.into());
    }
    Ok((command, result))
}
