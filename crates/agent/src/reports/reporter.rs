//! Delivers reports, as long as it takes.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rehost_sms_api::bodies::{
    PutCopyStateReq, SetConsistencyResultRequestBody, UpdateTaskSpeedReq,
};
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::rehost::{CopyPlan, MigrationReport};

use super::outbox::{Outbox, Report, Slot};
use crate::backoff::{Backoff, Stop};
use crate::quiet::QuietTime;
use crate::state::{OwedEnd, StateStore};

/// Progress is told once in this time; people do not read faster.
const INTERVAL: Duration = Duration::from_secs(1);
/// Pauses while the control plane cannot be told.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Where reports go. The control plane's client; tests script another one.
pub(crate) trait ControlPlane: Send + Sync {
    fn progress(&self, task_id: &str, body: &UpdateTaskSpeedReq) -> Result<(), ClientError>;
    fn copy_state(&self, source_id: &str, body: &PutCopyStateReq) -> Result<(), ClientError>;
    fn report(&self, task_id: &str, body: &MigrationReport) -> Result<(), ClientError>;
    fn copy_plan(&self, source_id: &str, body: &CopyPlan) -> Result<(), ClientError>;
    fn proof(&self, task_id: &str, file: File) -> Result<(), ClientError>;
    fn consistency(
        &self,
        task_id: &str,
        body: &SetConsistencyResultRequestBody,
    ) -> Result<(), ClientError>;
}

impl ControlPlane for Client {
    fn progress(&self, task_id: &str, body: &UpdateTaskSpeedReq) -> Result<(), ClientError> {
        self.update_task_speed(task_id, body)
    }

    fn copy_state(&self, source_id: &str, body: &PutCopyStateReq) -> Result<(), ClientError> {
        self.update_copy_state(source_id, body)
    }

    fn report(&self, task_id: &str, body: &MigrationReport) -> Result<(), ClientError> {
        self.put_report(task_id, body)
    }

    fn copy_plan(&self, source_id: &str, body: &CopyPlan) -> Result<(), ClientError> {
        self.put_copy_plan(source_id, body)
    }

    fn proof(&self, task_id: &str, file: File) -> Result<(), ClientError> {
        self.put_proof(task_id, &mut BufReader::new(file))
    }

    fn consistency(
        &self,
        task_id: &str,
        body: &SetConsistencyResultRequestBody,
    ) -> Result<(), ClientError> {
        self.update_consistency_result(task_id, body)
    }
}

/// Delivers what is in the outbox, and the ends that the state holds.
pub(crate) struct Reporter {
    pub control_plane: Box<dyn ControlPlane>,
    pub outbox: Arc<Outbox>,
    pub store: Arc<StateStore>,
    pub quiet_time: QuietTime,
    pub stop: Stop,
}

impl Reporter {
    /// Runs until a stop is asked for, and once more then.
    pub(crate) fn run(&self) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        while !self.stop.is_requested() {
            if self.store.get().owed.is_empty() {
                self.outbox.wait_for_work();
            }
            let pause = match self.deliver() {
                Ok(()) => {
                    backoff.reset();
                    INTERVAL
                }
                Err(error) => {
                    let pause = backoff.pause();
                    self.log(|| {
                        let error = &error as &dyn Error;
                        tracing::warn!(
                            error,
                            ?pause,
                            "the control plane cannot be told; the copy goes on"
                        );
                    });
                    pause
                }
            };
            self.outbox.wait_for_urgent(pause);
        }
        // The next start tells what this cannot.
        let _ = self.deliver();
    }

    /// Delivers everything that waits.
    ///
    /// # Errors
    /// The first failure that may pass; what is left is left for the next time.
    pub(crate) fn deliver(&self) -> Result<(), ClientError> {
        let source_id = self.store.get().source_id;
        for waiting in self.outbox.waiting() {
            let result = match (&waiting.slot, &waiting.report, &source_id) {
                (Slot::Progress { task_id, .. }, Report::Progress(body), _) => {
                    self.control_plane.progress(task_id, body)
                }
                (Slot::Figures { task_id }, Report::Figures(body), _) => {
                    self.control_plane.report(task_id, body)
                }
                (_, Report::CopyPlan(body), Some(source_id)) => {
                    self.control_plane.copy_plan(source_id, body)
                }
                (_, Report::CopyState(body), Some(source_id)) => {
                    self.control_plane.copy_state(source_id, body)
                }
                _ => Ok(()),
            };
            self.unless_passing("a report", result)?;
            self.outbox.settle(&waiting);
        }
        for end in self.store.get().owed {
            self.deliver_end(&end, source_id.as_deref())?;
            self.store
                .update_or_warn(|state| state.owed.retain(|owed| *owed != end));
        }
        Ok(())
    }

    /// Tells the end of a task, in an order in which the last thing told, the state, means that all
    /// the rest is there. Everything may be told twice.
    fn deliver_end(&self, end: &OwedEnd, source_id: Option<&str>) -> Result<(), ClientError> {
        let (to, task_id) = (&self.control_plane, &end.task_id);
        for body in &end.progress {
            // The contract demands words, be they none.
            let mut body = body.clone();
            body.process_trace.get_or_insert_default();
            self.unless_passing("progress", to.progress(task_id, &body))?;
        }
        if let Some(report) = &end.report {
            self.unless_passing("the report", to.report(task_id, report))?;
        }
        if let Some(file) = end
            .proof_file
            .as_deref()
            .and_then(|path| self.open_proof(path))
        {
            self.unless_passing("the proof", to.proof(task_id, file))?;
        }
        if let Some(body) = &end.consistency {
            self.unless_passing("the comparison", to.consistency(task_id, body))?;
        }
        if let Some(source_id) = source_id {
            self.unless_passing("the end", to.copy_state(source_id, &end.copy_state))?;
        }
        self.log(|| tracing::info!(task_id, "the control plane knows the end of the task"));
        Ok(())
    }

    /// A proof that is gone from the state directory cannot be told, and must not hold up the end.
    fn open_proof(&self, path: &Path) -> Option<File> {
        let opened = File::open(path);
        let warn = |error: &std::io::Error| {
            self.log(
                || tracing::error!(%error, path = %path.display(), "the proof cannot be read"),
            );
        };
        opened.inspect_err(warn).ok()
    }

    /// A refusal will be the same the next time and is only noted; what may pass is handed on.
    fn unless_passing(
        &self,
        what: &str,
        result: Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        match result {
            Err(error) if may_pass(&error) => Err(error),
            Err(error) => {
                self.log(|| {
                    let error = &error as &dyn Error;
                    tracing::warn!(error, "the control plane does not take {what}");
                });
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn log(&self, write: impl FnOnce()) {
        let _permit = self.quiet_time.permit();
        write();
    }
}

/// Whether the same report may be taken later: there was no answer, the control plane was in
/// trouble, or it did not know us (a clock that is wrong, an identity that is being restored).
fn may_pass(error: &ClientError) -> bool {
    error.is_temporary() || matches!(error.status(), Some(401 | 403))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Takes down what it is told, and answers what the script says, call by call; then success.
    #[derive(Clone, Default)]
    struct Scripted {
        told: Arc<Mutex<Vec<String>>>,
        answers: Arc<Mutex<Vec<Result<(), ClientError>>>>,
    }

    impl Scripted {
        fn answer(&self, told: String) -> Result<(), ClientError> {
            self.told.lock().unwrap().push(told);
            let mut answers = self.answers.lock().unwrap();
            if answers.is_empty() {
                Ok(())
            } else {
                answers.remove(0)
            }
        }

        fn told(&self) -> Vec<String> {
            std::mem::take(&mut self.told.lock().unwrap())
        }
    }

    impl ControlPlane for Scripted {
        fn progress(&self, task_id: &str, body: &UpdateTaskSpeedReq) -> Result<(), ClientError> {
            self.answer(format!("{task_id} {}", body.progress.unwrap()))
        }
        fn copy_state(&self, source_id: &str, body: &PutCopyStateReq) -> Result<(), ClientError> {
            self.answer(format!("{source_id} {}", body.copystate.as_ref().unwrap()))
        }
        fn report(&self, task_id: &str, _: &MigrationReport) -> Result<(), ClientError> {
            self.answer(format!("{task_id} report"))
        }
        fn copy_plan(&self, source_id: &str, _: &CopyPlan) -> Result<(), ClientError> {
            self.answer(format!("{source_id} copy plan"))
        }
        fn proof(&self, task_id: &str, _: File) -> Result<(), ClientError> {
            self.answer(format!("{task_id} proof"))
        }
        fn consistency(
            &self,
            task_id: &str,
            _: &SetConsistencyResultRequestBody,
        ) -> Result<(), ClientError> {
            self.answer(format!("{task_id} consistency"))
        }
    }

    fn no_answer() -> ClientError {
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
        ClientError::Transport {
            call: String::new(),
            endpoint: String::new(),
            source,
        }
    }

    fn refused(status: u16) -> ClientError {
        let (call, code, message) = (String::new(), "SMS.9001".into(), String::new());
        ClientError::Api {
            call,
            status,
            code,
            message,
            request_id: None,
        }
    }

    fn reporter(state_dir: &Path, answers: Vec<Result<(), ClientError>>) -> (Reporter, Scripted) {
        let scripted = Scripted {
            answers: Arc::new(Mutex::new(answers)),
            ..Scripted::default()
        };
        let store = Arc::new(StateStore::open(state_dir, QuietTime::default()).unwrap());
        let reporter = Reporter {
            control_plane: Box::new(scripted.clone()),
            outbox: Arc::default(),
            store,
            quiet_time: QuietTime::default(),
            stop: Stop::default(),
        };
        (reporter, scripted)
    }

    fn end(state_dir: &Path) -> OwedEnd {
        let proof_file = state_dir.join("proof.json");
        std::fs::write(&proof_file, "{}").unwrap();
        OwedEnd {
            task_id: "t".into(),
            report: Some(MigrationReport::default()),
            proof_file: Some(proof_file),
            consistency: Some(SetConsistencyResultRequestBody::default()),
            progress: vec![UpdateTaskSpeedReq {
                progress: Some(100),
                ..Default::default()
            }],
            copy_state: PutCopyStateReq {
                copystate: Some("finished".into()),
                migrationcycle: Some("cutovered".into()),
            },
        }
    }

    #[test]
    fn an_end_is_told_until_it_arrived_also_by_the_next_process() {
        let directory = tempfile::tempdir().unwrap();
        let answers = vec![Ok(()), Ok(()), Err(no_answer())];
        let (first, scripted) = reporter(directory.path(), answers);
        let owed = end(directory.path());
        first
            .store
            .update(|state| {
                state.source_id = Some("s".into());
                state.owed.push(owed);
            })
            .unwrap();
        assert!(first.deliver().is_err());
        assert_eq!(scripted.told(), ["t 100", "t report", "t proof"]);
        drop(first);

        let (second, scripted) = reporter(directory.path(), vec![]);
        second.deliver().unwrap();
        assert_eq!(
            scripted.told(),
            [
                "t 100",
                "t report",
                "t proof",
                "t consistency",
                "s finished"
            ]
        );
        assert_eq!(second.store.get().owed, []);
        second.deliver().unwrap();
        assert_eq!(scripted.told(), [""; 0]);
    }

    #[test]
    fn a_refusal_does_not_hold_up_the_rest_and_a_lost_proof_neither() {
        let directory = tempfile::tempdir().unwrap();
        let (reporter, scripted) =
            reporter(directory.path(), vec![Err(refused(400)), Err(refused(404))]);
        let owed = OwedEnd {
            proof_file: Some("/no/such/proof".into()),
            ..end(directory.path())
        };
        reporter
            .store
            .update(|state| {
                state.source_id = Some("s".into());
                state.owed.push(owed);
            })
            .unwrap();
        reporter.deliver().unwrap();
        assert_eq!(
            scripted.told(),
            ["t 100", "t report", "t consistency", "s finished"]
        );
        assert_eq!(reporter.store.get().owed, []);
    }

    #[test]
    fn what_may_pass_is_kept_in_its_newest_form() {
        let directory = tempfile::tempdir().unwrap();
        let (reporter, scripted) = reporter(
            directory.path(),
            vec![Err(no_answer()), Err(refused(503)), Err(refused(401))],
        );
        let put = |percent| {
            let body = UpdateTaskSpeedReq {
                progress: Some(percent),
                ..Default::default()
            };
            let slot = Slot::Progress {
                task_id: "t".into(),
                step: 1,
            };
            reporter.outbox.put(slot, Report::Progress(Box::new(body)));
        };
        for percent in [1, 2, 3] {
            put(percent);
            assert!(reporter.deliver().is_err());
        }
        put(4);
        reporter.deliver().unwrap();
        assert_eq!(scripted.told(), ["t 1", "t 2", "t 3", "t 4"]);
        assert_eq!(reporter.outbox.waiting(), []);
    }
}
