//! What follows when an agent reports something. Agents are never refused: what does not fit is
//! late, repeated, or from a client that knows no better, and leaves the task as it is.

use super::aside::{CloneState, Errand, Logs};
use super::effect::{After, Command, Mailbox, SourceChange, Transition};
use super::event::{AgentEvent, CommandResult};
use super::model::{Phase, Task};
use super::state::TaskState as S;
use crate::source::{MigrationCycle, SourceState};

impl Task {
    /// Decides about a report. The table `task.md` shows it.
    pub(super) fn hear(self, event: AgentEvent) -> Transition {
        match event {
            AgentEvent::Command(command, result) => Transition {
                mailbox: Mailbox::Settle(command),
                ..self.hear_result(command, result)
            },
            AgentEvent::CopyRuns => Transition::NOTHING,
            AgentEvent::SyncReached => self.hear_sync(),
            AgentEvent::CutoverRuns => self.hear_cutover(),
            AgentEvent::Done => self.hear_done(),
            AgentEvent::Failed => self.hear_failure(),
            AgentEvent::Stopped => match self.state {
                S::Aborting => Transition {
                    mailbox: Mailbox::Settle(Command::Stop),
                    ..self.into_state(S::Abort).alone()
                },
                _ => Transition::NOTHING,
            },
            AgentEvent::Drilled => self.hear_end_of(Errand::Drill, CommandResult::Success),
            AgentEvent::DrillFailed => self.hear_end_of(Errand::Drill, CommandResult::Fail),
            AgentEvent::Cleared => self.hear_end_of(Errand::Clear, CommandResult::Success),
            AgentEvent::ClearFailed => self.hear_end_of(Errand::Clear, CommandResult::Fail),
            AgentEvent::Measured => self.hear_end_of(Errand::NetworkCheck, CommandResult::Success),
        }
    }

    fn hear_sync(self) -> Transition {
        match (self.state, self.phase) {
            (S::Running | S::Skipping, Phase::Replicate | Phase::Sync) if self.syncs() => Self {
                phase: Phase::Sync,
                ..self.into_state(S::Syncing)
            }
            .alone(),
            // The clone is there when the agent goes back to what it did before, unless the target
            // has a word of its own for it.
            (S::Syncing, _) if self.aside.clone == CloneState::Creating && !self.boots => {
                self.hear_end_of(Errand::Clone, CommandResult::Success)
            }
            _ => Transition::NOTHING,
        }
    }

    /// Without continuous synchronisation the agent goes on to the final round by itself.
    fn hear_cutover(self) -> Transition {
        match (self.state, self.phase) {
            (S::Running | S::Skipping, Phase::Replicate) if !self.syncs() => Self {
                phase: Phase::Cutover,
                ..self
            }
            .alone(),
            _ => Transition::NOTHING,
        }
    }

    fn hear_done(self) -> Transition {
        let ends_copy =
            self.phase == Phase::Cutover || self.phase == Phase::Replicate && !self.syncs();
        if self.boots && ends_copy && self.state.is_copying() {
            return self.hear_copied();
        }
        let next = match (self.state, self.phase) {
            // A final round may end while a stop or a skip is on its way; what is done is done.
            (S::Running | S::Aborting | S::Skipping, _) if ends_copy => Self {
                phase: Phase::Cutover,
                launched: true,
                ..self.into_state(S::MigrateSuccess)
            },
            // After the launch an agent may end the synchronisation by itself. Before SYNCING it is
            // the end of the migration, told once more.
            (S::Syncing, _) if self.launched => self.into_state(S::SyncSuccess),
            (S::SyncFRollbacking, _) => self.into_state(S::SyncFRollbackSuccess),
            _ => return Transition::NOTHING,
        };
        Transition {
            mailbox: Mailbox::Clear,
            ..next.alone()
        }
    }

    /// The final round is through, and the target has yet to start. A stop that is on its way comes
    /// in time.
    fn hear_copied(self) -> Transition {
        if self.state == S::Aborting || self.aside.errand == Some(Errand::Launch) {
            return Transition::NOTHING;
        }
        let mut next = Self {
            phase: Phase::Cutover,
            ..self.into_state(S::Running)
        };
        next.aside.errand = Some(Errand::Launch);
        Transition {
            mailbox: Mailbox::Clear,
            ..next.with_its_source()
        }
    }

    fn hear_failure(self) -> Transition {
        let next = match self.state {
            state if state.is_copying() => self.failed(),
            S::SyncFRollbacking => self.into_state(S::SyncFail),
            _ => return Transition::NOTHING,
        };
        Transition {
            mailbox: Mailbox::Clear,
            ..next.alone()
        }
    }

    fn hear_result(self, command: Command, result: CommandResult) -> Transition {
        use CommandResult::{Fail, Success};
        match (command, result) {
            (Command::Start, Success) => self.hear_of_order_taken(),
            (Command::Start, Fail) => match (self.state, self.aside.errand) {
                // A START that went wrong after a STOP was sent is settled by the STOP.
                (S::Running, _) => self.failed().with_its_source(),
                (S::SyncFRollbacking, _) => self.into_state(S::SyncFail).with_its_source(),
                (_, Some(errand @ (Errand::Clone | Errand::Test | Errand::NetworkCheck))) => {
                    self.hear_end_of(errand, Fail)
                }
                _ => Transition::NOTHING,
            },
            (Command::Stop, Success) if self.state == S::Aborting => {
                self.into_state(S::Abort).with_its_source()
            }
            // An agent that cannot stop is in an unknown condition; a start makes it known again.
            (Command::Stop, Fail) if self.state == S::Aborting => self.failed().with_its_source(),
            // Skipped or not: the task goes on with what it did.
            (Command::Skip, _) if self.state == S::Skipping => self.goes_back(),
            (Command::Premigrate, result) => self.hear_end_of(Errand::Drill, result),
            (Command::Delete, Success) if self.state == S::Deleting => Transition {
                task: After::Gone,
                source: Some(SourceChange::WAITS),
                mailbox: Mailbox::Clear,
            },
            (Command::Delete, Fail) if self.state == S::Deleting => self.goes_back(),
            (Command::Delete, result) => self.hear_end_of(Errand::Clear, result),
            (Command::Sync, result) if (self.state, self.phase) == (S::Running, Phase::Sync) => {
                match result {
                    Success => self.into_state(S::Syncing),
                    Fail => self.failed(),
                }
                .with_its_source()
            }
            (Command::UploadLog, result) => self.hear_of_logs(result),
            (Command::Stop | Command::Skip | Command::Sync, _) => Transition::NOTHING,
        }
    }

    /// START was taken: a clone is being made from now on, and a test of it is done.
    fn hear_of_order_taken(self) -> Transition {
        match (self.aside.errand, self.aside.clone) {
            (Some(Errand::Clone), CloneState::Preparing) => {
                let mut next = self;
                next.aside.clone = CloneState::Creating;
                next.alone()
            }
            (Some(Errand::Test), _) => {
                let tested = SourceChange {
                    state: SourceState::Syncing,
                    cycle: MigrationCycle::Tested,
                };
                Transition {
                    source: Some(tested),
                    ..self.hear_end_of(Errand::Test, CommandResult::Success)
                }
            }
            _ => Transition::NOTHING,
        }
    }

    fn hear_of_logs(self, result: CommandResult) -> Transition {
        let logs = match result {
            CommandResult::Success => Logs::Uploaded,
            CommandResult::Fail => Logs::UploadFail,
        };
        if self.state == S::Ready || self.aside.logs == logs || self.aside.logs == Logs::Init {
            return Transition::NOTHING;
        }
        let mut next = self;
        next.aside.logs = logs;
        next.alone()
    }

    /// An errand is over, if the agent is at it; the source server shows what came of it.
    pub(super) fn hear_end_of(self, errand: Errand, result: CommandResult) -> Transition {
        if self.aside.errand != Some(errand) {
            return Transition::NOTHING;
        }
        let aside = match result {
            CommandResult::Success => self.aside.done(),
            CommandResult::Fail => self.aside.broken_off(),
        };
        let next = Self { aside, ..self };
        match errand {
            // It is measured while the task rests, whatever the source server shows.
            Errand::NetworkCheck => next.alone(),
            _ => next.with_its_source(),
        }
    }

    /// What was asked for does not happen, or is over: the task is in its former state again.
    fn goes_back(self) -> Transition {
        let former = self.aside.former.unwrap_or(S::Running);
        self.into_state(former).with_its_source()
    }

    pub(super) fn failed(self) -> Self {
        self.into_state(if self.launched {
            S::SyncFail
        } else {
            S::MigrateFail
        })
    }
}
