//! What an agent does beside copying, and what has come of it.
//!
//! SMS gives some of it words of its own in the source server (`cloning`, `premiging`, `clearing`),
//! some in the task (`clone_state`, `log_collect_status`). The state of the task stays what it is
//! meanwhile. An agent has one [`Errand`] at a time; collecting logs goes on beside everything.

use serde::{Deserialize, Serialize};

use super::state::TaskState;

/// Something that the agent, or the target, was asked to do beside copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// A migration drill (`migration_test`).
    Drill,
    /// A clone of the target (`clone_test`).
    Clone,
    /// A test of the clone (`test`).
    Test,
    /// A measurement of the network (`network_check`).
    NetworkCheck,
    /// Removing the snapshots (`clear`).
    Clear,
    /// Starting the target after the final round. The target is at it, not the agent.
    Launch,
}

/// What is known of a migration drill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drill {
    /// None is wanted.
    #[default]
    Unplanned,
    /// The task was made with `need_migration_test`.
    Planned,
    /// It went well.
    Done,
    /// It failed, or was broken off.
    Failed,
}

/// What is known of a clone of the target (SMS, `clone_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CloneState {
    /// There is none, and none can be made now.
    #[default]
    NotReady,
    /// There is none, but one can be made now.
    Ready,
    /// The agent was asked for it.
    Preparing,
    /// The agent makes it.
    Creating,
    /// It could not be made.
    Error,
    /// There is one.
    Finished,
}

impl CloneState {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "NOT_READY",
            Self::Ready => "READY",
            Self::Preparing => "PREPARING",
            Self::Creating => "CREATING",
            Self::Error => "ERROR",
            Self::Finished => "FINISHED",
        }
    }
}

/// What is known of the snapshots of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Snapshots {
    /// They are kept: the target can be synchronised again.
    #[default]
    Kept,
    /// They are gone: it cannot.
    Cleared,
    /// They could not be removed.
    ClearFailed,
}

/// What is known of the logs of the agent (SMS, `log_collect_status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Logs {
    /// Nobody has asked for them.
    #[default]
    Init,
    /// The agent was asked for them.
    Uploading,
    /// They are where they were asked to.
    Uploaded,
    /// They could not be sent.
    UploadFail,
}

impl Logs {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Uploading => "UPLOADING",
            Self::Uploaded => "UPLOADED",
            Self::UploadFail => "UPLOAD_FAIL",
        }
    }
}

/// Everything beside the copy that the rules depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Aside {
    /// What the agent is at.
    pub errand: Option<Errand>,
    /// The migration drill.
    pub drill: Drill,
    /// The clone of the target.
    pub clone: CloneState,
    /// The snapshots of the target.
    pub snapshots: Snapshots,
    /// The logs of the agent.
    pub logs: Logs,
    /// The state that the task goes back to if the agent refuses what it was asked for. Held while
    /// the task is SKIPPING or DELETING.
    pub former: Option<TaskState>,
}

impl Aside {
    /// The errand is over without a good end: what it was for has failed.
    #[must_use]
    pub(super) fn broken_off(self) -> Self {
        let mut after = Self {
            errand: None,
            ..self
        };
        match self.errand {
            Some(Errand::Drill) => after.drill = Drill::Failed,
            Some(Errand::Clone) => after.clone = CloneState::Error,
            Some(Errand::Clear) => after.snapshots = Snapshots::ClearFailed,
            Some(Errand::Test | Errand::NetworkCheck | Errand::Launch) | None => {}
        }
        after
    }

    /// The errand came to a good end.
    #[must_use]
    pub(super) fn done(self) -> Self {
        let mut after = Self {
            errand: None,
            ..self
        };
        match self.errand {
            Some(Errand::Drill) => after.drill = Drill::Done,
            Some(Errand::Clone) => after.clone = CloneState::Finished,
            Some(Errand::Clear) => after.snapshots = Snapshots::Cleared,
            Some(Errand::Test | Errand::NetworkCheck | Errand::Launch) | None => {}
        }
        after
    }
}
