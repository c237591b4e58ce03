//! The newest report of each kind that has not been delivered yet. Pure, save for a lock.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rehost_sms_api::bodies::{PutCopyStateReq, UpdateTaskSpeedReq};
use rehost_sms_api::rehost::{CopyPlan, MigrationReport};

/// Where a report is kept; a newer one of the same slot takes its place. Slots are delivered in
/// their order: what the source server does is told after how far its subtasks are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// Progress of a subtask, which is the step of this number in its task.
    Progress {
        /// The task.
        task_id: String,
        /// Number of the subtask among those of the task.
        step: usize,
    },
    /// What a task has cost so far.
    Figures {
        /// The task.
        task_id: String,
    },
    /// How the disks of the source server will be copied.
    CopyPlan,
    /// State of the source server.
    CopyState,
}

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Report {
    /// `PUT /v3/tasks/{task_id}/progress`.
    Progress(Box<UpdateTaskSpeedReq>),
    /// `PUT /rehost/v1/tasks/{task_id}/report`.
    Figures(MigrationReport),
    /// `PUT /rehost/v1/sources/{source_id}/copy-plan`.
    CopyPlan(CopyPlan),
    /// `PUT /v3/sources/{source_id}/changestate`.
    CopyState(PutCopyStateReq),
}

/// A report with the number by which it is known to be still the newest after it was delivered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Waiting {
    pub slot: Slot,
    pub version: u64,
    pub report: Report,
}

#[derive(Debug, Default)]
struct State {
    newest: BTreeMap<Slot, (u64, Report)>,
    last_version: u64,
    urgent: bool,
}

/// What is to be told to the control plane.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

impl Outbox {
    /// Puts a report in, in place of an older one of its kind.
    pub(crate) fn put(&self, slot: Slot, report: Report) {
        let mut state = self.lock();
        state.last_version += 1;
        let version = state.last_version;
        state.newest.insert(slot, (version, report));
        drop(state);
        self.changed.notify_all();
    }

    /// Forgets everything about a task: its end tells all there is to tell.
    pub(crate) fn forget_task(&self, task_id: &str) {
        self.lock().newest.retain(|slot, _| match slot {
            Slot::Progress { task_id: id, .. } | Slot::Figures { task_id: id } => id != task_id,
            Slot::CopyPlan => true,
            Slot::CopyState => false,
        });
    }

    /// Ends the waits of [`Outbox::wait_for_work`] and [`Outbox::wait_for_urgent`] at once.
    pub(crate) fn nudge(&self) {
        self.lock().urgent = true;
        self.changed.notify_all();
    }

    /// Everything that waits, in the order in which to deliver it.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let state = self.lock();
        let newest = state.newest.iter();
        newest
            .map(|(slot, (version, report))| Waiting {
                slot: slot.clone(),
                version: *version,
                report: report.clone(),
            })
            .collect()
    }

    /// A report was delivered, or refused for good. A newer one that came meanwhile stays.
    pub(crate) fn settle(&self, waiting: &Waiting) {
        let mut state = self.lock();
        if state
            .newest
            .get(&waiting.slot)
            .is_some_and(|(version, _)| *version == waiting.version)
        {
            state.newest.remove(&waiting.slot);
        }
    }

    /// Waits until something waits to be told, or somebody nudges.
    pub(crate) fn wait_for_work(&self) {
        let mut state = self.lock();
        while state.newest.is_empty() && !state.urgent {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.urgent = false;
    }

    /// Waits for a while, or until somebody nudges.
    pub(crate) fn wait_for_urgent(&self, duration: Duration) {
        let deadline = Instant::now() + duration;
        let mut state = self.lock();
        while !state.urgent
            && let Some(left) = deadline.checked_duration_since(Instant::now())
        {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.urgent = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(step: usize, percent: u32) -> (Slot, Report) {
        let body = UpdateTaskSpeedReq {
            progress: Some(percent),
            ..UpdateTaskSpeedReq::default()
        };
        (
            Slot::Progress {
                task_id: "t".into(),
                step,
            },
            Report::Progress(Box::new(body)),
        )
    }

    fn copy_state(state: &str) -> (Slot, Report) {
        let copystate = Some(state.to_owned());
        (
            Slot::CopyState,
            Report::CopyState(PutCopyStateReq {
                copystate,
                migrationcycle: None,
            }),
        )
    }

    fn outbox(reports: Vec<(Slot, Report)>) -> Outbox {
        let outbox = Outbox::default();
        reports
            .into_iter()
            .for_each(|(slot, report)| outbox.put(slot, report));
        outbox
    }

    #[test]
    fn only_the_newest_of_a_kind_waits_and_states_come_last() {
        let outbox = outbox(vec![
            copy_state("replicate"),
            progress(2, 10),
            progress(1, 100),
            progress(2, 20),
            copy_state("syncing"),
        ]);
        let reports: Vec<_> = outbox
            .waiting()
            .into_iter()
            .map(|waiting| waiting.report)
            .collect();
        assert_eq!(
            reports,
            [
                progress(1, 100).1,
                progress(2, 20).1,
                copy_state("syncing").1
            ]
        );
    }

    #[test]
    fn what_came_while_an_older_one_was_delivered_is_kept() {
        let outbox = outbox(vec![progress(1, 10)]);
        let delivered = outbox.waiting();
        let (slot, report) = progress(1, 11);
        outbox.put(slot, report.clone());
        outbox.settle(&delivered[0]);
        let waiting = outbox.waiting();
        assert_eq!(waiting[0].report, report);
        outbox.settle(&waiting[0]);
        assert_eq!(outbox.waiting(), []);
    }

    #[test]
    fn a_task_is_forgotten_with_the_state_that_it_led_to() {
        let outbox = outbox(vec![progress(1, 10), copy_state("replicate")]);
        let other = Slot::Progress {
            task_id: "other".into(),
            step: 1,
        };
        outbox.put(other.clone(), progress(1, 50).1);
        outbox.forget_task("t");
        let slots: Vec<_> = outbox
            .waiting()
            .into_iter()
            .map(|waiting| waiting.slot)
            .collect();
        assert_eq!(slots, [other]);
    }

    #[test]
    fn a_nudge_ends_a_wait() {
        let outbox = Outbox::default();
        outbox.nudge();
        outbox.wait_for_urgent(Duration::from_secs(3600));
        outbox.nudge();
        outbox.wait_for_work();
        outbox.wait_for_urgent(Duration::ZERO);
    }
}
