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
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use support::{ControlPlane, source, target, task};

const TABLE: &str = include_str!("../../migration/tables/actions.json");

/// A source server with a task, driven by the names of the table.
struct Pair<'a> {
    client: &'a Client,
    /// What clones are made from.
    template_id: &'a str,
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
            "delete (agent connected)" | "delete (agent gone)" => {
                return self.client.delete_task(&self.task_id);
            }
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
            template_id: template.then(|| self.template_id.to_owned()),
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

/// What a row needs that no request brings about.
fn by_hand(row: &Value, pair: &Pair<'_>, phase_of_reset: &str) -> Vec<String> {
    let Pair {
        source_id, task_id, ..
    } = pair;
    let mut statements = Vec::new();
    if row["steps"].is_null() {
        statements.push(format!(
            "UPDATE tasks SET state = '{}', phase = '{phase_of_reset}' WHERE id = '{task_id}'",
            row["state"].as_str().unwrap()
        ));
    }
    match row["operation"].as_str().unwrap() {
        "delete (agent gone)" => statements.push(format!(
            "UPDATE source_visits SET last_visit_time = 0 WHERE source_id = '{source_id}'"
        )),
        "collect_log (another command waits)" => statements.push(format!(
            "UPDATE sources SET command_name = 'START', command_generation = 9 \
             WHERE id = '{source_id}'"
        )),
        _ => {}
    }
    statements
}

/// Changes the database of a control plane that does not run.
fn change(plane: &ControlPlane, statements: &[String]) {
    let url = format!("sqlite://{}", plane.data().join("rehost.db").display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        for statement in statements {
            let done = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
                .execute(&mut database)
                .await
                .unwrap();
            assert_eq!(done.rows_affected(), 1, "{statement}");
        }
        database.close().await.unwrap();
    });
}

#[test]
fn every_operation_is_answered_as_the_table_says() {
    let mut plane = ControlPlane::start();
    let client = plane.administrator();
    let (target_id, receiver) = plane.join(JoinRole::Target, "vault");
    receiver.register_target(&target("vault")).unwrap();
    let template_id = add_template(&plane);
    let table: Vec<Value> = serde_json::from_str(TABLE).unwrap();
    let mut phases = table.iter().filter(|row| row["steps"].is_null());
    let phase = phases.find_map(|row| row["answer"]["task"]["phase"].as_str());
    let (mut led, mut statements) = (Vec::new(), Vec::new());
    for row in &table {
        let source_id = client.register_server(&source("web-1")).unwrap().id;
        let source_id = source_id.unwrap();
        let created = PostTask {
            syncing: row["created"]["syncing"].as_bool(),
            need_migration_test: row["created"]["need_migration_test"].as_bool(),
            ..task(&source_id, &target_id)
        };
        let pair = Pair {
            client: &client,
            task_id: client.create_task(&created).unwrap().id.unwrap(),
            template_id: &template_id,
            source_id,
        };
        for step in row["steps"].as_array().into_iter().flatten() {
            pair.does(step.as_str().unwrap()).unwrap();
        }
        statements.extend(by_hand(row, &pair, phase.unwrap()));
        led.push((pair.source_id, pair.task_id));
    }
    plane.stop();
    change(&plane, &statements);
    plane.restart();

    let client = plane.administrator();
    for (row, (source_id, task_id)) in table.iter().zip(led) {
        let pair = Pair {
            client: &client,
            source_id,
            task_id,
            template_id: &template_id,
        };
        tries(row, &pair);
    }
}

/// The operation of a row is answered as the row says.
fn tries(row: &Value, pair: &Pair<'_>) {
    let operation = row["operation"].as_str().unwrap();
    let on = format!("{operation} on {}: {}", row["state"], row["name"]);
    let shown = pair.client.show_task(&pair.task_id).unwrap();
    assert_eq!(shown.state.as_deref(), row["state"].as_str(), "{on}");
    if operation.ends_with("(agent connected)") {
        // It has just asked for its commands.
        pair.command();
    }
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
            let shown = pair.client.show_task(&pair.task_id).unwrap();
            assert_eq!(shown.state.as_deref(), row["state"].as_str(), "{on}");
        }
        (Ok(()), None) => pair.is_as(answer, &before, &on),
        _ => panic!("{on}: {done:?} where the table says {answer}"),
    }
}

/// A template that clones can be made from: its id.
fn add_template(plane: &ControlPlane) -> String {
    let body = json!({ "template": {
        "name": "clones", "is_template": true, "region": "r", "projectid": "p",
        "target_server_name": "clone", "availability_zone": "a",
    }});
    let token = plane.token();
    let headers = [
        ("X-Auth-Token", token.as_str()),
        ("Content-Type", "application/json"),
    ];
    let answer = plane.send(
        "POST",
        "/v3/vm/templates",
        &headers,
        body.to_string().as_bytes(),
    );
    answer.json()["id"].as_str().unwrap().to_owned()
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
    let template_id = add_template(&plane);
    let pair = Pair {
        client: &client,
        task_id: client.create_task(&created).unwrap().id.unwrap(),
        template_id: &template_id,
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
