//! A migration as agent, receiver and operator see it, call by call.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use rehost_certificates::{data_path_client_config, data_path_server_config};
use rehost_sms_api::bodies::{
    CommandBody, PostTask, PutCopyStateReq, ShowTaskResponse, TargetDisks, TargetServerByTask,
    UpdateTaskSpeedReq, UpdateTaskStatusReq,
};
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{
    ImageFormat, JoinRole, MigrationReport, TargetTaskReport, TargetTaskState, WantedPhase,
};
use serde_json::json;
use support::{ControlPlane, source, target, task};

/// Everybody who takes part in a migration.
struct Stage {
    plane: ControlPlane,
    operator: Client,
    agent: Client,
    receiver: Client,
    source_id: String,
    target_id: String,
}

impl Stage {
    fn set() -> Self {
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

    fn task(&self) -> PostTask {
        task(&self.source_id, &self.target_id)
    }

    fn create(&self, task: &PostTask) -> String {
        self.operator.create_task(task).unwrap().id.unwrap()
    }

    fn act(&self, task_id: &str, operation: &str) -> Result<(), ClientError> {
        let operation = Some(operation.to_owned());
        let body = UpdateTaskStatusReq {
            operation,
            ..UpdateTaskStatusReq::default()
        };
        self.operator.update_task_status(task_id, &body)
    }

    fn command(&self) -> String {
        self.agent
            .show_command(&self.source_id, None)
            .unwrap()
            .command_name
            .unwrap()
    }

    fn obeyed(&self, command: &str) {
        self.answered(command, "success", json!({}));
    }

    fn answered(&self, command: &str, result: &str, detail: serde_json::Value) {
        let body = CommandBody {
            command_name: Some(command.into()),
            result: Some(result.into()),
            result_detail: Some(detail),
        };
        self.agent
            .update_command_result(&self.source_id, &body)
            .unwrap();
    }

    fn says(&self, state: &str, cycle: &str) {
        let body = PutCopyStateReq {
            copystate: Some(state.into()),
            migrationcycle: Some(cycle.into()),
        };
        self.agent
            .update_copy_state(&self.source_id, &body)
            .unwrap();
    }

    fn progress(&self, task_id: &str, name: &str, progress: u32) {
        let body = UpdateTaskSpeedReq {
            subtask_name: Some(name.into()),
            progress: Some(progress),
            replicatesize: Some(10),
            totalsize: Some(1000),
            process_trace: Some(String::new()),
            migrate_speed: Some(80.5),
            remain_time: Some(60),
            ..UpdateTaskSpeedReq::default()
        };
        self.agent.update_task_speed(task_id, &body).unwrap();
    }

    fn shown(&self, task_id: &str) -> ShowTaskResponse {
        self.operator.show_task(task_id).unwrap()
    }

    fn states(&self, task_id: &str) -> (String, String, String) {
        let source = self.operator.show_server(&self.source_id).unwrap();
        (
            self.shown(task_id).state.unwrap(),
            source.state.unwrap(),
            source.migration_cycle.unwrap(),
        )
    }

    fn phase(&self, task_id: &str) -> WantedPhase {
        self.agent.source_assignment(task_id).unwrap().phase
    }

    fn target_is(&self, task_id: &str, state: TargetTaskState, message: &str) {
        let paths = vec!["/vault/0.raw".into(), "/vault/1.raw".into()];
        let report = TargetTaskReport {
            state,
            message: message.into(),
            paths,
        };
        self.receiver.report_target_task(task_id, &report).unwrap();
    }
}

fn words(task: &str, source: &str, cycle: &str) -> (String, String, String) {
    (task.into(), source.into(), cycle.into())
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, code: ErrorCode) {
    let error = answer.unwrap_err();
    assert!(error.is(code), "{error:?}");
}

#[test]
fn a_migration_with_continuous_synchronisation() {
    let stage = Stage::set();
    assert_eq!(stage.command(), "TASK_NOT_STARTED");
    let id = stage.create(&PostTask {
        syncing: Some(true),
        ..stage.task()
    });
    assert_eq!(stage.states(&id), words("READY", "waiting", "setting"));
    assert_eq!(stage.phase(&id), WantedPhase::Rest);

    let told = stage.receiver.target_assignments(None, 0).unwrap();
    let assignment = &told.assignments[0];
    assert_eq!(
        (assignment.task_id.as_str(), assignment.committed),
        (id.as_str(), false)
    );
    let names: Vec<_> = assignment
        .volumes
        .iter()
        .map(|volume| volume.name.as_str())
        .collect();
    assert_eq!(names, ["/dev/vda", "/dev/vdb"]);
    assert_eq!(stage.agent.source_assignment(&id).unwrap().data_path, None);
    stage.target_is(&id, TargetTaskState::Ready, "");

    stage.act(&id, "start").unwrap();
    assert_eq!(
        stage.states(&id),
        words("RUNNING", "initialize", "replicating")
    );
    assert_refused(stage.act(&id, "start"), ErrorCode::CannotStart);
    assert_eq!(stage.command(), "START");
    assert_eq!(stage.command(), "START", "until its result is reported");
    stage.obeyed("START");
    assert_eq!(stage.command(), "TASK_NOT_STARTED");
    let work = stage.agent.source_assignment(&id).unwrap();
    assert_eq!((work.phase, work.syncing), (WantedPhase::Replicate, true));
    let data_path = work.data_path.unwrap();
    assert_eq!(
        (data_path.address.as_str(), data_path.port),
        ("192.0.2.20", 8899)
    );
    assert_eq!(data_path.server_name, rehost_certificates::server_name(&id));

    stage.says("replicate", "replicating");
    stage.progress(&id, "MIGRATE_LINUX_BLOCK", 40);
    stage.progress(&id, "MIGRATE_LINUX_BLOCK", 10);
    let shown = stage.shown(&id);
    assert_eq!(
        shown.subtask_info.as_deref(),
        Some("MIGRATE_LINUX_BLOCK-40")
    );
    assert_eq!(
        (shown.migrate_speed, shown.remain_seconds),
        (Some(80.5), Some(60))
    );
    assert_refused(stage.act(&id, "cutover"), ErrorCode::OnlyContinuousSync);
    stage.says("syncing", "syncing");
    assert_eq!(stage.states(&id), words("SYNCING", "syncing", "syncing"));

    stage.act(&id, "cutover").unwrap();
    assert_eq!(stage.command(), "START");
    assert_eq!(stage.phase(&id), WantedPhase::Cutover);
    stage.obeyed("START");
    stage.says("cutovering", "cutovering");
    stage.says("finished", "cutovered");
    assert_eq!(
        stage.states(&id),
        words("MIGRATE_SUCCESS", "finished", "cutovered")
    );
    assert_eq!(stage.command(), "TASK_HAS_FINISHED");
    assert_eq!(stage.phase(&id), WantedPhase::Rest);
    let after = stage
        .receiver
        .target_assignments(Some(told.generation), 60)
        .unwrap();
    assert!(
        after.assignments[0].committed,
        "the volumes belong to the user now"
    );

    stage.operator.delete_task(&id).unwrap();
    let source = stage.operator.show_server(&stage.source_id).unwrap();
    assert_eq!(source.state.as_deref(), Some("waiting"));
    assert!(source.current_task.is_none());
    let last = stage
        .receiver
        .target_assignments(Some(after.generation), 60)
        .unwrap();
    assert!(last.assignments.is_empty());
}

#[test]
fn without_continuous_synchronisation_the_agent_goes_on_to_the_end_by_itself() {
    let stage = Stage::set();
    let id = stage.create(&PostTask {
        auto_start: Some(true),
        ..stage.task()
    });
    assert_eq!(
        stage.states(&id),
        words("RUNNING", "initialize", "replicating")
    );
    assert_eq!(stage.command(), "START");
    stage.obeyed("START");
    stage.says("replicate", "replicating");
    stage.says("cutovering", "cutovering");
    assert_eq!(stage.phase(&id), WantedPhase::Cutover);
    stage.says("finished", "cutovered");
    assert_eq!(
        stage.states(&id),
        words("MIGRATE_SUCCESS", "finished", "cutovered")
    );
    let shown = stage.shown(&id);
    assert!(shown.start_date.is_some() && shown.finish_date >= shown.start_date);
}

#[test]
fn a_pause_and_a_failure_go_on_where_they_were() {
    let stage = Stage::set();
    let id = stage.create(&PostTask {
        auto_start: Some(true),
        ..stage.task()
    });
    stage.obeyed("START");
    stage.says("replicate", "replicating");
    stage.act(&id, "stop").unwrap();
    assert_eq!(
        stage.states(&id),
        words("ABORTING", "stopping", "replicating")
    );
    assert_eq!(stage.command(), "STOP");
    assert_refused(stage.operator.delete_task(&id), ErrorCode::CannotDelete);
    stage.says("stopped", "replicating");
    stage.obeyed("STOP");
    assert_eq!(stage.states(&id), words("ABORT", "stopped", "replicating"));
    assert_eq!(stage.command(), "TASK_HAS_STOPPED");

    stage.act(&id, "start").unwrap();
    let detail = json!({ "error_code": "SMS.1807", "error_msg": "no way to the target" });
    stage.answered("START", "fail", detail.clone());
    assert_eq!(
        stage.states(&id),
        words("MIGRATE_FAIL", "error", "replicating")
    );
    let error: serde_json::Value =
        serde_json::from_str(&stage.shown(&id).error_json.unwrap()).unwrap();
    assert_eq!(error, detail);
    let failed = stage.operator.list_error_servers(None, 0).unwrap();
    assert_eq!(
        failed.migration_errors[0].source_id.as_deref(),
        Some(stage.source_id.as_str())
    );

    stage.act(&id, "start").unwrap();
    assert_eq!(stage.shown(&id).error_json, None);
    assert_eq!(stage.command(), "START");
}

#[test]
fn a_result_may_come_twice_and_a_wrong_one_is_refused() {
    let stage = Stage::set();
    let report = |name: Option<&str>, result: Option<&str>, detail| {
        let body = CommandBody {
            command_name: name.map(str::to_owned),
            result: result.map(str::to_owned),
            result_detail: detail,
        };
        stage.agent.update_command_result(&stage.source_id, &body)
    };
    let (start, success, detail) = (Some("START"), Some("success"), Some(json!({})));
    assert_refused(
        report(start, success, detail.clone()),
        ErrorCode::CommandMismatch,
    );
    stage.create(&PostTask {
        auto_start: Some(true),
        ..stage.task()
    });
    assert_refused(
        report(None, success, detail.clone()),
        ErrorCode::CommandMissing,
    );
    assert_refused(
        report(Some("DELETE"), success, detail.clone()),
        ErrorCode::CommandMismatch,
    );
    assert_refused(
        report(start, Some("maybe"), detail.clone()),
        ErrorCode::CommandResult,
    );
    assert_refused(
        report(start, None, detail.clone()),
        ErrorCode::CommandResult,
    );
    assert_refused(report(start, success, None), ErrorCode::CommandDetail);
    assert_eq!(stage.command(), "START", "none of that was a result");
    report(start, success, detail.clone()).unwrap();
    report(start, success, detail).unwrap();
}

#[test]
fn long_polls_are_woken_by_what_they_wait_for() {
    let stage = Stage::set();
    let told = stage.receiver.target_assignments(None, 0).unwrap();
    std::thread::scope(|scope| {
        let command = scope.spawn(|| {
            stage
                .agent
                .show_command(&stage.source_id, Some(60))
                .unwrap()
        });
        let assignments = scope.spawn(|| {
            stage
                .receiver
                .target_assignments(Some(told.generation), 60)
                .unwrap()
        });
        let id = stage.create(&PostTask {
            auto_start: Some(true),
            ..stage.task()
        });
        let command = command.join().unwrap();
        assert_eq!(command.command_name.as_deref(), Some("START"));
        assert_eq!(
            command.command_param.unwrap().task_id.as_deref(),
            Some(id.as_str())
        );
        assert_eq!(assignments.join().unwrap().assignments[0].task_id, id);
    });
}

#[test]
fn a_task_that_cannot_be_is_refused() {
    let stage = Stage::set();
    let create = |task: PostTask| stage.operator.create_task(&task);
    let right = || stage.task();
    let aimed = |target: TargetServerByTask| PostTask {
        target_server: Some(target),
        ..right()
    };
    let vault = || right().target_server.unwrap();
    for (task, code) in [
        (
            PostTask {
                name: None,
                ..right()
            },
            ErrorCode::TaskName,
        ),
        (
            PostTask {
                name: Some("x y".into()),
                ..right()
            },
            ErrorCode::TaskName,
        ),
        (
            PostTask {
                name: Some("n".repeat(65)),
                ..right()
            },
            ErrorCode::TaskName,
        ),
        (
            PostTask {
                r#type: Some("MIGRATE_FILE".into()),
                ..right()
            },
            ErrorCode::TaskType,
        ),
        (
            PostTask {
                r#type: None,
                ..right()
            },
            ErrorCode::TaskType,
        ),
        (
            PostTask {
                speed_limit: Some(1001),
                ..right()
            },
            ErrorCode::Parameters,
        ),
        (
            PostTask {
                migration_ip: Some("a b".into()),
                ..right()
            },
            ErrorCode::Parameters,
        ),
        (
            PostTask {
                source_server: None,
                ..right()
            },
            ErrorCode::SourceId,
        ),
        (
            PostTask {
                target_server: None,
                ..right()
            },
            ErrorCode::TargetInfo,
        ),
        (task("nope", &stage.target_id), ErrorCode::SourceUnknown),
        (task(&stage.source_id, "nope"), ErrorCode::TargetMissing),
        (
            aimed(TargetServerByTask {
                vm_id: None,
                ..vault()
            }),
            ErrorCode::TargetId,
        ),
        (
            aimed(TargetServerByTask {
                disks: vec![TargetDisks {
                    name: Some("/dev/nope".into()),
                    ..Default::default()
                }],
                ..vault()
            }),
            ErrorCode::TargetDisks,
        ),
    ] {
        assert_refused(create(task), code);
    }
    let chinese = PostTask {
        name: Some("迁移-1_a".into()),
        ..right()
    };
    create(chinese).unwrap();
    assert_refused(create(right()), ErrorCode::SourceHasTask);

    let mut diskless = source("web-3");
    diskless.disks = Some(Vec::new());
    let unavailable = stage
        .operator
        .register_server(&diskless)
        .unwrap()
        .id
        .unwrap();
    assert_refused(
        create(task(&unavailable, &stage.target_id)),
        ErrorCode::SourceUnavailable,
    );
}

#[test]
fn an_offered_device_serves_one_task() {
    let stage = Stage::set();
    let onto_device = |source_id: &str| {
        let mut task = task(source_id, &stage.target_id);
        let disk = TargetDisks {
            name: Some("/dev/vda".into()),
            disk_id: Some("/dev/sdx".into()),
            ..TargetDisks::default()
        };
        task.target_server.as_mut().unwrap().disks = vec![disk];
        task
    };
    let id = stage.create(&onto_device(&stage.source_id));
    let volumes = &stage
        .receiver
        .target_assignments(None, 0)
        .unwrap()
        .assignments[0]
        .volumes;
    assert_eq!((volumes.len(), volumes[0].format), (1, ImageFormat::Device));
    assert_eq!(volumes[0].device.as_deref(), Some("/dev/sdx"));
    let other = stage
        .operator
        .register_server(&source("web-2"))
        .unwrap()
        .id
        .unwrap();
    let refused = stage.operator.create_task(&onto_device(&other));
    assert_refused(refused, ErrorCode::TargetInTask);
    stage.operator.delete_task(&id).unwrap();
    stage.create(&onto_device(&other));
}

#[test]
fn certificates_reach_those_who_need_them_and_fit() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    let agents = stage.agent.show_cert_key(&id, true).unwrap();
    let passphrase = stage
        .agent
        .show_passphrase(&id)
        .unwrap()
        .passphrase
        .unwrap();
    assert!(agents.target_data_private_key.is_none() && agents.target_mgmt_private_key.is_none());
    data_path_client_config(
        &agents.cert.unwrap(),
        &agents.private_key.unwrap(),
        &passphrase,
        &agents.ca.unwrap(),
    )
    .unwrap();
    let receivers = stage
        .receiver
        .target_assignments(None, 0)
        .unwrap()
        .assignments
        .remove(0);
    let set = receivers.certificates;
    data_path_server_config(&set.certificate, &set.private_key, &set.passphrase, &set.ca).unwrap();

    let operators = stage.operator.show_cert_key(&id, false).unwrap();
    assert!(operators.ca.is_none());
    assert!(operators.target_data_private_key.is_some());
    assert!(operators.target_mgmt_private_key.is_some());
}

#[test]
fn proofs_and_reports_are_kept_and_replaced_whole() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    assert_refused(
        stage.operator.get_proof(&id, &mut Vec::new()),
        ErrorCode::ProofAbsent,
    );
    assert_refused(stage.operator.get_report(&id), ErrorCode::ReportAbsent);
    let large: Vec<u8> = (0..5_000_001_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    for proof in [b"first".to_vec(), large, b"last".to_vec()] {
        stage.agent.put_proof(&id, &mut proof.as_slice()).unwrap();
        let mut read = Vec::new();
        let size = stage.operator.get_proof(&id, &mut read).unwrap();
        assert_eq!(size, u64::try_from(proof.len()).unwrap());
        assert!(read == proof, "the document is what was sent");
    }
    assert_refused(
        stage.agent.put_proof(&id, &mut &b""[..]),
        ErrorCode::ProofMalformed,
    );

    let report = MigrationReport {
        task_id: id.clone(),
        sessions: 3,
        ..Default::default()
    };
    stage.agent.put_report(&id, &report).unwrap();
    assert_eq!(stage.operator.get_report(&id).unwrap(), report);
    let foreign = MigrationReport {
        task_id: "other".into(),
        ..report
    };
    assert_refused(stage.agent.put_report(&id, &foreign), ErrorCode::Parameters);
}

#[test]
fn a_target_that_cannot_says_why_and_a_name_for_the_data_wins() {
    let stage = Stage::set();
    let named = PostTask {
        migration_ip: Some("198.51.100.7".into()),
        ..stage.task()
    };
    let id = stage.create(&named);
    stage.target_is(&id, TargetTaskState::Failed, "no space left; free 2 GiB");
    let assignment = stage.agent.source_assignment(&id).unwrap();
    assert_eq!(assignment.data_path, None);
    assert_eq!(assignment.target_message, "no space left; free 2 GiB");
    stage.target_is(&id, TargetTaskState::Ready, "");
    let assignment = stage.agent.source_assignment(&id).unwrap();
    assert_eq!(assignment.data_path.unwrap().address, "198.51.100.7");
}

#[test]
fn everything_goes_on_after_a_restart() {
    let mut stage = Stage::set();
    let id = stage.create(&PostTask {
        auto_start: Some(true),
        ..stage.task()
    });
    let before = stage.shown(&id);
    stage.plane.restart();
    let operator = stage.plane.administrator();
    let after = operator.show_task(&id).unwrap();
    assert_eq!(
        (after.state, after.create_date),
        (before.state, before.create_date)
    );
    let command = operator.show_command(&stage.source_id, None).unwrap();
    assert_eq!(command.command_name.as_deref(), Some("START"));
}
