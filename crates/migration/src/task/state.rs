//! The states of a task, as SMS words them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::UnknownWord;

macro_rules! task_states {
    ($($name:ident $word:literal $doc:literal;)*) => {
        /// State of a task (SMS, ShowTask and ListTasks).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum TaskState {
            $(#[doc = $doc] #[serde(rename = $word)] $name,)*
        }

        impl TaskState {
            /// All states.
            pub const ALL: [Self; 14] = [$(Self::$name,)*];

            /// The word on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

task_states! {
    Ready "READY" "Never started.";
    Running "RUNNING" "Copies or cuts over.";
    Syncing "SYNCING" "Keeps synchronising until the cut-over.";
    MigrateSuccess "MIGRATE_SUCCESS" "The target is launched.";
    SyncSuccess "SYNC_SUCCESS" "Was synchronised again after the launch, and the agent ended that by itself.";
    MigrateFail "MIGRATE_FAIL" "Failed before the target was launched for the first time.";
    SyncFail "SYNC_FAIL" "Failed later.";
    Aborting "ABORTING" "Is being paused.";
    Abort "ABORT" "Is paused.";
    Skipping "SKIPPING" "Runs, and its consistency check is being skipped.";
    Deleting "DELETING" "Is being deleted: the agent removes what it holds.";
    Reseting "RESETING" "Is being reset (spelled this way in SMS). Known, because lists and filters know it; no rule leads here.";
    SyncFRollbacking "SYNC_F_ROLLBACKING" "The target goes back to before the synchronisation that failed.";
    SyncFRollbackSuccess "SYNC_F_ROLLBACK_SUCCESS" "The target is as it was before the synchronisation that failed.";
}

impl TaskState {
    /// Whether the agent has, or had lately, work with the task.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(
            self,
            Self::Running
                | Self::Syncing
                | Self::Aborting
                | Self::Skipping
                | Self::Deleting
                | Self::Reseting
                | Self::SyncFRollbacking
        )
    }

    /// Whether data is being copied, or was until a moment ago.
    #[must_use]
    pub fn is_copying(self) -> bool {
        matches!(
            self,
            Self::Running | Self::Syncing | Self::Skipping | Self::Aborting
        )
    }

    /// Whether the task failed: `error_json` belongs to it.
    #[must_use]
    pub fn is_failed(self) -> bool {
        matches!(self, Self::MigrateFail | Self::SyncFail)
    }

    /// Whether the target is launched and nothing is going on.
    #[must_use]
    pub fn is_finished(self) -> bool {
        matches!(
            self,
            Self::MigrateSuccess | Self::SyncSuccess | Self::SyncFRollbackSuccess
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_fourteen_of_sms() {
        for state in TaskState::ALL {
            assert_eq!(state.as_str().to_lowercase().parse(), Ok(state));
            assert_eq!(
                serde_json::to_string(&state).unwrap(),
                format!("\"{state}\"")
            );
        }
        assert_eq!("RESETTING".parse::<TaskState>(), Err(UnknownWord));
    }

    #[test]
    fn a_state_is_of_one_kind_at_most() {
        for state in TaskState::ALL {
            let kinds = [state.is_active(), state.is_failed(), state.is_finished()];
            assert!(kinds.iter().filter(|kind| **kind).count() <= 1, "{state}");
            assert!(!state.is_copying() || state.is_active(), "{state}");
        }
    }
}
