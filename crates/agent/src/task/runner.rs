//! Has one task at most: starts it, lets it rest, goes on with it after a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rehost_log_files::LogSink;
use rehost_replication::source::Compression;
use rehost_sms_api::client::Client;

use super::run::{End, TaskRun};
use super::tracking;
use crate::copy_plan::{self, Marked};
use crate::hooks::Hooks;
use crate::inventory::Disk;
use crate::options::{CareOptions, Changes, CopyScope};
use crate::quiet::QuietTime;
use crate::reports::{Outbox, Report, Slot};
use crate::state::{CurrentTask, StateStore, TaskPhase};

/// How long a task may take to come to rest. It is prompt, unless it hangs in a call to a control
/// plane that does not answer; then nothing is at work that would have to be waited for.
const REST_PATIENCE: Duration = Duration::from_secs(70);

/// What the parts of an agent have in common.
pub(crate) struct Shared {
    pub client: Client,
    pub store: Arc<StateStore>,
    pub outbox: Arc<Outbox>,
    pub quiet_time: QuietTime,
    /// What this process keeps of its log.
    pub logs: LogSink,
    pub streams: u32,
    /// What of the disks is copied.
    pub copy: CopyScope,
    /// How changes of the disks are found.
    pub changes: Changes,
    /// Pause between two sync rounds.
    pub sync_interval: Duration,
    /// What is called around the freeze.
    pub hooks: Hooks,
    /// How chunks are packed.
    pub compression: Compression,
    /// What a copy may take of this machine.
    pub care: CareOptions,
    pub disks: Mutex<Vec<Disk>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The disks of the newest inventory.
    pub(crate) fn disks(&self) -> Vec<Disk> {
        self.disks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells the control plane how the disks will be copied; see [`copy_plan::make`].
    pub(crate) fn tell_copy_plan(&self, begun: &BTreeMap<String, Marked>) {
        let plan = copy_plan::make(&self.disks(), self.changes, &self.hooks, begun);
        self.outbox.put(Slot::CopyPlan, Report::CopyPlan(plan));
    }

    /// There is a newer inventory.
    pub(crate) fn set_disks(&self, disks: Vec<Disk>) {
        *self.disks.lock().unwrap_or_else(PoisonError::into_inner) = disks;
    }
}

struct Running {
    run: Arc<TaskRun>,
    /// Closed when the task's thread is through.
    over: Receiver<()>,
}

/// Another task is at work.
#[derive(Debug, thiserror::Error)]
#[error("this agent works on the task {at_work}; stop that one first")]
pub(crate) struct Busy {
    at_work: String,
}

/// The task is not at work, so nothing of it can be skipped.
#[derive(Debug, thiserror::Error)]
#[error("this agent does not work on the task {task_id} now; there is nothing to skip")]
pub(crate) struct NotAtWork {
    task_id: String,
}

/// Runs tasks, one at a time.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

impl Runner {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            running: Mutex::new(None),
        }
    }

    /// Goes on with the task at which an earlier process was.
    pub(crate) fn resume(&self) {
        if let Some(task) = self.shared.store.get().task {
            tracing::info!(task_id = task.id, phase = ?task.phase, "going on with the task");
            *self.lock() = Some(self.spawn(&task.id));
        }
    }

    /// Takes a task up; if it is at work already, has it look at its assignment.
    ///
    /// # Errors
    /// [`Busy`] if another one is at work.
    pub(crate) fn start(&self, task_id: &str) -> Result<(), Busy> {
        let mut running = self.lock();
        if let Some(running) = running.as_ref().filter(|running| running.is_at_work()) {
            let at_work = &running.run.task_id;
            if at_work != task_id {
                return Err(Busy {
                    at_work: at_work.clone(),
                });
            }
            running.run.started_again.store(true, Ordering::Relaxed);
            running.run.watch.hurry();
            return Ok(());
        }
        let state = self.shared.store.get();
        if state.owed.iter().any(|end| end.task_id == task_id) {
            // The control plane wants a task to run whose end it does not know yet. It will.
            self.shared.outbox.nudge();
            return Ok(());
        }
        let task = CurrentTask {
            id: task_id.into(),
            phase: TaskPhase::Preparing,
            skips_check: false,
        };
        self.shared
            .store
            .update_or_warn(|state| state.task = Some(task));
        *running = Some(self.spawn(task_id));
        Ok(())
    }

    /// Takes a task up again that came to an end just when a START arrived for it. Harmless if it
    /// did not: the assignment says what is to be done.
    pub(crate) fn revive(&self) {
        let ended = self.lock().take_if(|running| !running.is_at_work());
        if let Some(running) = ended.filter(|ended| ended.run.started_again.load(Ordering::Relaxed))
            && let Err(error) = self.start(&running.run.task_id)
        {
            tracing::warn!(%error, "a task cannot be taken up again");
        }
    }

    /// Lets the task rest, if it is at work; a START takes it up again.
    pub(crate) fn rest(&self, task_id: &str) {
        let mut running = self.lock();
        if let Some(running) = running.take_if(|running| running.run.task_id == task_id) {
            running.stop_and_wait();
        }
        // What it was doing is not true any more.
        self.shared.outbox.forget_task(task_id);
        self.shared.store.update_or_warn(|state| {
            state.task.take_if(|task| task.id == task_id);
        });
    }

    /// Has the task at work end without its consistency check, also after a restart of the agent.
    ///
    /// # Errors
    /// [`NotAtWork`] if that task is not at work.
    pub(crate) fn skip_check(&self, task_id: &str) -> Result<(), NotAtWork> {
        let running = self.lock();
        let running = running
            .as_ref()
            .filter(|running| running.run.task_id == task_id && running.is_at_work());
        let running = running.ok_or_else(|| NotAtWork {
            task_id: task_id.into(),
        })?;
        self.shared.store.update_or_warn(|state| {
            if let Some(task) = state.task.as_mut().filter(|task| task.id == task_id) {
                task.skips_check = true;
            }
        });
        running.run.control.skip_check();
        Ok(())
    }

    /// Has the source held for a moment, and the target keep what it has then. Returns when it does.
    ///
    /// # Errors
    /// Why it does not: the task is not at work, nobody wants a point any more, the source could not
    /// be held. The copy goes on as before.
    pub(crate) fn keep_point(&self, task_id: &str) -> Result<(), String> {
        let run = {
            let running = self.lock();
            let at_work = running
                .as_ref()
                .filter(|running| running.run.task_id == task_id && running.is_at_work());
            at_work.map(|running| running.run.clone())
        };
        // Not under the lock: whoever stops the task meanwhile must not wait for this.
        let run =
            run.ok_or_else(|| format!("this agent does not work on the task {task_id} now"))?;
        run.keep_point()
    }

    /// Lets the task rest for good, and removes what was kept of it here.
    pub(crate) fn delete(&self, task_id: &str) {
        self.rest(task_id);
        tracking::forget(task_id);
        remove_ledgers(&self.shared, task_id);
    }

    /// Stops whatever is at work; the next process goes on with it.
    pub(crate) fn shut_down(&self) {
        if let Some(running) = self.lock().take() {
            running.stop_and_wait();
        }
    }

    fn spawn(&self, task_id: &str) -> Running {
        let run = Arc::new(TaskRun::new(task_id, self.shared.clone()));
        if self
            .shared
            .store
            .get()
            .task
            .is_some_and(|task| task.skips_check)
        {
            run.control.skip_check();
        }
        let (is_at_work, over) = channel();
        let (shared, lived) = (self.shared.clone(), run.clone());
        thread::spawn(move || {
            settle(&shared, &lived.task_id, lived.live());
            drop(is_at_work);
        });
        Running { run, over }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn is_at_work(&self) -> bool {
        use std::sync::mpsc::TryRecvError;
        self.over.try_recv() != Err(TryRecvError::Disconnected)
    }

    fn stop_and_wait(&self) {
        self.run.request_stop();
        // Nothing is ever sent: it ends when the task does, or when patience does.
        let _ = self.over.recv_timeout(REST_PATIENCE);
    }
}

/// What the end of a task means for the agent's state.
fn settle(shared: &Shared, task_id: &str, end: End) {
    let leave = |state: &mut crate::state::AgentState| {
        state.task.take_if(|task| task.id == task_id);
    };
    match end {
        End::Interrupted => {}
        End::Rested => {
            tracing::info!(task_id, "the task rests");
            shared.outbox.forget_task(task_id);
            shared.store.update_or_warn(leave);
        }
        End::Gone => {
            tracing::info!(task_id, "the task was deleted");
            shared.outbox.forget_task(task_id);
            shared.store.update_or_warn(leave);
            tracking::forget(task_id);
            remove_ledgers(shared, task_id);
        }
        End::Over(owed) => {
            tracing::info!(
                task_id,
                state = owed.copy_state.copystate,
                "the task is over"
            );
            tracking::forget(task_id);
            // The end says all there is to say; an older report must not come after it.
            shared.outbox.forget_task(task_id);
            shared.store.update_or_warn(|state| {
                leave(state);
                state.owed.push(*owed);
            });
            shared.outbox.nudge();
        }
    }
}

fn remove_ledgers(shared: &Shared, task_id: &str) {
    let _permit = shared.quiet_time.permit();
    let directory = shared.store.task_dir(task_id);
    if let Err(error) = std::fs::remove_dir_all(&directory)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %directory.display(), "ledgers are left behind");
    }
}
