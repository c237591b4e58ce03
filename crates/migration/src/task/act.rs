//! What follows when an operator wants something, and when it is refused.

use super::aside::{CloneState, Drill, Errand, Logs, Snapshots};
use super::effect::{After, Command, Mailbox, Order, SourceChange, Transition};
use super::event::Action;
use super::model::{Phase, Task};
use super::refusal::Refusal;
use super::state::TaskState as S;
use crate::source::SourceState;

/// Progress of the consistency check, in percent, at which it can be skipped (SMS, `skip`).
const SKIPPABLE_PERCENT: std::ops::RangeInclusive<u32> = 5..=95;

impl Task {
    /// Decides about an action. The tables `actions.md` and `task.md` show it.
    ///
    /// # Errors
    /// [`Refusal`] if it does not fit.
    pub(super) fn act(self, action: Action) -> Result<Transition, Refusal> {
        match action {
            Action::Start => self.start(),
            Action::Stop | Action::Overspeed => self.stop(),
            Action::Restart => self.restart(),
            Action::Sync => self.synchronise(),
            Action::Cutover => self.cut_over(),
            Action::CloneTest { template } => self.clone_target(template),
            Action::Test => self.test_clone(),
            Action::NetworkCheck => self.measure(),
            Action::Skip { check_percent } => self.skip(check_percent),
            Action::Clear => self.clear(),
            Action::MigrationTest => self.drill(),
            Action::SyncFailedRollback => self.roll_back(),
            Action::CollectLog { mailbox_empty } => self.collect_logs(mailbox_empty),
            Action::Unlock => self.unlock(),
            Action::Delete {
                agent_connected,
                source_state,
                with_source,
            } => self.delete(agent_connected, source_state, with_source),
        }
    }

    fn start(self) -> Result<Transition, Refusal> {
        let rests = matches!(
            self.state,
            S::Ready | S::Abort | S::MigrateFail | S::SyncFail
        );
        if !rests || self.aside.errand == Some(Errand::Drill) {
            return Err(Refusal::CannotStart);
        }
        Ok(self.runs(self.phase, Command::Start))
    }

    fn stop(self) -> Result<Transition, Refusal> {
        match self.state {
            S::Running | S::Syncing | S::Skipping => {
                let aborting = self.into_state(S::Aborting);
                Ok(aborting.with_its_source().and_put(Command::Stop))
            }
            _ => Err(Refusal::CannotStop),
        }
    }

    /// SMS: after the launch, and as long as the snapshots are there. A failed or paused
    /// synchronisation can be begun anew by it.
    fn restart(self) -> Result<Transition, Refusal> {
        let rests = self.state.is_finished() || matches!(self.state, S::SyncFail | S::Abort);
        if !self.launched || !rests {
            return Err(Refusal::OnlyAfterLaunch);
        }
        if self.aside.snapshots == Snapshots::Cleared || self.is_clearing() {
            return Err(Refusal::ClearedForRestart);
        }
        Ok(self.runs(Phase::Sync, Command::Start))
    }

    fn synchronise(self) -> Result<Transition, Refusal> {
        match self.state {
            // It does so already.
            S::Syncing => Ok(Transition::NOTHING),
            state if state.is_finished() => {
                if self.aside.snapshots == Snapshots::Cleared || self.is_clearing() {
                    return Err(Refusal::ClearedForSync);
                }
                Ok(self.runs(Phase::Sync, Command::Sync))
            }
            _ => Err(Refusal::CannotSync),
        }
    }

    fn cut_over(self) -> Result<Transition, Refusal> {
        match (self.state, self.aside.errand) {
            (S::Syncing, Some(Errand::Clone)) => Err(Refusal::CloneRuns),
            (S::Syncing, _) => Ok(self.runs(Phase::Cutover, Command::Start)),
            _ => Err(Refusal::OnlyContinuousSync),
        }
    }

    fn clone_target(self, template: bool) -> Result<Transition, Refusal> {
        if self.state != S::Syncing {
            return Err(Refusal::OnlyContinuousSync);
        }
        self.check_idle()?;
        if !template {
            return Err(Refusal::NoTemplate);
        }
        let mut next = self.sent_on(Errand::Clone);
        next.aside.clone = CloneState::Preparing;
        Ok(next
            .with_its_source()
            .and_order(Command::Start, Order::CloneTest))
    }

    fn test_clone(self) -> Result<Transition, Refusal> {
        if self.state != S::Syncing {
            return Err(Refusal::OnlyContinuousSync);
        }
        self.check_idle()?;
        if self.aside.clone != CloneState::Finished {
            return Err(Refusal::NoClone);
        }
        let next = self.sent_on(Errand::Test);
        Ok(next
            .with_its_source()
            .and_order(Command::Start, Order::Test))
    }

    fn measure(self) -> Result<Transition, Refusal> {
        if !matches!(self.state, S::Abort | S::MigrateFail | S::SyncFail) {
            return Err(Refusal::CannotMeasure);
        }
        self.check_idle()?;
        let next = self.sent_on(Errand::NetworkCheck);
        Ok(next.alone().and_order(Command::Start, Order::NetworkCheck))
    }

    fn skip(self, check_percent: Option<u32>) -> Result<Transition, Refusal> {
        let skippable = check_percent.is_some_and(|percent| SKIPPABLE_PERCENT.contains(&percent));
        match self.state {
            S::Running | S::Syncing if skippable => {
                let mut next = self.into_state(S::Skipping);
                next.aside.former = Some(self.state);
                Ok(next.with_its_source().and_put(Command::Skip))
            }
            _ => Err(Refusal::CannotSkip),
        }
    }

    fn clear(self) -> Result<Transition, Refusal> {
        if !self.state.is_finished() {
            return Err(Refusal::CannotClear);
        }
        self.check_idle()?;
        if self.aside.snapshots == Snapshots::Cleared {
            return Ok(Transition::NOTHING);
        }
        let next = self.sent_on(Errand::Clear);
        Ok(next
            .with_its_source()
            .and_order(Command::Delete, Order::Clear))
    }

    fn drill(self) -> Result<Transition, Refusal> {
        if self.state != S::Ready || self.aside.drill == Drill::Unplanned {
            return Err(Refusal::CannotDrill);
        }
        self.check_idle()?;
        let next = self.sent_on(Errand::Drill);
        Ok(next.with_its_source().and_put(Command::Premigrate))
    }

    fn roll_back(self) -> Result<Transition, Refusal> {
        match self.state {
            S::SyncFail => {
                let next = self.into_state(S::SyncFRollbacking);
                Ok(next
                    .alone()
                    .and_order(Command::Start, Order::SyncFailedRollback))
            }
            _ => Err(Refusal::CannotRollBack),
        }
    }

    fn collect_logs(self, mailbox_empty: bool) -> Result<Transition, Refusal> {
        if self.state == S::Ready {
            return Err(Refusal::LogsBeforeStart);
        }
        if self.aside.logs == Logs::Uploading {
            return Err(Refusal::LogsRunning);
        }
        if !mailbox_empty {
            return Err(Refusal::CommandPending);
        }
        let mut next = self;
        next.aside.logs = Logs::Uploading;
        Ok(next.alone().and_put(Command::UploadLog))
    }

    /// Targets are never locked against their users here, so there is nothing to do; but a target
    /// that is being written is not free.
    fn unlock(self) -> Result<Transition, Refusal> {
        if self.state.is_active() {
            return Err(Refusal::CannotUnlock);
        }
        Ok(Transition::NOTHING)
    }

    /// SMS has two texts: that of 2025-09 permits it whenever the agent is disconnected, that of
    /// 2025-11 refuses it while the agent is connected and the source server busy. Neither leaves a
    /// task behind that nobody can delete, and both hold here. `SMS.7723`, which asks for a
    /// connected agent, would do that, and is never answered.
    ///
    /// An agent that may hold something is given the chance to remove it; one that is gone is not
    /// waited for.
    fn delete(
        self,
        agent_connected: bool,
        source_state: SourceState,
        with_source: bool,
    ) -> Result<Transition, Refusal> {
        let gone = Transition {
            task: After::Gone,
            source: source_after_delete(source_state),
            mailbox: Mailbox::Clear,
        };
        if !agent_connected || with_source && self.state == S::Deleting {
            return Ok(gone);
        }
        if self.state.is_active() || forbids_delete(source_state) {
            return Err(Refusal::CannotDelete);
        }
        let nothing_held = self.state == S::Ready || source_state == SourceState::Unavailable;
        if with_source || nothing_held {
            return Ok(gone);
        }
        let mut next = self.into_state(S::Deleting);
        next.aside.former = Some(self.state);
        Ok(next.with_its_source().and_put(Command::Delete))
    }

    fn check_idle(self) -> Result<(), Refusal> {
        if self.aside.errand.is_some() {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    fn is_clearing(self) -> bool {
        self.aside.errand == Some(Errand::Clear)
    }

    /// The work is taken up in a phase, and the agent told.
    pub(super) fn runs(self, phase: Phase, command: Command) -> Transition {
        let next = Self {
            phase,
            ..self.into_state(S::Running)
        };
        let source = SourceChange {
            state: phase.source_state_at_start(),
            cycle: phase.cycle(),
        };
        Transition {
            task: After::Becomes(next),
            source: Some(source),
            mailbox: Mailbox::Put(command, None),
        }
    }

    fn sent_on(mut self, errand: Errand) -> Self {
        self.aside.errand = Some(errand);
        self
    }
}

/// States of a connected source server in which its task cannot be deleted (SMS, DeleteTask, text
/// of 2025-11-27).
fn forbids_delete(state: SourceState) -> bool {
    use SourceState as Source;
    matches!(
        state,
        Source::Initialize
            | Source::Stopping
            | Source::Deleting
            | Source::Cloning
            | Source::Replicate
            | Source::Syncing
            | Source::Cutovering
            | Source::Skipping
            | Source::Clearing
            | Source::Premiging
    )
}

/// Without a task a source server waits for one, unless its check failed.
fn source_after_delete(state: SourceState) -> Option<SourceChange> {
    (state != SourceState::Unavailable).then_some(SourceChange::WAITS)
}
