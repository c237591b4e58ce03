//! What a task is: its state, how far its work has come, and what goes on beside it.

use serde::{Deserialize, Serialize};

use super::aside::{Aside, CloneState, Drill, Errand, Snapshots};
use super::effect::SourceChange;
use super::state::TaskState;
use crate::source::{MigrationCycle, SourceState, UnknownWord};

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
    /// All phases, in order.
    pub const ALL: [Self; 3] = [Self::Replicate, Self::Sync, Self::Cutover];

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

    /// The state that a source server has while the work of this phase goes on.
    fn source_state_at_work(self) -> SourceState {
        match self {
            Self::Replicate => SourceState::Replicate,
            Self::Sync => SourceState::Syncing,
            Self::Cutover => SourceState::Cutovering,
        }
    }
}

impl std::str::FromStr for Phase {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
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

/// What the target shall start now, and keep running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WantedBoot {
    /// Nothing; what runs is to be ended.
    None,
    /// A copy of its volumes as of the point that the agent had it keep, thrown away afterwards.
    Rehearsal,
    /// Its volumes, for good.
    Launch,
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
    /// Whether the target starts what it has received: in rehearsals, and to end a cut-over.
    #[serde(default)]
    pub boots: bool,
    /// What goes on beside the copy.
    #[serde(default)]
    pub aside: Aside,
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
            boots: false,
            aside: Aside::default(),
        }
    }

    /// The same task, on a target that starts what it has received, or does not.
    #[must_use]
    pub fn with_boots(self, boots: bool) -> Self {
        Self { boots, ..self }
    }

    /// The same task, made with a migration drill (`need_migration_test`) if that is `wanted`.
    #[must_use]
    pub fn with_drill(mut self, wanted: bool) -> Self {
        self.aside.drill = if wanted {
            Drill::Planned
        } else {
            Drill::Unplanned
        };
        self
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
            (TaskState::Running | TaskState::Syncing | TaskState::Skipping, Phase::Cutover) => {
                WantedPhase::Cutover
            }
            (TaskState::Running | TaskState::Syncing | TaskState::Skipping, _) => {
                WantedPhase::Replicate
            }
            _ => WantedPhase::Rest,
        }
    }

    /// Whether the target may use its volumes: it was launched, and is not being synchronised again,
    /// not even with a pause or a failure in between, which leave the volumes half old and half new.
    #[must_use]
    pub fn target_is_free(self) -> bool {
        use TaskState as S;
        let is_held = self.state.is_copying()
            || matches!(self.state, S::Abort | S::SyncFail | S::SyncFRollbacking);
        self.launched && !is_held
    }

    /// What the target shall start now. Nothing, unless it [boots](Self::boots).
    #[must_use]
    pub fn wanted_boot(self) -> WantedBoot {
        match (self.aside.errand, self.aside.clone) {
            _ if !self.boots => WantedBoot::None,
            (Some(Errand::Launch), _) => WantedBoot::Launch,
            (Some(Errand::Clone), CloneState::Creating) => WantedBoot::Rehearsal,
            _ if self.target_is_free() => WantedBoot::Launch,
            _ => WantedBoot::None,
        }
    }

    /// The command name that an empty mailbox is answered with (SMS, ShowCommand).
    #[must_use]
    pub fn idle_command(task: Option<Self>) -> &'static str {
        use TaskState as S;
        let Some(task) = task else {
            return "TASK_NOT_STARTED";
        };
        match task.state {
            state if state.is_finished() => "TASK_HAS_FINISHED",
            S::Ready | S::Running | S::Syncing | S::Skipping => "TASK_NOT_STARTED",
            _ => "TASK_HAS_STOPPED",
        }
    }

    /// The state of its clone, as it is shown.
    #[must_use]
    pub fn clone_state(self) -> CloneState {
        match self.aside.clone {
            CloneState::NotReady if self.state == TaskState::Syncing => CloneState::Ready,
            known => known,
        }
    }

    /// State and cycle of the source server that go with this task, where no report of an agent says
    /// it more exactly.
    #[must_use]
    pub fn source(self) -> SourceChange {
        use MigrationCycle as C;
        use SourceState as S;
        let (state, cycle) = match self.state {
            TaskState::Ready => (self.source_before_start(), C::Setting),
            TaskState::Running => (self.phase.source_state_at_work(), self.phase.cycle()),
            TaskState::Syncing => match self.aside.errand {
                Some(Errand::Clone) => (S::Cloning, C::Syncing),
                Some(Errand::Test) => (S::Syncing, C::Testing),
                _ => (S::Syncing, C::Syncing),
            },
            TaskState::MigrateSuccess
            | TaskState::SyncSuccess
            | TaskState::SyncFRollbackSuccess => (self.source_after_launch(), C::Cutovered),
            TaskState::MigrateFail
            | TaskState::SyncFail
            | TaskState::SyncFRollbacking
            | TaskState::Reseting => (S::Error, self.phase.cycle()),
            TaskState::Aborting => (S::Stopping, self.phase.cycle()),
            TaskState::Abort => (S::Stopped, self.phase.cycle()),
            TaskState::Skipping => (S::Skipping, self.phase.cycle()),
            TaskState::Deleting => {
                let finished = self.aside.former.is_some_and(TaskState::is_finished);
                let cycle = if finished {
                    C::Cutovered
                } else {
                    self.phase.cycle()
                };
                (S::Deleting, cycle)
            }
        };
        SourceChange { state, cycle }
    }

    fn source_before_start(self) -> SourceState {
        match (self.aside.errand, self.aside.drill) {
            (Some(Errand::Drill), _) => SourceState::Premiging,
            (_, Drill::Planned) => SourceState::PremigReady,
            (_, Drill::Done) => SourceState::Premiged,
            (_, Drill::Failed) => SourceState::PremigFailed,
            (_, Drill::Unplanned) => SourceState::Waiting,
        }
    }

    fn source_after_launch(self) -> SourceState {
        match (self.aside.errand, self.aside.snapshots) {
            (Some(Errand::Clear), _) => SourceState::Clearing,
            (_, Snapshots::Cleared) => SourceState::Cleared,
            (_, Snapshots::ClearFailed) => SourceState::ClearFailed,
            (_, Snapshots::Kept) => SourceState::Finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_as_written() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
        assert_eq!("drill".parse::<Phase>(), Err(UnknownWord));
    }

    #[test]
    fn only_a_task_at_work_wants_work() {
        let mut task = Task::new(true);
        assert_eq!(task.wanted_phase(), WantedPhase::Rest);
        for state in [TaskState::Running, TaskState::Skipping] {
            task.state = state;
            task.phase = Phase::Replicate;
            assert_eq!(task.wanted_phase(), WantedPhase::Replicate);
            task.phase = Phase::Cutover;
            assert_eq!(task.wanted_phase(), WantedPhase::Cutover);
        }
        task.state = TaskState::Aborting;
        assert_eq!(task.wanted_phase(), WantedPhase::Rest);
    }

    #[test]
    fn a_target_is_free_from_its_launch_on_but_for_synchronisations() {
        let mut task = Task::new(true);
        assert!(!task.target_is_free());
        task.launched = true;
        for (state, is_free) in [
            (TaskState::MigrateSuccess, true),
            (TaskState::SyncSuccess, true),
            (TaskState::Running, false),
            (TaskState::Syncing, false),
            (TaskState::Abort, false),
            (TaskState::SyncFail, false),
            (TaskState::SyncFRollbackSuccess, true),
            (TaskState::Deleting, true),
        ] {
            task.state = state;
            assert_eq!(task.target_is_free(), is_free, "{state}");
        }
    }

    #[test]
    fn an_empty_mailbox_says_why() {
        assert_eq!(Task::idle_command(None), "TASK_NOT_STARTED");
        let mut task = Task::new(false);
        assert_eq!(Task::idle_command(Some(task)), "TASK_NOT_STARTED");
        for (state, word) in [
            (TaskState::SyncSuccess, "TASK_HAS_FINISHED"),
            (TaskState::Abort, "TASK_HAS_STOPPED"),
            (TaskState::Deleting, "TASK_HAS_STOPPED"),
            (TaskState::Skipping, "TASK_NOT_STARTED"),
        ] {
            task.state = state;
            assert_eq!(Task::idle_command(Some(task)), word);
        }
    }

    #[test]
    fn a_task_that_was_stored_before_it_had_anything_aside_is_read() {
        let text = r#"{"state":"READY","phase":"replicate","continuous":true,"launched":false}"#;
        assert_eq!(serde_json::from_str::<Task>(text).unwrap(), Task::new(true));
    }
}
