//! What can happen to a task.

use super::effect::Command;
use super::refusal::Refusal;
use crate::source::SourceState;

/// Something that happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// An operator wants something.
    Operator(Action),
    /// An agent reports something.
    Agent(AgentEvent),
    /// A target reports something.
    Target(TargetEvent),
}

/// What a target reports that starts what it has received (see [`super::Task::boots`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetEvent {
    /// The system has started, and answers as was asked for.
    Booted,
    /// It has not, or could not be made to.
    NotBooted,
}

/// What an operator wants (SMS, UpdateTaskStatus and DeleteTask).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Start, or go on where it was.
    Start,
    /// Pause.
    Stop,
    /// Pause, asked for by the agent or the control plane because a speed limit is exceeded.
    Overspeed,
    /// Synchronise again after the launch, until the next cut-over.
    Restart,
    /// The older way to synchronise again after the launch, with a command and a code of its own.
    Sync,
    /// Final round, then launch.
    Cutover,
    /// Clone the target.
    CloneTest {
        /// Whether it is known which template the clone is made from.
        template: bool,
    },
    /// Test the clone.
    Test,
    /// Measure the network.
    NetworkCheck,
    /// Skip the consistency check.
    Skip {
        /// How far that check is, in percent; `None` if it has not begun.
        check_percent: Option<u32>,
    },
    /// Remove the snapshots, after which nothing can be synchronised any more.
    Clear,
    /// Run the migration drill.
    MigrationTest,
    /// Take the target back to before the synchronisation that failed.
    SyncFailedRollback,
    /// Send the logs.
    CollectLog {
        /// Whether the agent's mailbox is empty.
        mailbox_empty: bool,
    },
    /// Give the target free for others.
    Unlock,
    /// Delete the task.
    Delete {
        /// Whether the agent is connected.
        agent_connected: bool,
        /// The state of the source server.
        source_state: SourceState,
        /// Whether the source server is deleted, too.
        with_source: bool,
    },
}

/// What an action depends on beside the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is known which template a clone is made from.
    pub template: bool,
    /// How far the consistency check is, in percent; `None` if it has not begun.
    pub check_percent: Option<u32>,
    /// Whether the agent's mailbox is empty.
    pub mailbox_empty: bool,
}

impl Action {
    /// The operations of SMS, in the order of its reference; the last three are those of older
    /// revisions.
    pub const OPERATIONS: [&'static str; 15] = [
        "start",
        "stop",
        "restart",
        "cutover",
        "clone_test",
        "test",
        "network_check",
        "skip",
        "clear",
        "migration_test",
        "error_for_overspeed",
        "sync",
        "sync_failed_rollback",
        "collect_log",
        "unlock",
    ];

    /// Reads the member `operation` of an action request. The reference writes operations in lower
    /// case and says nothing of other cases, so they are none.
    ///
    /// # Errors
    /// [`Refusal::UnknownAction`] if SMS has no such operation.
    pub fn from_operation(operation: &str, facts: Facts) -> Result<Self, Refusal> {
        Ok(match operation {
            "start" => Self::Start,
            "stop" => Self::Stop,
            "restart" => Self::Restart,
            "cutover" => Self::Cutover,
            "clone_test" => Self::CloneTest {
                template: facts.template,
            },
            "test" => Self::Test,
            "network_check" => Self::NetworkCheck,
            "skip" => Self::Skip {
                check_percent: facts.check_percent,
            },
            "clear" => Self::Clear,
            "migration_test" => Self::MigrationTest,
            "error_for_overspeed" => Self::Overspeed,
            "sync" => Self::Sync,
            "sync_failed_rollback" => Self::SyncFailedRollback,
            "collect_log" => Self::CollectLog {
                mailbox_empty: facts.mailbox_empty,
            },
            "unlock" => Self::Unlock,
            _ => return Err(Refusal::UnknownAction),
        })
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
    /// Sync rounds run (`syncing`); a clone that was being made is there.
    SyncReached,
    /// The final round runs (`cutovering`).
    CutoverRuns,
    /// The final round is through and both ends are equal, or a rollback is (`finished`).
    Done,
    /// The agent gave up (`error`).
    Failed,
    /// The agent rests (`stopped`).
    Stopped,
    /// The migration drill is done (`premiged`).
    Drilled,
    /// The migration drill failed (`premigfailed`).
    DrillFailed,
    /// The snapshots are gone (`cleared`).
    Cleared,
    /// The snapshots could not be removed (`clearfailed`).
    ClearFailed,
    /// The network was measured (SMS, UpdateNetworkCheckInfo).
    Measured,
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
            SourceState::Premiged => Some(Self::Drilled),
            SourceState::PremigFailed => Some(Self::DrillFailed),
            SourceState::Cleared => Some(Self::Cleared),
            SourceState::ClearFailed => Some(Self::ClearFailed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_an_action_of_its_own() {
        let facts = Facts::default();
        let mut seen = std::collections::HashSet::new();
        for operation in Action::OPERATIONS {
            let action = Action::from_operation(operation, facts).unwrap();
            assert!(seen.insert(action), "{operation}");
        }
        for unknown in ["explode", "", "Start", "START", "delete", " start"] {
            assert_eq!(
                Action::from_operation(unknown, facts),
                Err(Refusal::UnknownAction),
                "{unknown}"
            );
        }
    }

    #[test]
    fn only_states_of_the_flow_mean_something_for_the_task() {
        let silent: Vec<_> = SourceState::ALL
            .into_iter()
            .filter(|state| AgentEvent::from_reported(*state).is_none())
            .map(SourceState::as_str)
            .collect();
        assert_eq!(
            silent,
            [
                "unavailable",
                "waiting",
                "initialize",
                "stopping",
                "skipping",
                "deleting",
                "clearing",
                "premigready",
                "premiging",
                "cloning"
            ]
        );
    }
}
