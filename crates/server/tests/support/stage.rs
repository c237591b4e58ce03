//! Operator, agent and receiver of one migration, with words for what they do.

use rehost_sms_api::bodies::{
    CommandBody, PostTask, PutCopyStateReq, ShowTaskResponse, UpdateTaskSpeedReq,
    UpdateTaskStatusReq,
};
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{JoinRole, TargetTaskReport, TargetTaskState, WantedPhase};
use serde_json::json;

use super::{ControlPlane, source, target, task};

/// Everybody who takes part in a migration.
pub struct Stage {
    pub plane: ControlPlane,
    pub operator: Client,
    pub agent: Client,
    pub receiver: Client,
    pub source_id: String,
    pub target_id: String,
}

impl Stage {
    pub fn set() -> Self {
        let plane = ControlPlane::start();
        let operator = plane.administrator();
        let (target_id, receiver) = plane.join(JoinRole::Target, "vault");
        receiver.register_target(&target("vault")).unwrap();
        let (_, agent) = plane.join(JoinRole::Source, "web-1");
        let source_id = agent.register_server(&source("web-1")).unwrap().id.unwrap();
        Self {
            plane,
            operator,
            agent,
            receiver,
            source_id,
            target_id,
        }
    }

    pub fn task(&self) -> PostTask {
        task(&self.source_id, &self.target_id)
    }

    pub fn create(&self, task: &PostTask) -> String {
        self.operator.create_task(task).unwrap().id.unwrap()
    }

    pub fn act(&self, task_id: &str, operation: &str) -> Result<(), ClientError> {
        let operation = Some(operation.to_owned());
        let body = UpdateTaskStatusReq {
            operation,
            ..UpdateTaskStatusReq::default()
        };
        self.operator.update_task_status(task_id, &body)
    }

    pub fn command(&self) -> String {
        self.agent
            .show_command(&self.source_id, None)
            .unwrap()
            .command_name
            .unwrap()
    }

    pub fn obeyed(&self, command: &str) {
        self.answered(command, "success", json!({}));
    }

    pub fn answered(&self, command: &str, result: &str, detail: serde_json::Value) {
        let body = CommandBody {
            command_name: Some(command.into()),
            result: Some(result.into()),
            result_detail: Some(detail),
        };
        self.agent
            .update_command_result(&self.source_id, &body)
            .unwrap();
    }

    pub fn says(&self, state: &str, cycle: &str) {
        let body = PutCopyStateReq {
            copystate: Some(state.into()),
            migrationcycle: Some(cycle.into()),
        };
        self.agent
            .update_copy_state(&self.source_id, &body)
            .unwrap();
    }

    pub fn progress(&self, task_id: &str, name: &str, progress: u32) {
        self.traces(task_id, name, progress, "");
    }

    pub fn traces(&self, task_id: &str, name: &str, progress: u32, trace: &str) {
        let body = UpdateTaskSpeedReq {
            subtask_name: Some(name.into()),
            progress: Some(progress),
            replicatesize: Some(10),
            totalsize: Some(1000),
            process_trace: Some(trace.into()),
            migrate_speed: Some(80.5),
            remain_time: Some(60),
            ..UpdateTaskSpeedReq::default()
        };
        self.agent.update_task_speed(task_id, &body).unwrap();
    }

    pub fn shown(&self, task_id: &str) -> ShowTaskResponse {
        self.operator.show_task(task_id).unwrap()
    }

    pub fn states(&self, task_id: &str) -> (String, String, String) {
        let source = self.operator.show_server(&self.source_id).unwrap();
        (
            self.shown(task_id).state.unwrap(),
            source.state.unwrap(),
            source.migration_cycle.unwrap(),
        )
    }

    pub fn phase(&self, task_id: &str) -> WantedPhase {
        self.agent.source_assignment(task_id).unwrap().phase
    }

    pub fn target_is(&self, task_id: &str, state: TargetTaskState, message: &str) {
        let paths = vec!["/vault/0.raw".into(), "/vault/1.raw".into()];
        let report = TargetTaskReport {
            state,
            message: message.into(),
            paths,
        };
        self.receiver.report_target_task(task_id, &report).unwrap();
    }
}

pub fn words(task: &str, source: &str, cycle: &str) -> (String, String, String) {
    (task.into(), source.into(), cycle.into())
}

#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, code: ErrorCode) {
    let error = answer.unwrap_err();
    assert!(error.is(code), "{error:?}");
}
