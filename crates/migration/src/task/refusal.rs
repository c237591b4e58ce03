//! Why an action is refused, and the SMS code of it.

/// Why an action is refused; the task stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not ready, paused or failed.
    #[error("the task cannot be started now: start it when it is ready, paused or failed")]
    CannotStart,
    /// Neither runs nor synchronises.
    #[error("the task cannot be stopped now: stop it while it runs or synchronises")]
    CannotStop,
    /// Not launched.
    #[error("the task cannot be synchronised now: synchronise after the target has been launched")]
    CannotSync,
    /// The snapshots are gone.
    #[error("the task has been cleared and cannot be synchronised any more: make a new task")]
    ClearedForSync,
    /// Logs are on their way.
    #[error("the logs are being collected: wait until that is over")]
    LogsRunning,
    /// The mailbox holds something that must not be lost.
    #[error("another command waits for the agent: try again when the agent has taken it")]
    CommandPending,
    /// Never started, so there are no logs.
    #[error("there are no logs of a task that was never started: start it first")]
    LogsBeforeStart,
    /// No failed synchronisation.
    #[error("there is nothing to roll back: only a failed synchronisation is rolled back")]
    CannotRollBack,
    /// The agent is at it.
    #[error(
        "the task cannot be deleted while its agent works: stop it first; the task of an agent \
         that is gone can be deleted always"
    )]
    CannotDelete,
    /// Not in continuous synchronisation.
    #[error("only possible during continuous synchronisation: wait until the task is SYNCING")]
    OnlyContinuousSync,
    /// A clone is being made from what would be cut over.
    #[error("a clone of the target is being made: wait until it is there, or stop the task")]
    CloneRuns,
    /// Not launched.
    #[error("only possible after the target has been launched: use start for a paused task")]
    OnlyAfterLaunch,
    /// The snapshots are gone.
    #[error("the task has been cleared and cannot be restarted any more: make a new task")]
    ClearedForRestart,
    /// There is no clone.
    #[error("there is no clone of the target: make one with clone_test")]
    NoClone,
    /// The target is being written.
    #[error("the target cannot be unlocked while the task works with it: stop the task first")]
    CannotUnlock,
    /// The consistency check is not in the middle.
    #[error(
        "the consistency check cannot be skipped now: skip it while its progress is 5 to 95 percent"
    )]
    CannotSkip,
    /// Not finished.
    #[error("there is nothing to clear: clear a task after the target has been launched")]
    CannotClear,
    /// No drill was configured, or the task was started.
    #[error(
        "the migration drill cannot run now: create the task with need_migration_test, and run it \
         before the start"
    )]
    CannotDrill,
    /// Neither paused nor failed.
    #[error("the network cannot be measured now: measure it while the task is paused or failed")]
    CannotMeasure,
    /// A clone needs a template.
    #[error("template_id is missing: name the template that the clone is made from")]
    NoTemplate,
    /// The agent is at something else.
    #[error("the agent is at another test of this task: wait until that is over")]
    Busy,
    /// No operation of SMS.
    #[error("unknown operation: use one of the API reference, in lower case")]
    UnknownAction,
}

impl Refusal {
    /// The SMS error code of the answer. Where SMS has none for a precondition it is that of a
    /// parameter which is not permitted, `SMS.9001`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CannotStart => "SMS.7713",
            Self::CannotStop => "SMS.7714",
            Self::CannotSync | Self::ClearedForSync => "SMS.7715",
            Self::LogsRunning | Self::CommandPending => "SMS.7716",
            Self::LogsBeforeStart => "SMS.7717",
            Self::CannotRollBack => "SMS.7718",
            Self::CannotDelete => "SMS.7719",
            Self::OnlyContinuousSync | Self::CloneRuns => "SMS.7721",
            Self::OnlyAfterLaunch | Self::ClearedForRestart => "SMS.7722",
            Self::NoClone => "SMS.8017",
            Self::CannotUnlock => "SMS.8114",
            Self::CannotSkip
            | Self::CannotClear
            | Self::CannotDrill
            | Self::CannotMeasure
            | Self::NoTemplate
            | Self::Busy
            | Self::UnknownAction => "SMS.9001",
        }
    }
}
