//! What can happen to a task.

use super::apply::Refusal;
use super::effect::Command;
use crate::source::SourceState;

/// Something that happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// An operator wants something.
    Operator(Action),
    /// An agent reports something.
    Agent(AgentEvent),
}

/// What an operator wants (SMS, UpdateTaskStatus and DeleteTask).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Start, or go on where it was.
    Start,
    /// Pause. The agent asks for it too, when a speed limit is exceeded (`error_for_overspeed`).
    Stop,
    /// Final round, then launch.
    Cutover,
    /// Synchronise again after the launch.
    Restart,
    /// The older name of [`Action::Restart`], with a code of its own.
    Sync,
    /// Clone the target, which no target here can do.
    Clone,
    /// Delete the task.
    Delete {
        /// Whether the agent is connected.
        agent_connected: bool,
        /// The state of the source server.
        source_state: SourceState,
    },
}

impl Action {
    /// Reads the member `operation` of an action request.
    ///
    /// # Errors
    /// [`Refusal::Unsupported`] for SMS's other operations, [`Refusal::UnknownAction`] for the rest.
    pub fn from_operation(operation: &str) -> Result<Self, Refusal> {
        match operation {
            "start" => Ok(Self::Start),
            "stop" | "error_for_overspeed" => Ok(Self::Stop),
            "cutover" => Ok(Self::Cutover),
            "restart" => Ok(Self::Restart),
            "sync" => Ok(Self::Sync),
            "clone_test" => Ok(Self::Clone),
            "test"
            | "network_check"
            | "clear"
            | "skip"
            | "migration_test"
            | "sync_failed_rollback"
            | "collect_log"
            | "unlock" => Err(Refusal::Unsupported),
            _ => Err(Refusal::UnknownAction),
        }
    }
}

/// What became of a command (SMS, UpdateCommandResult).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandResult {
    /// The agent obeyed.
    Success,
    /// The agent could not obey.
    Fail,
}

/// What an agent reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentEvent {
    /// What became of a command.
    Command(Command, CommandResult),
    /// The full copy runs (`replicate`).
    CopyRuns,
    /// The full copy is through, sync rounds run (`syncing`).
    SyncReached,
    /// The final round runs (`cutovering`).
    CutoverRuns,
    /// The final round is through and both ends are equal (`finished`).
    Done,
    /// The agent gave up (`error`).
    Failed,
    /// The agent rests (`stopped`).
    Stopped,
}

impl AgentEvent {
    /// What a state reported by `changestate` means for the task; `None` if nothing.
    #[must_use]
    pub fn from_reported(state: SourceState) -> Option<Self> {
        match state {
            SourceState::Replicate => Some(Self::CopyRuns),
            SourceState::Syncing => Some(Self::SyncReached),
            SourceState::Cutovering => Some(Self::CutoverRuns),
            SourceState::Finished => Some(Self::Done),
            SourceState::Error => Some(Self::Failed),
            SourceState::Stopped => Some(Self::Stopped),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_sms_words() {
        assert_eq!(Action::from_operation("start"), Ok(Action::Start));
        assert_eq!(
            Action::from_operation("error_for_overspeed"),
            Ok(Action::Stop)
        );
        assert_eq!(Action::from_operation("clear"), Err(Refusal::Unsupported));
        assert_eq!(
            Action::from_operation("explode"),
            Err(Refusal::UnknownAction)
        );
    }

    #[test]
    fn only_states_of_the_flow_mean_something_for_the_task() {
        let meaningful: Vec<_> = SourceState::ALL
            .into_iter()
            .filter(|state| AgentEvent::from_reported(*state).is_some())
            .map(SourceState::as_str)
            .collect();
        assert_eq!(
            meaningful,
            [
                "replicate",
                "syncing",
                "stopped",
                "cutovering",
                "finished",
                "error"
            ]
        );
    }
}
