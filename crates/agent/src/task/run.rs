//! The life of a task, in a thread of its own.
//!
//! ```text
//!   wait for the target --> certificates, disks --> replicate --> finished
//!          ^                                          |   |
//!          +------------- link lost, wait ------------+   +--> failed
//! ```
//!
//! A rest (paused, deleted, the agent ends) is possible everywhere, and everything can be begun
//! again: what has arrived is not sent again.

use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rehost_replication::source::{
    Control, LinkProbe, Outcome, Packing, Peer, ReplicationJob, SourceError, error_chain, run,
};
use rehost_sms_api::bodies::{PutCopyStateReq, UpdateTaskSpeedReq};
use rehost_sms_api::client::ClientError;
use rehost_sms_api::rehost::{DataPath, SourceAssignment, WantedPhase};

use super::network_check;
use super::outcome::{difference, owed_end, unchecked_end};
use super::points::{Points, PointsHeard};
use super::prepare::{clamp_streams, open_volumes, peer, task_settings, task_tls};
use super::runner::Shared;
use super::tracking;
use super::translate::Translator;
use super::usage::agent_memory_bytes;
use super::watch::{Known, Watch};
use crate::backoff::{Backoff, Stop};
use crate::care::{Keeper, Kept};
use crate::freeze::{GuardCommand, GuardedFreezer};
use crate::options::Changes;
use crate::state::OwedEnd;

/// Pauses while the control plane cannot be asked.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long to wait for a newer assignment after the link was lost: the receiver may have moved.
const ASSIGNMENT_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait after the receiver asked for patience, such as for room on its disk.
const WAIT_PAUSE: Duration = Duration::from_secs(15);
/// An answer is waited for as long as it takes; waits end with the watch.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// How the life of a task in this process ended.
#[derive(Debug)]
pub(crate) enum End {
    /// This process ends; the next one goes on.
    Interrupted,
    /// The control plane wants it to rest.
    Rested,
    /// There is no such task any more.
    Gone,
    /// It is over, well or not; this is to be told.
    Over(Box<OwedEnd>),
}

/// A task in this process.
#[derive(Debug)]
pub(crate) struct TaskRun {
    pub task_id: String,
    pub shared: Arc<Shared>,
    pub control: Control,
    pub watch: Arc<Watch>,
    /// Only asks this task to rest, not the whole agent.
    pub stop: Stop,
    /// A START came while it was at work; it may have been too late for it.
    pub started_again: AtomicBool,
    points: Points,
}

impl TaskRun {
    pub(crate) fn new(task_id: &str, shared: Arc<Shared>) -> Self {
        let control = Control::new();
        let watch = Arc::new(Watch::new(task_id, control.clone()));
        Self {
            task_id: task_id.into(),
            shared,
            control,
            watch,
            stop: Stop::default(),
            started_again: AtomicBool::new(false),
            points: Points::default(),
        }
    }

    /// Asks the task to rest, whatever it is doing.
    pub(crate) fn request_stop(&self) {
        self.stop.request();
        self.control.request_stop();
        self.watch.end();
    }

    /// Has the target keep a point, as the assignment names it, and waits until it does.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn keep_point(&self) -> Result<(), String> {
        let (_, answers) = self.watch.known();
        self.watch.hurry();
        self.watch.wait_for_answer(answers, ASSIGNMENT_PATIENCE);
        let point = match self.watch.known().0 {
            Known::Assignment(assignment) => assignment.point,
            Known::TaskGone | Known::Nothing => None,
        };
        let point = point.ok_or("no rehearsal of this task is wanted any more")?;
        self.control.request_point(&point);
        self.points.wait(&point)
    }

    /// Lives until the task is over or has to rest.
    pub(crate) fn live(&self) -> End {
        let watching = {
            let (watch, shared) = (self.watch.clone(), self.shared.clone());
            move || watch.run(&shared.client, &shared.quiet_time)
        };
        // It may hang in a call for a while when the task ends; nobody waits for it.
        std::thread::spawn(watching);
        let lived = catch_unwind(AssertUnwindSafe(|| self.replicate()));
        self.watch.end();
        self.points.end();
        match lived {
            Ok(end) => end,
            Err(_) => self.failed(
                None,
                &anyhow::anyhow!("the agent has an error; see its log"),
            ),
        }
    }

    fn replicate(&self) -> End {
        let assignment = match self.wait_for(|_| true) {
            Ok(assignment) => assignment,
            Err(end) => return end,
        };
        let translator = Arc::new(Translator::new(
            &self.task_id,
            assignment.syncing,
            self.shared.outbox.clone(),
            self.shared.store.clone(),
        ));
        match self.try_replicate(&assignment, &translator) {
            Ok(end) => end,
            Err(error) => self.failed(Some(translator.as_ref()), &error),
        }
    }

    fn try_replicate(
        &self,
        assignment: &SourceAssignment,
        translator: &Arc<Translator>,
    ) -> anyhow::Result<End> {
        let shared = &self.shared;
        let disks = shared.disks();
        let (mut volumes, paths) = open_volumes(&assignment.volumes, &disks)?;
        let begun = if shared.changes == Changes::Compare {
            BTreeMap::new()
        } else {
            tracking::track(&self.task_id, &mut volumes, &paths)
        };
        shared.tell_copy_plan(&begun);
        let mut freezer = GuardedFreezer::new(paths.clone(), GuardCommand::of_this_executable())
            .with_quiet_time(shared.quiet_time.clone())
            .with_hooks(shared.hooks.clone());
        let asked = self.ask(|| {
            let settings = task_settings(&shared.client, &self.task_id)?;
            Ok((task_tls(&shared.client, &self.task_id)?, settings))
        })?;
        let Some((tls, settings)) = asked else {
            return Ok(End::Interrupted);
        };
        translator.certified();
        let in_force = settings.over(&shared.care);
        let wanted = clamp_streams(settings.streams().unwrap_or(shared.streams));
        let held_bytes = agent_memory_bytes().unwrap_or_default();
        let (streams, compression) = in_force.fitting(wanted, shared.compression, held_bytes);
        self.watch.learn_settings(settings);

        let mut job = ReplicationJob {
            task_id: self.task_id.clone(),
            volumes,
            used_blocks: shared.copy.used_blocks(),
            state_dir: shared.store.task_dir(&self.task_id),
            peer: Peer {
                address: String::new(),
                port: 0,
                server_name: String::new(),
            },
            tls,
            streams,
            syncing: assignment.syncing,
            sync_interval: shared.sync_interval,
            audits_marks: shared.changes == Changes::Track,
            packing: Arc::new(Packing::new(compression, in_force.compression_threads)),
        };
        tracing::info!(streams, ?compression, ?in_force, "what the copy may take");
        let _keeper = Keeper::begin(Kept {
            client: shared.client.clone(),
            task_id: self.task_id.clone(),
            control: self.control.clone(),
            watch: self.watch.clone(),
            translator: Arc::clone(translator),
            packing: Arc::clone(&job.packing),
            quiet_time: shared.quiet_time.clone(),
            options: shared.care,
            paths,
        });
        let mut checks_network = assignment.network_check;
        loop {
            job.peer = match self.wait_for_target(translator) {
                Ok(path) => peer(path),
                Err(end) => return Ok(end),
            };
            if std::mem::take(&mut checks_network) && !self.check_network(&job, translator)? {
                return Ok(self.why_stopped());
            }
            tracing::info!(task_id = self.task_id, peer = %job.peer, "replicating");
            let heard = PointsHeard {
                points: &self.points,
                observer: &**translator,
            };
            match run(&job, &self.control, &mut freezer, &heard) {
                Ok(Outcome::Finished(finished)) => {
                    let owed = owed_end(&finished, &job.state_dir)?;
                    let (progress, copy_state) = match difference(&finished.proof) {
                        Some(why) => translator.failed(&why),
                        None => translator.finished(),
                    };
                    return Ok(End::Over(Box::new(OwedEnd {
                        progress,
                        copy_state,
                        ..owed
                    })));
                }
                Ok(Outcome::Unchecked(unchecked)) => {
                    let (progress, copy_state) = translator.finished_unchecked();
                    return Ok(End::Over(Box::new(OwedEnd {
                        progress,
                        copy_state,
                        ..unchecked_end(&self.task_id, &unchecked)
                    })));
                }
                Ok(Outcome::Stopped) => return Ok(self.why_stopped()),
                Err(error) => self.overcome(error, translator)?,
            }
        }
    }

    /// Measures the link and reports it, whatever it is: people decide what to make of a slow one.
    /// False if the task has to rest.
    fn check_network(&self, job: &ReplicationJob, translator: &Translator) -> anyhow::Result<bool> {
        translator.trace("measuring the link to the target");
        let probe = LinkProbe {
            peer: job.peer.clone(),
            tls: job.tls.clone(),
            streams: job.streams,
        };
        let client = &self.shared.client;
        let found = network_check::measured(client, &self.task_id, Some(&probe), &self.control);
        if self.stop.is_requested() {
            return Ok(false);
        }
        tracing::info!(task_id = self.task_id, ?found, "the link is measured");
        let told = self.ask(|| Ok(client.update_network_check_info(&self.task_id, &found)?))?;
        translator.trace("");
        Ok(told.is_some())
    }

    /// Waits out what passes by itself.
    ///
    /// # Errors
    /// Everything else.
    fn overcome(&self, error: SourceError, translator: &Translator) -> anyhow::Result<()> {
        let text = error_chain(&error);
        if error.is_link() {
            tracing::warn!(error = text, "the receiver cannot be reached; trying on");
            translator.trace(&text);
            let (_, answers) = self.watch.known();
            self.watch.hurry();
            self.watch.wait_for_answer(answers, ASSIGNMENT_PATIENCE);
            Ok(())
        } else if error.is_wait() {
            tracing::warn!(
                error = text,
                "the receiver asks for patience; trying again later"
            );
            translator.trace(&text);
            self.stop.wait(WAIT_PAUSE);
            Ok(())
        } else {
            Err(error.into())
        }
    }

    /// Waits until the task is to be worked on and its assignment is good enough.
    fn wait_for(
        &self,
        is_enough: impl Fn(&SourceAssignment) -> bool,
    ) -> Result<Box<SourceAssignment>, End> {
        loop {
            if self.stop.is_requested() {
                return Err(End::Interrupted);
            }
            let (known, answers) = self.watch.known();
            match known {
                Known::TaskGone => return Err(End::Gone),
                Known::Assignment(assignment) if assignment.phase == WantedPhase::Rest => {
                    return Err(End::Rested);
                }
                Known::Assignment(assignment) if is_enough(&assignment) => return Ok(assignment),
                Known::Assignment(_) | Known::Nothing => {}
            }
            self.watch.wait_for_answer(answers, FOREVER);
        }
    }

    /// Waits until the target is ready, and shows people why it is not.
    fn wait_for_target(&self, translator: &Translator) -> Result<DataPath, End> {
        let assignment = self.wait_for(|assignment| {
            if assignment.data_path.is_none() && !assignment.target_message.is_empty() {
                translator.trace(&format!(
                    "waiting for the target: {}",
                    assignment.target_message
                ));
            }
            assignment.data_path.is_some()
        })?;
        // What is enough has a data path.
        assignment.data_path.ok_or(End::Rested)
    }

    fn why_stopped(&self) -> End {
        match self.watch.known().0 {
            _ if self.stop.is_requested() => End::Interrupted,
            Known::TaskGone => End::Gone,
            Known::Assignment(_) | Known::Nothing => End::Rested,
        }
    }

    /// Asks the control plane, again and again while it does not answer; `None` if the task has to
    /// rest before it does.
    ///
    /// # Errors
    /// If it answers, and refuses.
    fn ask<T>(&self, question: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            match question() {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if is_passing(&error) => {
                    let pause = backoff.pause();
                    let error: &dyn Error = error.as_ref();
                    tracing::warn!(error, ?pause, "the control plane does not answer");
                    if self.stop.wait(pause) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn failed(&self, translator: Option<&Translator>, error: &anyhow::Error) -> End {
        let text = error_chain(error.as_ref());
        tracing::error!(task_id = self.task_id, error = text, "the task failed");
        let (progress, copy_state) =
            translator.map_or_else(unknown_failure, |translator| translator.failed(&text));
        let task_id = self.task_id.clone();
        End::Over(Box::new(OwedEnd {
            task_id,
            progress,
            copy_state,
            ..OwedEnd::default()
        }))
    }
}

/// The end of a task that failed before anything of it was known.
fn unknown_failure() -> (Vec<UpdateTaskSpeedReq>, PutCopyStateReq) {
    let (state, cycle) = ("error".into(), "replicating".into());
    (
        Vec::new(),
        PutCopyStateReq {
            copystate: Some(state),
            migrationcycle: Some(cycle),
        },
    )
}

fn is_passing(error: &anyhow::Error) -> bool {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<ClientError>());
    cause.is_some_and(ClientError::is_temporary)
}
