//! Keeps asking what the control plane wants of a task, and steers the replication by the answer.
//!
//! Commands in the mailbox only say "look"; what to do is in the assignment. So a lost command, a
//! restart or a control plane that was away for a while lead to the same result, a little later.

use std::error::Error;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rehost_replication::source::Control;
use rehost_sms_api::bodies::SpeedLimitlJson;
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::rehost::{SourceAssignment, WantedPhase};

use super::speed_limit::bytes_per_second;
use crate::care::Settings;
use crate::quiet::QuietTime;

/// How often the assignment is read: a cut-over begins at most this much later.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often the speed limits are read.
const LIMITS_INTERVAL: Duration = Duration::from_secs(30);

/// What is known of a task's assignment.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Nothing yet: the control plane has not answered.
    Nothing,
    /// This.
    Assignment(Box<SourceAssignment>),
    /// There is no such task any more.
    TaskGone,
}

#[derive(Debug)]
struct State {
    known: Known,
    /// Counts answers, so that somebody can wait for a newer one.
    answers: u64,
    ended: bool,
    hurry: bool,
}

/// Watches one task.
#[derive(Debug)]
pub(crate) struct Watch {
    task_id: String,
    control: Control,
    limits: Mutex<Limits>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Watch {
    pub(crate) fn new(task_id: &str, control: Control) -> Self {
        let state = State {
            known: Known::Nothing,
            answers: 0,
            ended: false,
            hurry: false,
        };
        Self {
            task_id: task_id.into(),
            control,
            limits: Mutex::default(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Asks until [`Watch::end`]. Runs in a thread of its own.
    pub(crate) fn run(&self, client: &Client, quiet_time: &QuietTime) {
        let mut silent = false;
        while !self.lock().ended {
            // First, because a copy may begin as soon as it is known that it should.
            self.refresh_limits(client);
            match client.source_assignment(&self.task_id) {
                Ok(assignment) => {
                    silent = false;
                    self.learn(Known::Assignment(assignment.into()));
                }
                Err(error) if error.status() == Some(404) => self.learn(Known::TaskGone),
                Err(error) => {
                    if !silent {
                        let _permit = quiet_time.permit();
                        let error = &error as &dyn Error;
                        tracing::warn!(
                            error,
                            "the task's assignment cannot be read; going on as before"
                        );
                    }
                    silent = true;
                }
            }
            self.pause();
        }
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for limits that are old by now, without keeping anybody from those that are known.
    fn refresh_limits(&self, client: &Client) {
        let mut limits = self.limits().clone();
        limits.refresh(client, &self.task_id);
        *self.limits() = limits;
        self.apply_limit();
    }

    /// Has the replication keep to the limit of this moment, in bytes per second, and returns it.
    pub(crate) fn apply_limit(&self) -> Option<u64> {
        let limit = self.limits().now();
        self.control.set_rate_limit_bytes_per_second(limit);
        limit
    }

    /// The windows of the speed limit.
    pub(crate) fn windows(&self) -> Vec<SpeedLimitlJson> {
        self.limits().windows.clone()
    }

    /// The settings of the task as last read.
    pub(crate) fn settings(&self) -> Settings {
        self.limits().settings.clone()
    }

    /// Somebody else has read the settings.
    pub(crate) fn learn_settings(&self, settings: Settings) {
        self.limits().settings = settings;
    }

    /// Takes an answer, and steers the replication by it.
    fn learn(&self, known: Known) {
        match &known {
            Known::Assignment(assignment) => match assignment.phase {
                WantedPhase::Rest => self.control.request_stop(),
                WantedPhase::Cutover => self.control.request_cutover(),
                WantedPhase::Replicate => {}
            },
            Known::TaskGone => self.control.request_stop(),
            Known::Nothing => {}
        }
        let mut state = self.lock();
        state.known = known;
        state.answers += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// What is known now, and the number of answers so far.
    pub(crate) fn known(&self) -> (Known, u64) {
        let state = self.lock();
        (state.known.clone(), state.answers)
    }

    /// Waits for an answer after the first `answers`, at most `patience`.
    pub(crate) fn wait_for_answer(&self, answers: u64, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        while state.answers <= answers
            && !state.ended
            && let Some(left) = deadline.checked_duration_since(Instant::now())
        {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Asks at once: there is a command, or the link was lost.
    pub(crate) fn hurry(&self) {
        self.lock().hurry = true;
        self.changed.notify_all();
    }

    /// Ends the watch, and every wait for it.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn pause(&self) {
        let deadline = Instant::now() + INTERVAL;
        let mut state = self.lock();
        while !state.hurry
            && !state.ended
            && let Some(left) = deadline.checked_duration_since(Instant::now())
        {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.hurry = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The speed limits and settings as last read.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    read_at: Option<Instant>,
    windows: Vec<SpeedLimitlJson>,
    task_mbit_per_second: u32,
    settings: Settings,
}

impl Limits {
    /// Reads the limits if they are old. Those known stay in force while nobody answers.
    pub(super) fn refresh(&mut self, client: &Client, task_id: &str) {
        if self
            .read_at
            .is_some_and(|read_at| read_at.elapsed() < LIMITS_INTERVAL)
        {
            return;
        }
        let read = || -> Result<_, ClientError> {
            let windows = client.shows_speed_limits(task_id)?.speed_limit;
            let own = client.show_task(task_id)?.speed_limit;
            let settings = client.show_config_setting(task_id, None)?.configurations;
            Ok((windows, own.unwrap_or(0), Settings::read(&settings)))
        };
        if let Ok((windows, own, settings)) = read() {
            self.settings = settings;
            self.windows = windows;
            self.task_mbit_per_second = own;
            self.read_at = Some(Instant::now());
        }
    }

    /// The limit at this time, in bytes per second.
    pub(super) fn now(&self) -> Option<u64> {
        let time = jiff::ZonedDateTime::now().time();
        bytes_per_second(&self.windows, self.task_mbit_per_second, time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(phase: WantedPhase) -> Known {
        Known::Assignment(Box::new(SourceAssignment {
            task_id: "t".into(),
            phase,
            syncing: true,
            data_path: None,
            target_message: String::new(),
            network_check: false,
            point: None,
            volumes: Vec::new(),
        }))
    }

    #[test]
    fn whoever_waits_for_a_newer_answer_gets_it() {
        let watch = Watch::new("t", Control::new());
        let (known, answers) = watch.known();
        assert!(matches!(known, Known::Nothing));
        watch.wait_for_answer(answers, Duration::ZERO);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                watch.wait_for_answer(answers, Duration::from_secs(3600));
                watch.known()
            });
            watch.learn(assignment(WantedPhase::Replicate));
            let (known, answers) = waiting.join().unwrap();
            assert!(matches!(known, Known::Assignment(_)) && answers == 1);
        });
        watch.end();
        watch.wait_for_answer(1, Duration::from_secs(3600));
    }
}
