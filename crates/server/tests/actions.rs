//! The checked-in table of actions, tried over HTTP: every task is led to its state step by step,
//! and every operation is answered as the table says.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use rehost_sms_api::bodies::{
    CommandBody, PostTask, PutCopyStateReq, UpdateTaskSpeedReq, UpdateTaskStatusReq,
};
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::rehost::JoinRole;
use serde_json::{Value, json};
use support::{ControlPlane, source, target, task};

const TABLE: &str = include_str!("../../migration/tables/actions.json");

/// A source server with a task, driven by the names of the table.
struct Pair<'a> {
    client: &'a Client,
    source_id: String,
    task_id: String,
}

impl Pair<'_> {
    fn does(&self, step: &str) -> Result<(), ClientError> {
        if let Some((command, result)) = step.split_once(": ") {
            let body = CommandBody {
                command_name: Some(command.into()),
                result: Some(result.into()),
                result_detail: Some(json!({ "msg": "cannot" })),
            };
            return self.client.update_command_result(&self.source_id, &body);
        }
        if let Some(state) = step.strip_prefix("reports ") {
            let body = PutCopyStateReq {
                copystate: Some(state.into()),
                migrationcycle: None,
            };
            return self.client.update_copy_state(&self.source_id, &body);
        }
        match step {
            "delete (agent connected)" => return self.client.delete_task(&self.task_id),
            "delete source (agent connected)" => {
                return self.client.delete_server(&self.source_id);
            }
            "skip (check at 50 percent)" => self.checks_half(),
            _ => {}
        }
        let (operation, fact) = step.split_once(" (").unwrap_or((step, ""));
        let template = operation == "clone_test" && fact.is_empty();
        let body = UpdateTaskStatusReq {
            operation: Some(operation.into()),
            template_id: template.then(|| "template".into()),
            ..UpdateTaskStatusReq::default()
        };
        self.client.update_task_status(&self.task_id, &body)
    }

    fn checks_half(&self) {
        let body = UpdateTaskSpeedReq {
            subtask_name: Some("CHECK_CONSISTENCY".into()),
            progress: Some(50),
            replicatesize: Some(0),
            totalsize: Some(0),
            process_trace: Some(String::new()),
            ..UpdateTaskSpeedReq::default()
        };
        self.client.update_task_speed(&self.task_id, &body).unwrap();
    }

    fn command(&self) -> (String, Option<String>) {
        let shown = self.client.show_command(&self.source_id, None).unwrap();
        let operation = shown.command_param.and_then(|param| param.operation);
        (shown.command_name.unwrap(), operation)
    }

    fn mailbox_is_empty(&self) -> bool {
        self.command().0.starts_with("TASK_")
    }

    /// Compares what is so now with what the table says.
    fn is_as(&self, answer: &Value, before: &(String, String), on: &str) {
        if answer["gone"] == true {
            let error = self.client.show_task(&self.task_id).unwrap_err();
            assert_eq!(error.status(), Some(404), "{on}");
            return;
        }
        let shown = self.client.show_task(&self.task_id).unwrap();
        if let Some(state) = answer["task"]["state"].as_str() {
            assert_eq!(shown.state.as_deref(), Some(state), "{on}");
        }
        let now = self.words();
        let expected = (
            answer["source_state"].as_str().unwrap_or(&before.0),
            answer["migration_cycle"].as_str().unwrap_or(&before.1),
        );
        assert_eq!((now.0.as_str(), now.1.as_str()), expected, "{on}");
        if let Some(command) = answer["command"]["command_name"].as_str() {
            let operation = answer["command"]["operation"].as_str();
            let (name, order) = self.command();
            assert_eq!(
                (name.as_str(), order.as_deref()),
                (command, operation),
                "{on}"
            );
        }
    }

    fn words(&self) -> (String, String) {
        let shown = self.client.show_server(&self.source_id).unwrap();
        (shown.state.unwrap(), shown.migration_cycle.unwrap())
    }
}

#[test]
fn every_operation_is_answered_as_the_table_says() {
    let plane = ControlPlane::start();
    let client = plane.administrator();
    let (target_id, receiver) = plane.join(JoinRole::Target, "vault");
    receiver.register_target(&target("vault")).unwrap();
    let table: Vec<Value> = serde_json::from_str(TABLE).unwrap();
    let mut tried = 0;
    for row in &table {
        let operation = row["operation"].as_str().unwrap();
        let Some(steps) = row["steps"].as_array() else {
            continue;
        };
        // Nobody waits here until an agent counts as gone, or fills a mailbox by hand.
        if ["delete (agent gone)", "collect_log (another command waits)"].contains(&operation) {
            continue;
        }
        let on = format!("{operation} on {}: {}", row["state"], row["name"]);
        let source_id = client
            .register_server(&source("web-1"))
            .unwrap()
            .id
            .unwrap();
        let created = PostTask {
            syncing: row["created"]["syncing"].as_bool(),
            need_migration_test: row["created"]["need_migration_test"].as_bool(),
            ..task(&source_id, &target_id)
        };
        let pair = Pair {
            client: &client,
            task_id: client.create_task(&created).unwrap().id.unwrap(),
            source_id,
        };
        for step in steps {
            pair.does(step.as_str().unwrap()).unwrap();
        }
        let shown = client.show_task(&pair.task_id).unwrap();
        assert_eq!(shown.state.as_deref(), row["state"].as_str(), "{on}");
        let before = pair.words();
        let answer = &row["answer"];
        let full = operation == "collect_log" && !pair.mailbox_is_empty();
        let expected = match answer["refused"].as_str() {
            None if full => Some("SMS.7716"),
            refused => refused,
        };
        let done = pair.does(operation);
        match (&done, expected) {
            (Err(ClientError::Api { code, .. }), Some(expected)) => {
                assert_eq!(code, expected, "{on}");
                let shown = client.show_task(&pair.task_id).unwrap();
                assert_eq!(shown.state.as_deref(), row["state"].as_str(), "{on}");
            }
            (Ok(()), None) => pair.is_as(answer, &before, &on),
            _ => panic!("{on}: {done:?} where the table says {answer}"),
        }
        tried += 1;
        if operation != "delete source (agent connected)" || done.is_err() {
            // Only to make room: what is at work stays.
            let _ = client.delete_server(&pair.source_id);
        }
    }
    assert!(tried > 450, "{tried} of {}", table.len());
}

#[test]
fn what_an_agent_refuses_is_taken_back_and_the_reason_kept() {
    let plane = ControlPlane::start();
    let client = plane.administrator();
    let (target_id, receiver) = plane.join(JoinRole::Target, "vault");
    receiver.register_target(&target("vault")).unwrap();
    let source_id = client
        .register_server(&source("web-1"))
        .unwrap()
        .id
        .unwrap();
    let created = PostTask {
        syncing: Some(true),
        ..task(&source_id, &target_id)
    };
    let pair = Pair {
        client: &client,
        task_id: client.create_task(&created).unwrap().id.unwrap(),
        source_id,
    };
    let reason = || client.show_task(&pair.task_id).unwrap().error_json;
    for step in ["start", "START: success", "reports syncing", "clone_test"] {
        pair.does(step).unwrap();
    }
    assert_eq!(pair.words(), ("cloning".into(), "syncing".into()));
    assert_eq!(reason(), None);
    pair.does("START: fail").unwrap();
    assert_eq!(pair.words(), ("syncing".into(), "syncing".into()));
    let shown = client.show_task(&pair.task_id).unwrap();
    assert_eq!(shown.state.as_deref(), Some("SYNCING"));
    let clone = shown.clone_server.unwrap();
    assert_eq!(clone.clone_state.as_deref(), Some("ERROR"));
    assert!(reason().unwrap().contains("cannot"));
    pair.does("cutover").unwrap();
    assert_eq!(reason(), None, "the task goes on");
}
