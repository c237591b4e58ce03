//! A migration as agent, receiver and operator see it, call by call.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::time::Duration;

use rehost_sms_api::bodies::{CommandBody, PostTask};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{TargetTaskState, WantedPhase};
use rehost_store::{Store, Write};
use rehost_testkit::{SHORT, until};
use serde_json::json;
use support::stage::{Stage, assert_refused, words};
use support::tenants::log_in;
use support::wire::Sender;

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
    assert_eq!(
        stage.states(&id),
        words("DELETING", "deleting", "cutovered")
    );
    assert_eq!(stage.command(), "DELETE");
    stage.obeyed("DELETE");
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
    // It starts when the agent asks for work.
    assert_eq!(stage.states(&id), words("READY", "waiting", "setting"));
    assert_eq!(stage.command(), "START");
    assert_eq!(
        stage.states(&id),
        words("RUNNING", "initialize", "replicating")
    );
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
fn a_target_lets_go_of_its_volumes_at_the_launch_and_takes_them_for_a_synchronisation() {
    let stage = Stage::set();
    let id = stage.create(&PostTask {
        auto_start: Some(true),
        ..stage.task()
    });
    assert_eq!(stage.command(), "START");
    stage.obeyed("START");
    stage.says("replicate", "replicating");
    let mut told = stage.receiver.target_assignments(None, 0).unwrap();
    let mut hears = |committed, let_go| {
        let list = stage.receiver.target_assignments(Some(told.generation), 60);
        told = list.unwrap();
        let found = &told.assignments[0];
        assert_eq!((found.committed, found.let_go), (committed, let_go));
    };
    stage.says("cutovering", "cutovering");
    stage.says("finished", "cutovered");
    hears(true, true);
    stage.act(&id, "restart").unwrap();
    hears(true, false);
    stage.act(&id, "stop").unwrap();
    hears(true, false);
}

#[test]
fn a_pause_and_a_failure_go_on_where_they_were() {
    let stage = Stage::set();
    let id = stage.create(&PostTask {
        auto_start: Some(true),
        ..stage.task()
    });
    assert_eq!(stage.command(), "START");
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
    let elsewhere = console(&stage).get("/v3/errors?offset=0&migproject=elsewhere");
    assert_eq!(elsewhere.json()["count"], 0);

    stage.act(&id, "start").unwrap();
    assert_eq!(stage.shown(&id).error_json, None);
    assert_eq!(stage.command(), "START");

    stage.obeyed("START");
    stage.traces(
        &id,
        "MIGRATE_LINUX_BLOCK",
        40,
        "the target has no room left",
    );
    stage.says("error", "replicating");
    let error = stage.shown(&id).error_json.unwrap();
    assert!(error.contains("the target has no room left"), "{error}");
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
    assert_eq!(stage.command(), "START");
    assert_refused(
        report(None, success, detail.clone()),
        ErrorCode::CommandMissing,
    );
    assert_refused(
        report(Some("RSET_LOG_ACL"), success, detail.clone()),
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

#[test]
fn an_agent_that_never_obeys_keeps_no_task_from_being_deleted() {
    let mut stage = Stage::set();
    let id = stage.create(&stage.task());
    stage.act(&id, "start").unwrap();
    stage.act(&id, "stop").unwrap();
    stage.obeyed("STOP");
    stage.operator.delete_task(&id).unwrap();
    assert_eq!(stage.command(), "DELETE");
    assert_eq!(stage.shown(&id).state.as_deref(), Some("DELETING"));

    stage.plane.stop();
    make_older(&stage, Duration::from_secs(600));
    stage.plane.restart();
    let operator = stage.plane.administrator();
    until("the task is gone", SHORT, || {
        match operator.show_task(&id) {
            Ok(_) => Ok(None),
            Err(error) if error.is(ErrorCode::TaskUnknown) => Ok(Some(())),
            Err(error) => Err(error.into()),
        }
    })
    .unwrap();
    let source = operator.show_server(&stage.source_id).unwrap();
    assert_eq!(source.state.as_deref(), Some("waiting"));
    let targets = operator.list_targets().unwrap();
    operator.delete_target(&targets.targets[0].id).unwrap();
}

/// Somebody who asks what the client of the official SDK cannot ask.
fn console(stage: &Stage) -> Sender {
    let plane = &stage.plane;
    let (domain, user) = (plane.text("domain_name"), plane.text("user_name"));
    let token = log_in(plane, &domain, &user, &plane.text("password"));
    Sender::with_token(plane, &token)
}

/// Lets what the source server is at seem to have begun earlier.
fn make_older(stage: &Stage, by: Duration) {
    let database = rehost_store::Database::Sqlite(stage.plane.data().join("rehost.db"));
    let change = async {
        let store = Store::open(&database).await.unwrap();
        let mut row = store.source(&stage.source_id).await.unwrap().unwrap();
        row.state_action_time -= i64::try_from(by.as_millis()).unwrap();
        store.write(&[Write::UpdateSource(&row)]).await.unwrap();
        store.close().await;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(change);
}
