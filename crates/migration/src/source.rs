//! The states of a source server, as SMS words them.
//!
//! A source server has two words: its *state* says what goes on now, its *migration cycle* how far
//! the migration has come.
//!
//! ```text
//!                 register                start                     agent
//!   unavailable <---------- (check) ---> waiting ---> initialize ---------> replicate
//!                 failed              ok    ^                                |      |
//!                                           |              continuous: syncing      | otherwise
//!                              task deleted |                   |  cutover          |
//!                                           |                   v                   v
//!                                           +---- finished <--------- cutovering <--+
//!
//!   initialize, replicate, syncing, cutovering --stop--> stopping --> stopped --start--> where it was
//!   initialize, replicate, syncing, cutovering --failure--> error --start--> where it was
//! ```
//!
//! The other states (skipping, deleting, clearing, premigrating, cloning ...) are accepted from
//! agents and shown, but no rule of ours leads there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What goes on with a source server now (SMS, `state` and `copystate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// The feasibility check failed.
    Unavailable,
    /// The check passed; waits for a task or for its start.
    Waiting,
    /// The task was started, the target is being prepared. `init` in some revisions.
    #[serde(alias = "init")]
    Initialize,
    /// The full copy runs.
    Replicate,
    /// Sync rounds run.
    Syncing,
    /// Is being paused.
    Stopping,
    /// Is paused.
    Stopped,
    /// Skips the consistency check.
    Skipping,
    /// The task is being deleted.
    Deleting,
    /// Snapshots are being removed.
    Clearing,
    /// Snapshots are removed.
    Cleared,
    /// Snapshots could not be removed.
    ClearFailed,
    /// A migration drill can run.
    PremigReady,
    /// A migration drill runs.
    Premiging,
    /// The migration drill is done.
    Premiged,
    /// The migration drill failed.
    PremigFailed,
    /// Waits for the target to be cloned.
    Cloning,
    /// The cut-over runs.
    Cutovering,
    /// The target is launched.
    Finished,
    /// Failed.
    Error,
}

/// How far the migration of a source server has come (SMS, `migration_cycle` and `migrationcycle`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationCycle {
    /// Not ready for a test.
    NoReady,
    /// Ready for a test.
    ReadyForTest,
    /// Under test.
    Testing,
    /// Tested.
    Tested,
    /// Under the feasibility check.
    Checking,
    /// Waits for its target to be set up.
    Setting,
    /// Full copy.
    Replicating,
    /// Continuous synchronisation.
    Syncing,
    /// Cut-over.
    Cutovering,
    /// Launched.
    Cutovered,
}

/// A word that is none of the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word: use one of the API reference, in any case")]
pub struct UnknownWord;

impl SourceState {
    /// All states.
    pub const ALL: [Self; 20] = [
        Self::Unavailable,
        Self::Waiting,
        Self::Initialize,
        Self::Replicate,
        Self::Syncing,
        Self::Stopping,
        Self::Stopped,
        Self::Skipping,
        Self::Deleting,
        Self::Clearing,
        Self::Cleared,
        Self::ClearFailed,
        Self::PremigReady,
        Self::Premiging,
        Self::Premiged,
        Self::PremigFailed,
        Self::Cloning,
        Self::Cutovering,
        Self::Finished,
        Self::Error,
    ];

    /// The word in answers and list filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Waiting => "waiting",
            Self::Initialize => "initialize",
            Self::Replicate => "replicate",
            Self::Syncing => "syncing",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Skipping => "skipping",
            Self::Deleting => "deleting",
            Self::Clearing => "clearing",
            Self::Cleared => "cleared",
            Self::ClearFailed => "clearfailed",
            Self::PremigReady => "premigready",
            Self::Premiging => "premiging",
            Self::Premiged => "premiged",
            Self::PremigFailed => "premigfailed",
            Self::Cloning => "cloning",
            Self::Cutovering => "cutovering",
            Self::Finished => "finished",
            Self::Error => "error",
        }
    }
}

impl MigrationCycle {
    /// All cycles.
    pub const ALL: [Self; 10] = [
        Self::NoReady,
        Self::ReadyForTest,
        Self::Testing,
        Self::Tested,
        Self::Checking,
        Self::Setting,
        Self::Replicating,
        Self::Syncing,
        Self::Cutovering,
        Self::Cutovered,
    ];

    /// The word in answers and list filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoReady => "no_ready",
            Self::ReadyForTest => "ready_for_test",
            Self::Testing => "testing",
            Self::Tested => "tested",
            Self::Checking => "checking",
            Self::Setting => "setting",
            Self::Replicating => "replicating",
            Self::Syncing => "syncing",
            Self::Cutovering => "cutovering",
            Self::Cutovered => "cutovered",
        }
    }
}

impl std::str::FromStr for SourceState {
    type Err = UnknownWord;

    /// Reads the word in any case; `init` is `initialize`.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        if text.eq_ignore_ascii_case("init") {
            return Ok(Self::Initialize);
        }
        let found = Self::ALL
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(text));
        found.ok_or(UnknownWord)
    }
}

impl std::str::FromStr for MigrationCycle {
    type Err = UnknownWord;

    /// Reads the word in any case.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL
            .into_iter()
            .find(|cycle| cycle.as_str().eq_ignore_ascii_case(text));
        found.ok_or(UnknownWord)
    }
}

impl fmt::Display for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for MigrationCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_written_as_sms_does() {
        for state in SourceState::ALL {
            let word = state.as_str();
            assert_eq!(word.parse(), Ok(state));
            assert_eq!(word.to_uppercase().parse(), Ok(state));
            assert_eq!(
                serde_json::to_string(&state).unwrap(),
                format!("\"{word}\"")
            );
        }
        for cycle in MigrationCycle::ALL {
            let word = cycle.as_str();
            assert_eq!(word.to_uppercase().parse(), Ok(cycle));
            assert_eq!(
                serde_json::to_string(&cycle).unwrap(),
                format!("\"{word}\"")
            );
        }
    }

    #[test]
    fn init_is_initialize() {
        assert_eq!("INIT".parse(), Ok(SourceState::Initialize));
        let read: SourceState = serde_json::from_str("\"init\"").unwrap();
        assert_eq!(read.to_string(), "initialize");
    }

    #[test]
    fn other_words_are_refused() {
        for word in ["", " waiting", "wait", "cutovered"] {
            assert_eq!(word.parse::<SourceState>(), Err(UnknownWord), "{word}");
        }
        assert_eq!("waiting".parse::<MigrationCycle>(), Err(UnknownWord));
    }
}
