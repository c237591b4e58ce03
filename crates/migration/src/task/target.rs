//! What follows when a target reports that a system has started, or has not. Targets are never
//! refused: what does not fit is late or repeated.

use super::aside::Errand;
use super::effect::{Command, Mailbox, Transition};
use super::event::{CommandResult, TargetEvent};
use super::model::{Phase, Task, WantedBoot};
use super::state::TaskState as S;

impl Task {
    /// Decides about a report of the target. The table `task.md` shows it.
    pub(super) fn hear_target(self, event: TargetEvent) -> Transition {
        match (self.wanted_boot(), event) {
            (WantedBoot::Rehearsal, TargetEvent::Booted) => {
                self.hear_end_of(Errand::Clone, CommandResult::Success)
            }
            (WantedBoot::Rehearsal, TargetEvent::NotBooted) => {
                self.hear_end_of(Errand::Clone, CommandResult::Fail)
            }
            // What runs for good is no news.
            (WantedBoot::Launch, _) if self.target_is_free() => Transition::NOTHING,
            (WantedBoot::Launch, TargetEvent::Booted) => self.hear_launched(),
            (WantedBoot::Launch, TargetEvent::NotBooted) => self.hear_not_launched(),
            (WantedBoot::None, _) => Transition::NOTHING,
        }
    }

    fn hear_launched(self) -> Transition {
        let next = Self {
            launched: true,
            ..self.into_state(S::MigrateSuccess)
        };
        Transition {
            mailbox: Mailbox::Clear,
            ..next.with_its_source()
        }
    }

    /// The source has not stopped working, and nothing of the replica was touched: a continuous
    /// task goes back to synchronising, and can be cut over again when the reason is mended.
    fn hear_not_launched(self) -> Transition {
        if self.syncs() {
            self.runs(Phase::Sync, Command::Start)
        } else {
            Transition {
                mailbox: Mailbox::Clear,
                ..self.failed().with_its_source()
            }
        }
    }
}
