//! What follows from an event: typed orders that the control plane carries out at once.

use serde::{Deserialize, Serialize};

use super::state::Task;
use crate::source::{MigrationCycle, SourceState};

/// A command for the agent (SMS, ShowCommand).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Command {
    /// Look at the assignment and do what it says.
    Start,
    /// Come to rest.
    Stop,
}

impl Command {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Stop => "STOP",
        }
    }
}

/// What becomes of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays as it is.
    Same,
    /// It becomes this.
    Becomes(Task),
    /// It is deleted, and its target released.
    Gone,
}

/// What becomes of the source server: this state and this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceChange {
    /// The state from now on.
    pub state: SourceState,
    /// The cycle from now on.
    pub cycle: MigrationCycle,
}

/// What becomes of the agent's mailbox.
///
/// The mailbox holds one command at most. A command stays until its result is reported, so that an
/// agent that dies in between is given it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// It stays as it is.
    Keep,
    /// It holds this command and nothing else.
    Put(Command),
    /// It becomes empty if it holds this command, whose result has been reported.
    Settle(Command),
    /// It becomes empty.
    Clear,
}

/// Everything that follows from an event, to be carried out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What becomes of the task.
    pub task: After,
    /// What becomes of the source server; `None` leaves it as it is. A reported state has changed
    /// it already.
    pub source: Option<SourceChange>,
    /// What becomes of the mailbox.
    pub mailbox: Mailbox,
}

impl Transition {
    /// Nothing follows.
    pub const NOTHING: Self = Self {
        task: After::Same,
        source: None,
        mailbox: Mailbox::Keep,
    };
}
