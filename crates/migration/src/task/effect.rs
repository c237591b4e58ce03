//! What follows from an event: typed orders that the control plane carries out at once.

use serde::{Deserialize, Serialize};

use super::model::Task;
use crate::source::{MigrationCycle, SourceState, UnknownWord};

/// A command for the agent (SMS, ShowCommand and UpdateCommandResult, over all revisions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Command {
    /// Look at the assignment and do what it says; or do the [`Order`] that comes with it.
    Start,
    /// Come to rest.
    Stop,
    /// Skip the consistency check.
    Skip,
    /// Run the migration drill.
    Premigrate,
    /// Remove what the task left behind: all of it, or the snapshots (see [`Order::Clear`]).
    Delete,
    /// Synchronise again after the launch.
    Sync,
    /// Send the logs.
    UploadLog,
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 7] = [
        Self::Start,
        Self::Stop,
        Self::Skip,
        Self::Premigrate,
        Self::Delete,
        Self::Sync,
        Self::UploadLog,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Stop => "STOP",
            Self::Skip => "SKIP",
            Self::Premigrate => "PREMIGRATE",
            Self::Delete => "DELETE",
            Self::Sync => "SYNC",
            Self::UploadLog => "UPLOAD_LOG",
        }
    }
}

impl std::str::FromStr for Command {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|command| command.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// What a command is for, where SMS has no command of its own: it comes with START, or with DELETE,
/// as `operation` among the parameters of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Clone the target.
    CloneTest,
    /// Test the clone.
    Test,
    /// Measure the network.
    NetworkCheck,
    /// Take the target back to before the synchronisation that failed.
    SyncFailedRollback,
    /// Remove the snapshots and nothing else.
    Clear,
}

impl Order {
    /// The word on the wire: the operation that it follows from.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CloneTest => "clone_test",
            Self::Test => "test",
            Self::NetworkCheck => "network_check",
            Self::SyncFailedRollback => "sync_failed_rollback",
            Self::Clear => "clear",
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

impl SourceChange {
    /// Without a task a source server waits for one.
    pub const WAITS: Self = Self {
        state: SourceState::Waiting,
        cycle: MigrationCycle::Setting,
    };
}

/// What becomes of the agent's mailbox.
///
/// The mailbox holds one command at most. A command stays until its result is reported, so that an
/// agent that dies in between is given it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// It stays as it is.
    Keep,
    /// It holds this command, which is for this order, and nothing else.
    Put(Command, Option<Order>),
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

    /// The same, with a command for the agent.
    #[must_use]
    pub(super) fn and_put(self, command: Command) -> Self {
        Self {
            mailbox: Mailbox::Put(command, None),
            ..self
        }
    }

    /// The same, with an order for the agent.
    #[must_use]
    pub(super) fn and_order(self, command: Command, order: Order) -> Self {
        Self {
            mailbox: Mailbox::Put(command, Some(order)),
            ..self
        }
    }
}
