//! A source server with its task, something that happens to them, and what follows.
//!
//! The rules of `migration` decide; here their decision is carried out on the rows, all at once:
//! states, mailbox, times, and whoever has to be woken.

use rehost_migration::subtask::{SubtaskName, UserOp};
use rehost_migration::task::{
    Action, After, AgentEvent, CommandResult, Event, Mailbox, TargetEvent, TaskState, Transition,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{SourceRow, TaskRow, Write};
use serde_json::{Value, json};

use super::boots;
use super::record::Task;
use crate::app::mailbox::param_of;
use crate::app::stored::to_json;
use crate::app::{App, sources};
use crate::errors::{ApiError, refuse_text};

/// Longest `error_json` that is kept.
const MAX_ERROR_BYTES: usize = 16 * 1024;

/// A source server and its task, if it has one, on their way from one generation to the next.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) source: SourceRow,
    pub(crate) task: Option<Task>,
    /// The task as it was read.
    stored: Option<TaskRow>,
    gone: bool,
    failure: Option<String>,
    now: i64,
}

impl Scene {
    /// Reads the task of a source server.
    pub(crate) async fn open(app: &App, source: SourceRow, now: i64) -> Result<Self, ApiError> {
        let stored = app.store.task_of_source(&source.id).await?;
        let task = stored.clone().map(Task::open).transpose()?;
        Ok(Self {
            source,
            task,
            stored,
            gone: false,
            failure: None,
            now,
        })
    }

    /// A source server whose task is about to be made.
    pub(crate) fn with_new_task(source: SourceRow, task: Task, now: i64) -> Self {
        Self {
            source,
            task: Some(task),
            stored: None,
            gone: false,
            failure: None,
            now,
        }
    }

    /// Why the next event fails, or makes the task fail: `{"error_code", "error_msg", ...}`, or
    /// any object with a reason in `msg`.
    pub(crate) fn fails_with(&mut self, detail: Option<&Value>) {
        let known = detail.filter(|detail| detail.get("error_code").is_some_and(Value::is_string));
        let detail = match known {
            Some(detail) if detail.to_string().len() <= MAX_ERROR_BYTES => detail.clone(),
            _ => json!({ "error_code": "SMS.1801", "error_msg": reason_in(detail) }),
        };
        self.failure = Some(detail.to_string());
    }

    /// Asks the rules what follows from an event and changes the rows accordingly. Without a task
    /// nothing happens.
    pub(crate) fn happens(&mut self, event: Event) -> Result<(), ApiError> {
        let Some(task) = &mut self.task else {
            return Ok(());
        };
        let transition = task
            .rules
            .apply(event)
            .map_err(|refusal| refuse_text(refusal.code(), refusal.to_string()))?;
        let was_failed = task.rules.state.is_failed();
        if let After::Becomes(rules) = transition.task {
            tracing::info!(
                task = task.row.id, from = %task.rules.state, to = %rules.state, ?event,
                "task changes"
            );
            let was = std::mem::replace(&mut task.rules, rules);
            note_times(task, self.now);
            boots::follow(task, was);
            // A reason that was kept is of no interest any more once the task is driven on.
            let driven = matches!(event, Event::Operator(_));
            if (driven || was_failed) && !rules.state.is_failed() {
                task.row.error_json = None;
            }
            if was.aside.clone != rules.aside.clone {
                let clone = task.body.clone.get_or_insert_default();
                clone.clone_state = Some(rules.clone_state().as_str().to_owned());
            }
        }
        if matches!(event, Event::Operator(Action::Restart | Action::Sync))
            && transition != Transition::NOTHING
        {
            forget_later_subtasks(task);
        }
        let refused = matches!(
            event,
            Event::Agent(AgentEvent::Command(_, CommandResult::Fail))
                | Event::Target(TargetEvent::NotBooted)
        );
        if refused && transition.task != After::Same && !task.rules.state.is_failed() {
            task.row.error_json = self.failure.take();
        }
        if task.rules.state.is_failed() {
            let (known, told) = (task.row.error_json.take(), self.failure.take());
            // What made the task fail outlives what its agent refuses afterwards.
            let reason = if was_failed {
                known.or(told)
            } else {
                told.or(known)
            };
            task.row.error_json = reason.or_else(|| Some(traced_failure(task)));
        }
        let order = match transition.mailbox {
            Mailbox::Put(_, order) => order,
            _ => None,
        };
        let param = to_json(&param_of(task, order))?;
        self.gone = transition.task == After::Gone;
        if let Some(change) = transition.source {
            sources::set_words(&mut self.source, change.state, change.cycle, self.now);
        }
        self.deliver(transition.mailbox, param);
        Ok(())
    }

    fn deliver(&mut self, mailbox: Mailbox, param: String) {
        let source = &mut self.source;
        match mailbox {
            Mailbox::Keep => {}
            Mailbox::Put(command, _) => {
                source.command_name = Some(command.as_str().to_owned());
                source.command_param = Some(param);
                source.command_generation += 1;
            }
            Mailbox::Settle(command) => {
                if source.command_name.as_deref() == Some(command.as_str()) {
                    source.command_name = None;
                    source.command_param = None;
                }
            }
            Mailbox::Clear => {
                source.command_name = None;
                source.command_param = None;
            }
        }
    }

    /// Stores what changed since `before` was read, with news for whoever waits for it.
    pub(crate) async fn commit(&self, app: &App, before: &SourceRow) -> Result<(), ApiError> {
        let task = self.task.as_ref().map(Task::close).transpose()?;
        let mut changes = Vec::new();
        if self.source != *before {
            changes.push(Write::UpdateSource(&self.source));
        }
        let target = task.as_ref().and_then(|task| task.target_id.as_deref());
        match (&task, &self.stored) {
            (Some(_), Some(stored)) if self.gone => {
                changes.push(Write::DeleteTask(stored));
                changes.extend(target.into_iter().flat_map(change_of_target));
            }
            (Some(task), Some(stored)) if task != stored => {
                changes.push(Write::UpdateTask(task));
                // Once launched, a target lets go of its volumes and takes them again by the state;
                // what it shall start is told as soon as it is known.
                let boots = self.task.as_ref().is_some_and(|task| task.rules.boots);
                if task.launched != stored.launched
                    || task.launched != 0 && task.state != stored.state
                    || boots && task.body != stored.body
                {
                    changes.extend(target.into_iter().flat_map(change_of_target));
                }
            }
            _ => {}
        }
        if changes.is_empty() {
            return Ok(());
        }
        changes.push(Write::News(&self.source.id));
        Ok(app.store.write(&changes).await?)
    }

    /// Removes the source server, and its task where the rules let it go.
    pub(crate) async fn commit_removal(&self, app: &App) -> Result<(), ApiError> {
        let mut changes = Vec::new();
        if let Some(stored) = &self.stored {
            if !self.gone {
                return Err(ErrorCode::CannotDelete.into());
            }
            changes.push(Write::DeleteTask(stored));
            let target = stored.target_id.as_deref();
            changes.extend(target.into_iter().flat_map(change_of_target));
        }
        changes.push(Write::DeleteSource(&self.source));
        changes.push(Write::News(&self.source.id));
        Ok(app.store.write(&changes).await?)
    }

    /// Stores a task that is new, bound to a target: with a generation, only if the target still is of
    /// it, because the plan depends on the target's other tasks.
    pub(crate) async fn commit_creation(
        &self,
        app: &App,
        certificates: &str,
        target: (&str, Option<i64>),
    ) -> Result<(), ApiError> {
        let task = self.task.as_ref().map(Task::close).transpose()?;
        let Some(task) = task else { return Ok(()) };
        let changes = [
            Write::InsertTask(&task, certificates),
            Write::TargetChanged(target.0, target.1),
            // Even if nothing of it is new: the plan was made for the disks that were read.
            Write::UpdateSource(&self.source),
            Write::News(target.0),
            Write::News(&self.source.id),
        ];
        Ok(app.store.write(&changes).await?)
    }
}

/// The list of tasks of a target is another one now, and it shall look.
fn change_of_target(id: &str) -> [Write<'_>; 2] {
    [Write::TargetChanged(id, None), Write::News(id)]
}

/// `start_date` is that of the first start, `finish_date` that of the last end.
fn note_times(task: &mut Task, now: i64) {
    match task.rules.state {
        TaskState::Running | TaskState::Syncing | TaskState::Skipping => {
            task.row.start_date.get_or_insert(now);
            task.row.finish_date = None;
        }
        state if state.is_finished() || state.is_failed() => {
            task.row.finish_date.get_or_insert(now);
        }
        _ => {}
    }
}

/// After a restart, sync rounds and cut-over begin anew, and so do their subtasks.
fn forget_later_subtasks(task: &mut Task) {
    task.subtasks.retain(|subtask| {
        let name = subtask
            .name
            .as_deref()
            .and_then(|name| name.parse::<SubtaskName>().ok());
        name.is_some_and(|name| name.user_op(false) == UserOp::Replicate)
    });
}

/// The reason in the detail of a command's result, if there is one that can be shown.
fn reason_in(detail: Option<&Value>) -> &str {
    let words = ["error_msg", "msg", "message"];
    let mut reasons = words.iter().filter_map(|word| detail?.get(word)?.as_str());
    reasons
        .find(|reason| !reason.is_empty() && reason.len() <= MAX_ERROR_BYTES)
        .unwrap_or("The agent could not obey, and gave no reason.")
}

/// The failure of a task whose agent only said `error`: what the subtask at hand last said of itself
/// is the reason that is known.
fn traced_failure(task: &Task) -> String {
    let traces = task.subtasks.iter().rev();
    let reason = traces
        .filter_map(|subtask| subtask.process_trace.as_deref())
        .find(|trace| !trace.is_empty())
        .unwrap_or("The agent gave no reason.");
    json!({ "error_code": "SMS.1801", "error_msg": reason }).to_string()
}
