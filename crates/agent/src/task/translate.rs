//! From what the replication says to what the control plane is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rehost_migration::subtask::SubtaskName;
use rehost_replication::source::{Event, Observer, Phase, Progress};
use rehost_sms_api::bodies::{PutCopyStateReq, UpdateTaskSpeedReq};

use super::figures::{self, Speed, percentage, shortened};
use super::outcome::report;
use super::usage::{Usage, UsageMeter};
use crate::reports::{Outbox, Report, Slot};
use crate::state::{StateStore, TaskPhase};

/// Watches the replication of one task and puts reports into the outbox.
#[derive(Debug)]
pub(crate) struct Translator {
    task_id: String,
    syncing: bool,
    outbox: Arc<Outbox>,
    store: Arc<StateStore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Newest report of each subtask; its percentage never goes back (SMS).
    reported: BTreeMap<usize, UpdateTaskSpeedReq>,
    current: SubtaskName,
    cycle: &'static str,
    meter: UsageMeter,
    /// What the copy keeps to, for people.
    in_force: String,
    speed: Speed,
    /// A final round or a point round is at work, and the source is frozen.
    is_source_held: bool,
}

impl Translator {
    /// For a task that asks for continuous synchronisation (`syncing`) or not.
    pub(crate) fn new(
        task_id: &str,
        syncing: bool,
        outbox: Arc<Outbox>,
        store: Arc<StateStore>,
    ) -> Self {
        let state = State {
            reported: BTreeMap::new(),
            current: SubtaskName::SslConfig,
            cycle: "replicating",
            meter: UsageMeter::default(),
            in_force: String::new(),
            speed: Speed::default(),
            is_source_held: false,
        };
        Self {
            task_id: task_id.into(),
            syncing,
            outbox,
            store,
            state: Mutex::new(state),
        }
    }

    /// The certificates are here.
    pub(crate) fn certified(&self) {
        self.percent(SubtaskName::SslConfig, 100, None);
    }

    /// Tells people what the task waits for, beside its progress.
    pub(crate) fn trace(&self, text: &str) {
        let current = self.lock().current;
        self.tell(current, |body| body.process_trace = Some(shortened(text)));
    }

    /// What the copy keeps to from now on, for people; empty for nothing.
    pub(crate) fn set_in_force(&self, words: &str) {
        words.clone_into(&mut self.lock().in_force);
    }

    /// What is the speed of the task from now on.
    pub(crate) fn set_speed(&self, speed: Speed) {
        self.lock().speed = speed;
    }

    /// Whether the source is frozen, for the final round or a point.
    pub(crate) fn is_source_held(&self) -> bool {
        self.lock().is_source_held
    }

    /// The last report of every subtask, for the end of the task, which failed with this.
    pub(crate) fn failed(&self, text: &str) -> (Vec<UpdateTaskSpeedReq>, PutCopyStateReq) {
        self.trace(text);
        let state = self.lock();
        (
            state.reported.values().cloned().collect(),
            copy_state("error", state.cycle),
        )
    }

    /// The last report of every subtask, for the end of the task: all of them are done.
    pub(crate) fn finished(&self) -> (Vec<UpdateTaskSpeedReq>, PutCopyStateReq) {
        for name in SubtaskName::of_block_migration(self.syncing) {
            self.percent(*name, 100, None);
        }
        let state = self.lock();
        (
            state.reported.values().cloned().collect(),
            copy_state("finished", "cutovered"),
        )
    }

    /// As [`Translator::finished`], with a word at the check that was skipped.
    pub(crate) fn finished_unchecked(&self) -> (Vec<UpdateTaskSpeedReq>, PutCopyStateReq) {
        let (mut progress, state) = self.finished();
        let check = SubtaskName::CheckConsistency.as_str();
        for body in &mut progress {
            if body.subtask_name.as_deref() == Some(check) {
                body.process_trace = Some("skipped by an operator: nothing is proved".into());
            }
        }
        (progress, state)
    }

    fn phase_began(&self, phase: Phase) {
        use SubtaskName as Subtask;
        let (current, task_phase, state, cycle) = match phase {
            Phase::FullCopy => (
                Subtask::MigrateLinuxBlock,
                TaskPhase::Replicating,
                "replicate",
                "replicating",
            ),
            Phase::Audit | Phase::Survey | Phase::PointRound => return,
            Phase::Sync { .. } => (
                Subtask::SyncLinuxBlock,
                TaskPhase::Syncing,
                "syncing",
                "syncing",
            ),
            Phase::FinalRound => (
                Subtask::ConfigureLinuxBlock,
                TaskPhase::CuttingOver,
                "cutovering",
                "cutovering",
            ),
            Phase::Verifying => (
                Subtask::CheckConsistency,
                TaskPhase::CuttingOver,
                "cutovering",
                "cutovering",
            ),
        };
        let steps = SubtaskName::of_block_migration(self.syncing);
        for done in steps.iter().take_while(|step| **step != current) {
            self.percent(*done, 100, None);
        }
        {
            let mut state = self.lock();
            state.current = current;
            state.cycle = cycle;
        }
        self.percent(current, 0, None);
        self.outbox
            .put(Slot::CopyState, Report::CopyState(copy_state(state, cycle)));
        self.store.update_or_warn(|state| {
            if let Some(task) = state.task.as_mut().filter(|task| task.id == self.task_id) {
                task.phase = task_phase;
            }
        });
    }

    /// A subtask has got so far; 100 is said when the next one begins, not by a rounding.
    fn percent(&self, subtask: SubtaskName, percent: u32, progress: Option<(&Progress, Usage)>) {
        let (in_force, speed) = {
            let state = self.lock();
            (state.in_force.clone(), state.speed)
        };
        self.tell(subtask, |body| {
            body.progress = body.progress.max(Some(percent));
            body.process_trace = None;
            if let Some((progress, usage)) = progress {
                figures::tell(progress, &in_force, speed, body);
                usage.tell(body);
            }
        });
    }

    fn tell(&self, subtask: SubtaskName, change: impl FnOnce(&mut UpdateTaskSpeedReq)) {
        let steps = SubtaskName::of_block_migration(self.syncing);
        // The final round of a task without continuous synchronisation has no sync subtask.
        let Some(step) = steps.iter().position(|name| *name == subtask) else {
            return;
        };
        let body = {
            let mut state = self.lock();
            let body = state
                .reported
                .entry(step)
                .or_insert_with(|| UpdateTaskSpeedReq {
                    subtask_name: Some(subtask.as_str().into()),
                    progress: Some(0),
                    replicatesize: Some(0),
                    totalsize: Some(0),
                    ..UpdateTaskSpeedReq::default()
                });
            // A speed belongs to the limit that held when it was measured, and the time says which.
            body.migrate_speed = None;
            change(body);
            let agent_time = jiff::ZonedDateTime::now()
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string();
            UpdateTaskSpeedReq {
                agent_time: Some(agent_time),
                process_trace: Some(body.process_trace.clone().unwrap_or_default()),
                ..body.clone()
            }
        };
        let slot = Slot::Progress {
            task_id: self.task_id.clone(),
            step,
        };
        self.outbox.put(slot, Report::Progress(Box::new(body)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Translator {
    fn event(&self, event: &Event) {
        match event {
            Event::SessionOpened { number } => {
                tracing::info!(session = number, "connected to the receiver");
                self.percent(SubtaskName::SslConfig, 100, None);
                self.percent(SubtaskName::FormatDiskLinuxBlock, 100, None);
                self.trace("");
            }
            Event::LinkLost { reason } => {
                tracing::warn!(reason, "the link to the receiver broke; opening it again");
                self.trace(&format!("the link to the receiver broke: {reason}"));
            }
            Event::Mapped { volumes } => {
                for volume in volumes {
                    let (name, used_bytes) = (&volume.name, volume.used_bytes);
                    tracing::info!(name, used_bytes, whole = ?volume.notes, "what is copied of a disk");
                }
            }
            Event::TrackingLost { volume, reason } => {
                tracing::warn!(
                    volume,
                    reason,
                    "the marks of changed blocks cannot be relied on; comparing everything"
                );
                self.trace(&format!(
                    "{volume}: changed blocks are not tracked ({reason}); rounds compare everything"
                ));
            }
            Event::PhaseBegan(Phase::Audit) => {
                tracing::info!("checking the marks of changed blocks against the disks");
                self.trace("checking the marks of changed blocks against the disks");
            }
            Event::PhaseBegan(Phase::Survey) => {
                tracing::info!(
                    "the target looks at what its disks hold, since it may have been started"
                );
                self.trace(
                    "the target looks at what its disks hold, since it may have been started",
                );
            }
            Event::PhaseBegan(Phase::PointRound) => {
                self.lock().is_source_held = true;
                tracing::info!("holding the source for a rehearsal point");
                self.trace("holding the source for a rehearsal point");
            }
            // They belong to no subtask, and the percentage of the one at hand is not that of the check.
            Event::Progress(Progress {
                phase: Phase::Audit | Phase::Survey | Phase::PointRound,
                ..
            }) => {}
            Event::PhaseBegan(phase) => {
                self.lock().is_source_held = *phase == Phase::FinalRound;
                tracing::info!(?phase, "begins");
                self.phase_began(*phase);
            }
            Event::Progress(progress) => {
                let (subtask, usage) = {
                    let mut state = self.lock();
                    (state.current, state.meter.read())
                };
                self.percent(subtask, percentage(progress), Some((progress, usage)));
            }
            Event::RoundDone {
                round,
                wire_bytes,
                seconds,
                sessions,
                volumes,
                forecast,
            } => {
                tracing::info!(round, wire_bytes, seconds, ?forecast, "a round is through");
                let foreseen = figures::foreseen(forecast);
                self.trace(&format!(
                    "round {round} is through: {wire_bytes} bytes sent in {seconds:.1} s{foreseen}"
                ));
                let mut figures = report(&self.task_id, *sessions, volumes);
                figures.forecast = Some(figures::forecast(forecast));
                let slot = Slot::Figures {
                    task_id: self.task_id.clone(),
                };
                self.outbox.put(slot, Report::Figures(figures));
            }
            Event::NotConverging {
                bytes_per_second,
                needed_bytes_per_second,
            } => {
                tracing::warn!(
                    bytes_per_second,
                    needed_bytes_per_second,
                    "NOT_CONVERGING: rounds do not shrink"
                );
            }
            Event::Thawed { downtime_seconds } => {
                self.lock().is_source_held = false;
                tracing::info!(downtime_seconds, "the source works again");
            }
            Event::PointKept {
                point,
                held_seconds,
            } => {
                self.lock().is_source_held = false;
                tracing::info!(point, held_seconds, "the target holds a rehearsal point");
                self.trace(&format!(
                    "the target holds the point {point}; the source was held for {held_seconds:.1} s"
                ));
            }
            Event::PointFailed { point, reason } => {
                self.lock().is_source_held = false;
                tracing::warn!(point, reason, "the target holds no rehearsal point");
                self.trace(&format!("the point {point} is not held: {reason}"));
            }
        }
    }
}

fn copy_state(state: &str, cycle: &str) -> PutCopyStateReq {
    PutCopyStateReq {
        copystate: Some(state.into()),
        migrationcycle: Some(cycle.into()),
    }
}

#[cfg(test)]
mod tests {
    use rehost_replication::source::{Forecast, VolumeFigures};

    use super::*;
    use crate::quiet::QuietTime;

    struct Told {
        translator: Translator,
        outbox: Arc<Outbox>,
        _state: tempfile::TempDir,
    }

    fn translator(syncing: bool) -> Told {
        let state = tempfile::tempdir().unwrap();
        let store = Arc::new(StateStore::open(state.path(), QuietTime::default()).unwrap());
        let outbox = Arc::new(Outbox::default());
        let translator = Translator::new("t", syncing, outbox.clone(), store);
        Told {
            translator,
            outbox,
            _state: state,
        }
    }

    impl Told {
        fn events(&self, events: &[Event]) {
            events.iter().for_each(|event| self.translator.event(event));
        }

        /// `NAME-percent` of every subtask, then the state of the source server.
        fn told(&self) -> Vec<String> {
            let text = |report| match report {
                Report::Progress(body) => {
                    format!("{}-{}", body.subtask_name.unwrap(), body.progress.unwrap())
                }
                Report::CopyPlan(_) => "copy plan".into(),
                Report::Figures(body) => format!("round {}", body.volumes[0].rounds),
                Report::CopyState(body) => {
                    format!(
                        "{}/{}",
                        body.copystate.unwrap(),
                        body.migrationcycle.unwrap()
                    )
                }
            };
            self.outbox
                .waiting()
                .into_iter()
                .map(|waiting| text(waiting.report))
                .collect()
        }
    }

    fn progress(phase: Phase, done_bytes: u64) -> Event {
        Event::Progress(Progress {
            phase,
            done_bytes,
            total_bytes: 1000,
            wire_bytes: 0,
            bytes_per_second: 1e6,
        })
    }

    #[test]
    fn a_copy_is_told_by_its_subtasks_and_never_goes_back() {
        let told = translator(false);
        told.translator.certified();
        let copy = Phase::FullCopy;
        told.events(&[
            Event::SessionOpened { number: 1 },
            Event::PhaseBegan(copy),
            progress(copy, 500),
            Event::LinkLost {
                reason: "cut".into(),
            },
            Event::SessionOpened { number: 2 },
            Event::PhaseBegan(copy),
            progress(copy, 100),
        ]);
        assert_eq!(
            told.told(),
            [
                "SSL_CONFIG-100",
                "FORMAT_DISK_LINUX_BLOCK-100",
                "MIGRATE_LINUX_BLOCK-50",
                "replicate/replicating"
            ]
        );
        told.events(&[progress(copy, 1000)]);
        assert_eq!(told.told()[2], "MIGRATE_LINUX_BLOCK-99");
        told.events(&[
            Event::PhaseBegan(Phase::FinalRound),
            Event::PhaseBegan(Phase::Verifying),
        ]);
        assert_eq!(
            told.told()[2..],
            [
                "MIGRATE_LINUX_BLOCK-100",
                "CONFIGURE_LINUX_BLOCK-100",
                "CHECK_CONSISTENCY-0",
                "cutovering/cutovering"
            ]
        );
        let (last, state) = told.translator.finished();
        assert!(last.iter().all(|body| body.progress == Some(100)) && last.len() == 5);
        assert_eq!(state.copystate.as_deref(), Some("finished"));
    }

    #[test]
    fn a_check_that_was_skipped_is_over_and_named() {
        let told = translator(true);
        told.events(&[Event::PhaseBegan(Phase::Verifying)]);
        let (last, state) = told.translator.finished_unchecked();
        let traces = last.iter().filter_map(|body| body.process_trace.as_deref());
        assert_eq!(
            traces.collect::<Vec<_>>(),
            ["skipped by an operator: nothing is proved"]
        );
        assert!(last.iter().all(|body| body.progress == Some(100)));
        assert_eq!(state.copystate.as_deref(), Some("finished"));
    }

    #[test]
    fn a_failure_is_told_in_the_cycle_in_which_it_happened() {
        let told = translator(true);
        told.events(&[
            Event::PhaseBegan(Phase::FullCopy),
            Event::PhaseBegan(Phase::Sync { round: 2 }),
        ]);
        assert_eq!(
            told.told()[2..],
            [
                "MIGRATE_LINUX_BLOCK-100",
                "SYNC_LINUX_BLOCK-0",
                "syncing/syncing"
            ]
        );
        let (last, state) = told.translator.failed(&"x".repeat(5000));
        let trace = last.last().unwrap().process_trace.as_ref().unwrap();
        assert_eq!(*trace, shortened(&"x".repeat(5000)));
        assert_eq!(state, copy_state("error", "syncing"));
    }

    #[test]
    fn the_source_is_held_from_the_freeze_to_the_thaw_in_point_rounds_too() {
        let told = translator(true);
        let thawed = Event::Thawed {
            downtime_seconds: 0.1,
        };
        let kept = Event::PointKept {
            point: "p".into(),
            held_seconds: 0.1,
        };
        let failed = Event::PointFailed {
            point: "p".into(),
            reason: "restless".into(),
        };
        for (phase, end) in [
            (Phase::PointRound, kept),
            (Phase::PointRound, failed),
            (Phase::FinalRound, thawed),
        ] {
            told.events(&[Event::PhaseBegan(phase)]);
            assert!(told.translator.is_source_held(), "{phase:?}");
            told.events(&[end]);
            assert!(!told.translator.is_source_held(), "{phase:?}");
        }
    }

    #[test]
    fn what_a_round_cost_is_told_when_it_is_through() {
        let told = translator(true);
        for rounds in [1, 2] {
            let volumes = vec![VolumeFigures {
                rounds,
                ..VolumeFigures::default()
            }];
            let (wire_bytes, seconds, sessions) = (0, 0.5, 1);
            told.events(&[Event::RoundDone {
                round: rounds,
                wire_bytes,
                seconds,
                sessions,
                volumes,
                forecast: Forecast {
                    cutover_seconds: Some(2.0),
                    ..Forecast::default()
                },
            }]);
        }
        assert_eq!(told.told(), ["SSL_CONFIG-0", "round 2"]);
        let Report::Progress(body) = told.outbox.waiting().remove(0).report else {
            panic!("progress comes first")
        };
        assert!(body.agent_time.is_some());
        assert_eq!(
            body.process_trace.unwrap(),
            "round 2 is through: 0 bytes sent in 0.5 s; a cut-over now would take about 2 s"
        );
    }

    #[test]
    fn progress_comes_with_words_and_use_and_leaves_no_words_behind() {
        let told = translator(true);
        let phase = Phase::Sync { round: 2 };
        told.events(&[Event::PhaseBegan(phase), progress(phase, 500)]);
        let (last, _) = told.translator.failed("broken");
        let body = last.last().unwrap();
        assert_eq!(body.progress, Some(50));
        assert_eq!(body.process_trace.as_deref(), Some("broken"));
        assert_eq!(body.migrate_speed, None, "what is not measured is left out");
        assert!(
            body.agent_mem_usage
                .is_some_and(|megabytes| megabytes > 0.0)
        );
        told.events(&[progress(phase, 600)]);
        let waiting = told.outbox.waiting().into_iter();
        let round = waiting.map(|waiting| waiting.report).find_map(|report| {
            let Report::Progress(body) = report else {
                return None;
            };
            (body.progress == Some(60)).then_some(body)
        });
        assert_eq!(
            round.unwrap().process_trace.as_deref(),
            Some("round 2: 600 of 1000 bytes read, 0 bytes sent")
        );
        // What is through needs no words; a later failure must not be taken for them.
        told.events(&[Event::PhaseBegan(Phase::FinalRound)]);
        let (last, _) = told.translator.failed("broken again");
        let mut traces = last.iter().rev().map(|body| body.process_trace.as_deref());
        assert_eq!(traces.next(), Some(Some("broken again")));
        assert!(traces.all(|trace| trace.is_none()));
    }
}
