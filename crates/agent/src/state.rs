//! What the agent must know again after it was killed: `STATE/agent.json`.
//!
//! Written at every change, each time as a whole. What is copied is not in it: that is in the
//! ledgers of the task and in the receiver's journal.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rehost_enrolment::DurableFileError;
use rehost_enrolment::durable_file::{read_json, write_json};
use rehost_sms_api::bodies::{
    PutCopyStateReq, SetConsistencyResultRequestBody, UpdateTaskSpeedReq,
};
use rehost_sms_api::rehost::MigrationReport;
use serde::{Deserialize, Serialize};

use crate::quiet::QuietTime;

/// The content of `agent.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentState {
    /// Id of this source server at the control plane, once it is registered.
    pub source_id: Option<String>,
    /// The task at work; a restart goes on with it.
    pub task: Option<CurrentTask>,
    /// Ends of tasks that the control plane has not been told yet.
    #[serde(default)]
    pub owed: Vec<OwedEnd>,
}

/// A task at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CurrentTask {
    /// Its id.
    pub id: String,
    /// How far it has come.
    pub phase: TaskPhase,
    /// Whether the consistency check is to be skipped. Nobody says it a second time.
    #[serde(default)]
    pub skips_check: bool,
}

/// How far a task has come. It only shows people where a stopped agent was; what is left to do is
/// found out from ledgers and journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskPhase {
    /// It was taken up; nothing is copied in this life yet.
    Preparing,
    /// The full copy.
    Replicating,
    /// Sync rounds.
    Syncing,
    /// The final round and the comparison.
    CuttingOver,
}

/// The end of a task, with everything that the control plane has to be told of it, in this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OwedEnd {
    /// The task.
    pub task_id: String,
    /// What it cost; absent if it failed before.
    pub report: Option<MigrationReport>,
    /// File of the proof document; absent if it failed before.
    pub proof_file: Option<PathBuf>,
    /// Result of the comparison; absent if it failed before.
    pub consistency: Option<SetConsistencyResultRequestBody>,
    /// Last progress of its subtasks.
    pub progress: Vec<UpdateTaskSpeedReq>,
    /// Finished or failed.
    pub copy_state: PutCopyStateReq,
}

/// The state, in memory and on the medium.
#[derive(Debug)]
pub(crate) struct StateStore {
    path: PathBuf,
    state: Mutex<AgentState>,
    quiet_time: QuietTime,
}

impl StateStore {
    /// Reads the state of a state directory; a new one is empty.
    pub(crate) fn open(state_dir: &Path, quiet_time: QuietTime) -> Result<Self, DurableFileError> {
        let path = state_dir.join("agent.json");
        let state = read_json(&path)?.unwrap_or_default();
        Ok(Self {
            path,
            state: Mutex::new(state),
            quiet_time,
        })
    }

    /// The state as it is.
    pub(crate) fn get(&self) -> AgentState {
        self.lock().clone()
    }

    /// Changes the state durably. On an error the state in memory is changed all the same: the
    /// agent goes on, and the next change tries again to write all of it.
    pub(crate) fn update(
        &self,
        change: impl FnOnce(&mut AgentState),
    ) -> Result<(), DurableFileError> {
        // The permit comes first: a thread that waits for it must not hold the state.
        let _permit = self.quiet_time.permit();
        let mut state = self.lock();
        let before = state.clone();
        change(&mut state);
        if *state == before {
            Ok(())
        } else {
            write_json(&self.path, &*state)
        }
    }

    /// As [`StateStore::update`], for callers that go on whatever happens: what is not written now
    /// costs a restarted agent a question to the control plane.
    pub(crate) fn update_or_warn(&self, change: impl FnOnce(&mut AgentState)) {
        if let Err(error) = self.update(change) {
            let _permit = self.quiet_time.permit();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the state cannot be kept"
            );
        }
    }

    /// Folder of a task's ledgers and proof.
    pub(crate) fn task_dir(&self, task_id: &str) -> PathBuf {
        // Ids come from the control plane; as a file name one must stay within the folder.
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name: String = task_id
            .chars()
            .map(|c| if safe(c) { c } else { '_' })
            .collect();
        self.path.with_file_name("tasks").join(name)
    }

    fn lock(&self) -> MutexGuard<'_, AgentState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_known_again_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let open = || StateStore::open(directory.path(), QuietTime::default()).unwrap();
        assert_eq!(open().get(), AgentState::default());
        let task = CurrentTask {
            id: "t-1".into(),
            phase: TaskPhase::Syncing,
            skips_check: true,
        };
        let owed = OwedEnd {
            task_id: "t-0".into(),
            ..OwedEnd::default()
        };
        open()
            .update(|state| {
                state.source_id = Some("s-1".into());
                state.task = Some(task.clone());
                state.owed.push(owed.clone());
            })
            .unwrap();
        let again = open().get();
        assert_eq!(again.source_id.as_deref(), Some("s-1"));
        assert_eq!((again.task, again.owed), (Some(task), vec![owed]));
    }

    #[test]
    fn a_damaged_state_is_an_error_and_not_a_new_beginning() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("agent.json"), "{\"task").unwrap();
        assert!(StateStore::open(directory.path(), QuietTime::default()).is_err());
    }

    #[test]
    fn a_task_cannot_leave_the_folder_of_tasks() {
        let store = StateStore::open(Path::new("/state"), QuietTime::default()).unwrap();
        assert_eq!(
            store.task_dir("../../etc"),
            Path::new("/state/tasks/______etc")
        );
        assert_eq!(store.task_dir("0191-a"), Path::new("/state/tasks/0191-a"));
    }
}
