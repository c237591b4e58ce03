//! What a task is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::{MigrationCycle, SourceState, UnknownWord};

/// State of a task (SMS, ShowTask). SMS knows more states than these; no rule of ours leads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// Never started.
    Ready,
    /// Copies or cuts over.
    Running,
    /// Keeps synchronising until the cut-over.
    Syncing,
    /// The target is launched.
    MigrateSuccess,
    /// Failed before the target was launched for the first time.
    MigrateFail,
    /// Failed later.
    SyncFail,
    /// Is being paused.
    Aborting,
    /// Is paused.
    Abort,
}

impl TaskState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Running,
        Self::Syncing,
        Self::MigrateSuccess,
        Self::MigrateFail,
        Self::SyncFail,
        Self::Aborting,
        Self::Abort,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Running => "RUNNING",
            Self::Syncing => "SYNCING",
            Self::MigrateSuccess => "MIGRATE_SUCCESS",
            Self::MigrateFail => "MIGRATE_FAIL",
            Self::SyncFail => "SYNC_FAIL",
            Self::Aborting => "ABORTING",
            Self::Abort => "ABORT",
        }
    }

    /// Whether the agent has, or had lately, work with the task.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Syncing | Self::Aborting)
    }

    /// Whether the task failed: `error_json` belongs to it.
    #[must_use]
    pub fn is_failed(self) -> bool {
        matches!(self, Self::MigrateFail | Self::SyncFail)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for TaskState {
    type Err = UnknownWord;

    /// Reads the word in any case.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(text));
        found.ok_or(UnknownWord)
    }
}

/// How far the work of a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Full copy.
    Replicate,
    /// Sync rounds.
    Sync,
    /// Final round.
    Cutover,
}

impl Phase {
    /// The word in stored tasks and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replicate => "replicate",
            Self::Sync => "sync",
            Self::Cutover => "cutover",
        }
    }

    /// The cycle that a source server has in this phase.
    #[must_use]
    pub fn cycle(self) -> MigrationCycle {
        match self {
            Self::Replicate => MigrationCycle::Replicating,
            Self::Sync => MigrationCycle::Syncing,
            Self::Cutover => MigrationCycle::Cutovering,
        }
    }

    /// The state that a source server gets when the work is taken up in this phase.
    #[must_use]
    pub(super) fn source_state_at_start(self) -> SourceState {
        match self {
            Self::Replicate => SourceState::Initialize,
            Self::Sync => SourceState::Syncing,
            Self::Cutover => SourceState::Cutovering,
        }
    }
}

impl std::str::FromStr for Phase {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Replicate, Self::Sync, Self::Cutover];
        all.into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// What the agent shall do with its task now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WantedPhase {
    /// Nothing.
    Rest,
    /// Full copy, then sync rounds if [`Task::syncs`], else the final round.
    Replicate,
    /// The final round, as soon as what runs now is through.
    Cutover,
}

/// Everything about a task that the rules depend on. It is stored whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Task {
    /// The state that people see.
    pub state: TaskState,
    /// How far the work has come; a start takes it up here.
    pub phase: Phase,
    /// Whether the task was created with continuous synchronisation (`syncing`).
    pub continuous: bool,
    /// Whether the target has been launched at least once. From then on its volumes belong to the
    /// user and are kept when the task goes away.
    pub launched: bool,
}

impl Task {
    /// A task that was just created.
    #[must_use]
    pub fn new(continuous: bool) -> Self {
        Self {
            state: TaskState::Ready,
            phase: Phase::Replicate,
            continuous,
            launched: false,
        }
    }

    /// Whether sync rounds go on until an operator cuts over. A restart after the launch is such
    /// even if the task was created without continuous synchronisation.
    #[must_use]
    pub fn syncs(self) -> bool {
        self.continuous || self.launched
    }

    /// What the agent shall do now.
    #[must_use]
    pub fn wanted_phase(self) -> WantedPhase {
        match (self.state, self.phase) {
            (TaskState::Running | TaskState::Syncing, Phase::Cutover) => WantedPhase::Cutover,
            (TaskState::Running | TaskState::Syncing, Phase::Replicate | Phase::Sync) => {
                WantedPhase::Replicate
            }
            _ => WantedPhase::Rest,
        }
    }

    /// The command name that an empty mailbox is answered with (SMS, ShowCommand).
    #[must_use]
    pub fn idle_command(task: Option<Self>) -> &'static str {
        match task.map(|task| task.state) {
            Some(TaskState::MigrateSuccess) => "TASK_HAS_FINISHED",
            Some(
                TaskState::Aborting
                | TaskState::Abort
                | TaskState::MigrateFail
                | TaskState::SyncFail,
            ) => "TASK_HAS_STOPPED",
            Some(TaskState::Ready | TaskState::Running | TaskState::Syncing) | None => {
                "TASK_NOT_STARTED"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_sms() {
        for state in TaskState::ALL {
            assert_eq!(state.as_str().to_lowercase().parse(), Ok(state));
            assert_eq!(
                serde_json::to_string(&state).unwrap(),
                format!("\"{state}\"")
            );
        }
        for phase in [Phase::Replicate, Phase::Sync, Phase::Cutover] {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
        assert_eq!("RESETING".parse::<TaskState>(), Err(UnknownWord));
    }

    #[test]
    fn only_a_running_task_wants_work() {
        let mut task = Task::new(true);
        assert_eq!(task.wanted_phase(), WantedPhase::Rest);
        task.state = TaskState::Running;
        assert_eq!(task.wanted_phase(), WantedPhase::Replicate);
        task.phase = Phase::Cutover;
        assert_eq!(task.wanted_phase(), WantedPhase::Cutover);
        task.state = TaskState::Aborting;
        assert_eq!(task.wanted_phase(), WantedPhase::Rest);
    }

    #[test]
    fn an_empty_mailbox_says_why() {
        assert_eq!(Task::idle_command(None), "TASK_NOT_STARTED");
        let mut task = Task::new(false);
        task.state = TaskState::MigrateSuccess;
        assert_eq!(Task::idle_command(Some(task)), "TASK_HAS_FINISHED");
        task.state = TaskState::Abort;
        assert_eq!(Task::idle_command(Some(task)), "TASK_HAS_STOPPED");
    }
}
