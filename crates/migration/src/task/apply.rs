//! The one transition function of tasks.

use super::effect::{After, Command, Mailbox, SourceChange, Transition};
use super::event::{Action, AgentEvent, CommandResult, Event};
use super::state::{Phase, Task, TaskState};
use crate::source::{MigrationCycle, SourceState};

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
    /// The agent is at it.
    #[error("the task cannot be deleted while its agent works: stop it first")]
    CannotDelete,
    /// Not in continuous synchronisation.
    #[error("only possible during continuous synchronisation: wait until the task is SYNCING")]
    OnlyContinuousSync,
    /// Not launched.
    #[error("only possible after the target has been launched: use start for a paused task")]
    OnlyAfterLaunch,
    /// An operation of SMS that is not offered here.
    #[error("this operation is not supported: use start, stop, cutover or restart")]
    Unsupported,
    /// No operation of SMS.
    #[error("unknown operation: use start, stop, cutover or restart")]
    UnknownAction,
}

impl Refusal {
    /// The SMS error code of the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CannotStart => "SMS.7713",
            Self::CannotStop => "SMS.7714",
            Self::CannotSync => "SMS.7715",
            Self::CannotDelete => "SMS.7719",
            Self::OnlyContinuousSync => "SMS.7721",
            Self::OnlyAfterLaunch => "SMS.7722",
            Self::Unsupported | Self::UnknownAction => "SMS.9001",
        }
    }
}

impl Task {
    /// Decides what follows from an event. `tables/task.md` shows it for every reachable task.
    ///
    /// # Errors
    /// [`Refusal`] for an operator's action that does not fit. Agents are never refused.
    pub fn apply(self, event: Event) -> Result<Transition, Refusal> {
        match event {
            Event::Operator(action) => self.apply_action(action),
            Event::Agent(event) => Ok(self.apply_report(event)),
        }
    }

    fn apply_action(self, action: Action) -> Result<Transition, Refusal> {
        use TaskState as S;
        match action {
            Action::Start => match self.state {
                S::Ready | S::Abort | S::MigrateFail | S::SyncFail => Ok(self.runs(self.phase)),
                _ => Err(Refusal::CannotStart),
            },
            Action::Stop => match self.state {
                S::Running | S::Syncing => Ok(Transition {
                    mailbox: Mailbox::Put(Command::Stop),
                    ..self.becomes(S::Aborting, SourceState::Stopping)
                }),
                _ => Err(Refusal::CannotStop),
            },
            Action::Cutover => match self.state {
                S::Syncing => Ok(self.runs(Phase::Cutover)),
                _ => Err(Refusal::OnlyContinuousSync),
            },
            Action::Restart => match self.state {
                S::MigrateSuccess => Ok(self.runs(Phase::Sync)),
                _ => Err(Refusal::OnlyAfterLaunch),
            },
            Action::Sync => match self.state {
                S::MigrateSuccess => Ok(self.runs(Phase::Sync)),
                S::Syncing => Ok(Transition::NOTHING),
                _ => Err(Refusal::CannotSync),
            },
            Action::Clone => match self.state {
                S::Syncing => Err(Refusal::Unsupported),
                _ => Err(Refusal::OnlyContinuousSync),
            },
            Action::Delete {
                agent_connected,
                source_state,
            } => {
                if agent_connected && (self.state.is_active() || forbids_delete(source_state)) {
                    return Err(Refusal::CannotDelete);
                }
                Ok(Transition {
                    task: After::Gone,
                    source: source_after_delete(source_state),
                    mailbox: Mailbox::Clear,
                })
            }
        }
    }

    fn apply_report(self, event: AgentEvent) -> Transition {
        use TaskState as S;
        match (event, self.state, self.phase) {
            (AgentEvent::Command(command, result), _, _) => Transition {
                mailbox: Mailbox::Settle(command),
                ..self.apply_command_result(command, result)
            },

            (AgentEvent::SyncReached, S::Running, Phase::Replicate | Phase::Sync)
                if self.syncs() =>
            {
                self.follows(Self {
                    state: S::Syncing,
                    phase: Phase::Sync,
                    ..self
                })
            }
            // Without continuous synchronisation the agent goes on to the final round by itself.
            (AgentEvent::CutoverRuns, S::Running, Phase::Replicate) if !self.syncs() => self
                .follows(Self {
                    phase: Phase::Cutover,
                    ..self
                }),
            // A final round may end while a stop is on its way; what is done is done.
            (AgentEvent::Done, S::Running | S::Aborting, phase)
                if phase == Phase::Cutover || phase == Phase::Replicate && !self.syncs() =>
            {
                let done = Self {
                    state: S::MigrateSuccess,
                    phase: Phase::Cutover,
                    launched: true,
                    ..self
                };
                Transition {
                    mailbox: Mailbox::Clear,
                    ..self.follows(done)
                }
            }
            (AgentEvent::Failed, S::Running | S::Syncing | S::Aborting, _) => Transition {
                mailbox: Mailbox::Clear,
                ..self.follows(Self {
                    state: self.failed_state(),
                    ..self
                })
            },
            (AgentEvent::Stopped, S::Aborting, _) => Transition {
                mailbox: Mailbox::Settle(Command::Stop),
                ..self.follows(Self {
                    state: S::Abort,
                    ..self
                })
            },
            _ => Transition::NOTHING,
        }
    }

    fn apply_command_result(self, command: Command, result: CommandResult) -> Transition {
        use TaskState as S;
        match (command, result, self.state) {
            // A START that went wrong after a STOP was sent is settled by the STOP.
            (Command::Start, CommandResult::Fail, S::Running)
            // An agent that cannot stop is in an unknown condition; a start makes it known again.
            | (Command::Stop, CommandResult::Fail, S::Aborting) => {
                self.becomes(self.failed_state(), SourceState::Error)
            }
            (Command::Stop, CommandResult::Success, S::Aborting) => {
                self.becomes(S::Abort, SourceState::Stopped)
            }
            _ => Transition::NOTHING,
        }
    }

    /// The work is taken up in a phase, and the agent told.
    fn runs(self, phase: Phase) -> Transition {
        Transition {
            mailbox: Mailbox::Put(Command::Start),
            ..Self { phase, ..self }.becomes(TaskState::Running, phase.source_state_at_start())
        }
    }

    /// Task and source server change together; the cycle of the source server is that of the phase.
    fn becomes(self, state: TaskState, source: SourceState) -> Transition {
        Transition {
            task: After::Becomes(Self { state, ..self }),
            source: Some(SourceChange {
                state: source,
                cycle: self.phase.cycle(),
            }),
            mailbox: Mailbox::Keep,
        }
    }

    /// The task follows a reported state, which the source server has already.
    fn follows(self, next: Self) -> Transition {
        let task = if next == self {
            After::Same
        } else {
            After::Becomes(next)
        };
        Transition {
            task,
            ..Transition::NOTHING
        }
    }

    fn failed_state(self) -> TaskState {
        if self.launched {
            TaskState::SyncFail
        } else {
            TaskState::MigrateFail
        }
    }
}

/// States of a connected source server in which its task cannot be deleted (SMS, DeleteTask, text
/// of 2025-11-27).
fn forbids_delete(state: SourceState) -> bool {
    use SourceState as S;
    matches!(
        state,
        S::Initialize
            | S::Stopping
            | S::Deleting
            | S::Cloning
            | S::Replicate
            | S::Syncing
            | S::Cutovering
            | S::Skipping
            | S::Clearing
            | S::Premiging
    )
}

/// Without a task a source server waits for one, unless its check failed.
fn source_after_delete(state: SourceState) -> Option<SourceChange> {
    let waits = SourceChange {
        state: SourceState::Waiting,
        cycle: MigrationCycle::Setting,
    };
    (state != SourceState::Unavailable).then_some(waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(task: Task, event: Event) -> Task {
        match task.apply(event).unwrap().task {
            After::Becomes(next) => next,
            After::Same => task,
            After::Gone => panic!("{task:?} is gone"),
        }
    }

    fn path(mut task: Task, events: &[Event]) -> Task {
        for event in events {
            task = after(task, *event);
        }
        task
    }

    const START: Event = Event::Operator(Action::Start);
    const STOP: Event = Event::Operator(Action::Stop);
    const CUTOVER: Event = Event::Operator(Action::Cutover);
    const STOPPED: Event = Event::Agent(AgentEvent::Command(Command::Stop, CommandResult::Success));
    const SYNC_REACHED: Event = Event::Agent(AgentEvent::SyncReached);
    const DONE: Event = Event::Agent(AgentEvent::Done);
    const FAILED: Event = Event::Agent(AgentEvent::Failed);

    #[test]
    fn a_plain_migration_runs_from_start_to_success() {
        let started = Task::new(false).apply(START).unwrap();
        let (state, cycle) = (SourceState::Initialize, MigrationCycle::Replicating);
        assert_eq!(started.source, Some(SourceChange { state, cycle }));
        assert_eq!(started.mailbox, Mailbox::Put(Command::Start));
        let cutover = Event::Agent(AgentEvent::CutoverRuns);
        for events in [
            &[START, DONE][..],
            &[START, cutover, DONE],
            &[START, SYNC_REACHED, DONE],
        ] {
            let task = path(Task::new(false), events);
            assert_eq!(task.state, TaskState::MigrateSuccess);
            assert!(task.launched);
        }
    }

    #[test]
    fn a_continuous_migration_waits_for_its_cutover() {
        let syncing = path(Task::new(true), &[START, DONE, SYNC_REACHED, DONE]);
        assert_eq!(syncing.state, TaskState::Syncing);
        let transition = syncing.apply(CUTOVER).unwrap();
        let (state, cycle) = (SourceState::Cutovering, MigrationCycle::Cutovering);
        assert_eq!(transition.source, Some(SourceChange { state, cycle }));
        assert_eq!(transition.mailbox, Mailbox::Put(Command::Start));
        // A report of syncing that was on its way does not undo the cut-over.
        let task = path(syncing, &[CUTOVER, SYNC_REACHED]);
        assert_eq!(
            (task.state, task.phase),
            (TaskState::Running, Phase::Cutover)
        );
        assert_eq!(after(task, DONE).state, TaskState::MigrateSuccess);
    }

    #[test]
    fn a_start_goes_on_where_it_was() {
        let running = path(Task::new(true), &[START]);
        let syncing = path(running, &[SYNC_REACHED]);
        let cutting = path(syncing, &[CUTOVER]);
        for (task, state) in [
            (running, SourceState::Initialize),
            (syncing, SourceState::Syncing),
            (cutting, SourceState::Cutovering),
        ] {
            for pause in [&[STOP, STOPPED][..], &[FAILED]] {
                let paused = path(task, pause);
                let resumed = paused.apply(START).unwrap();
                let cycle = task.phase.cycle();
                assert_eq!(resumed.source, Some(SourceChange { state, cycle }));
                assert_eq!(after(paused, START).phase, task.phase);
            }
        }
    }

    #[test]
    fn a_restart_synchronises_again_and_keeps_the_launched_target() {
        let launched = path(Task::new(false), &[START, DONE]);
        let again = path(launched, &[Event::Operator(Action::Restart), SYNC_REACHED]);
        assert_eq!((again.state, again.launched), (TaskState::Syncing, true));
        assert_eq!(after(again, FAILED).state, TaskState::SyncFail);
        assert_eq!(
            path(again, &[CUTOVER, DONE]).state,
            TaskState::MigrateSuccess
        );
    }

    #[test]
    fn a_final_round_that_ends_during_a_stop_counts() {
        let stopping = path(Task::new(false), &[START, STOP]);
        let transition = stopping.apply(DONE).unwrap();
        assert_eq!(transition.mailbox, Mailbox::Clear);
        assert_eq!(
            path(stopping, &[DONE, STOPPED]).state,
            TaskState::MigrateSuccess
        );
    }

    #[test]
    fn a_task_cannot_be_deleted_under_a_working_agent() {
        let delete = |agent_connected, source_state| {
            Event::Operator(Action::Delete {
                agent_connected,
                source_state,
            })
        };
        let ready = Task::new(false);
        assert_eq!(
            ready
                .apply(delete(true, SourceState::Waiting))
                .unwrap()
                .task,
            After::Gone
        );
        let refused = ready.apply(delete(true, SourceState::Replicate));
        assert_eq!(refused.unwrap_err().code(), "SMS.7719");
        let running = after(ready, START);
        // Even if somebody has set the source server to something harmless.
        assert_eq!(
            running.apply(delete(true, SourceState::Waiting)),
            Err(Refusal::CannotDelete)
        );
        let gone = running
            .apply(delete(false, SourceState::Replicate))
            .unwrap();
        let (state, cycle) = (SourceState::Waiting, MigrationCycle::Setting);
        assert_eq!(gone.source, Some(SourceChange { state, cycle }));
        assert_eq!(gone.mailbox, Mailbox::Clear);
        assert_eq!(
            ready
                .apply(delete(true, SourceState::Unavailable))
                .unwrap()
                .source,
            None
        );
    }
}
