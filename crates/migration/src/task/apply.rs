//! The one transition function of tasks, and the words in which its rules are written.

use super::aside::Logs;
use super::effect::{After, Command, Mailbox, Transition};
use super::event::Event;
use super::model::Task;
use super::refusal::Refusal;
use super::state::TaskState;

impl Task {
    /// Decides what follows from an event. `tables/task.md` shows it for every kind of task.
    ///
    /// # Errors
    /// [`Refusal`] for an operator's action that does not fit. Agents and targets are never refused.
    pub fn apply(self, event: Event) -> Result<Transition, Refusal> {
        let decided = match event {
            Event::Operator(action) => self.act(action)?,
            Event::Agent(event) => self.hear(event),
            Event::Target(event) => self.hear_target(event),
        };
        Ok(lose_unread_order_for_logs(decided))
    }

    /// The task in another state. What the agent was at beside the copy is broken off by that.
    #[must_use]
    pub(super) fn into_state(self, state: TaskState) -> Self {
        let mut aside = self.aside.broken_off();
        aside.former = None;
        Self {
            state,
            aside,
            ..self
        }
    }

    /// It becomes this; the source server stays as it is, or has been changed by a report.
    #[must_use]
    pub(super) fn alone(self) -> Transition {
        Transition {
            task: After::Becomes(self),
            source: None,
            mailbox: Mailbox::Keep,
        }
    }

    /// It becomes this, and its source server changes with it.
    #[must_use]
    pub(super) fn with_its_source(self) -> Transition {
        Transition {
            source: Some(self.source()),
            ..self.alone()
        }
    }
}

/// A command replaces whatever the mailbox holds. If that is the order for logs, they do not come,
/// and may be asked for again.
fn lose_unread_order_for_logs(mut transition: Transition) -> Transition {
    let replaces = !matches!(
        transition.mailbox,
        Mailbox::Keep | Mailbox::Settle(_) | Mailbox::Put(Command::UploadLog, _)
    );
    if let After::Becomes(next) = &mut transition.task
        && replaces
        && next.aside.logs == Logs::Uploading
    {
        next.aside.logs = Logs::UploadFail;
    }
    transition
}
