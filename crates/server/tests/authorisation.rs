//! The promise: the table of operations, and nothing else, says who may call what. Every route is
//! called by everybody over real connections, and things of another tenant are not there.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use rehost_sms_api::contract::{self, Access, Method, Operation, Who, operations};
use rehost_sms_api::rehost::{AccountRole, MigrationReport};
use serde_json::{Value, json};
use support::tenants::{Tenant, Things, unknown};
use support::wire::Sender;
use support::{Answer, ControlPlane};

/// A file of the crate that tells of its routes.
const ROUTES: &str = include_str!("../src/http/routes.rs");
const TOKEN_PATH: &str = "/v3/auth/tokens";

#[test]
fn routes_and_table_are_the_same() {
    let served = routes_of(ROUTES);
    let table: BTreeSet<_> = operations()
        .map(|operation| (operation.method.as_str().to_owned(), shape(operation.path)))
        .collect();
    let lacking: Vec<_> = table.difference(&served).collect();
    assert!(
        lacking.is_empty(),
        "in the table and not served: {lacking:?}"
    );
    // Clients of IAM ask at its base with a slash at the end, which is the same.
    let same = ("GET".to_owned(), "/iam/".to_owned());
    let extra = served.difference(&table).filter(|route| **route != same);
    let extra: Vec<_> = extra.collect();
    assert!(extra.is_empty(), "served and not in the table: {extra:?}");
    // Were there routes elsewhere, the comparison would not know them.
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if !path.ends_with("http/routes.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for word in [".route(", ".nest(", ".route_service(", ".nest_service("] {
                    assert!(!text.contains(word), "{} has {word}", path.display());
                }
            }
        }
    }
}

/// Method and shape of every route in the text of a program.
fn routes_of(text: &str) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for route in text.split(".route(").skip(1) {
        let route = &route[..end_of_call(route)];
        let path = route.split('"').nth(1).unwrap();
        let handlers = route.rsplit('"').next().unwrap();
        let mut methods = 0;
        for method in [
            "get", "post", "put", "delete", "patch", "head", "options", "any",
        ] {
            let call = format!("{method}(");
            let whole = handlers.match_indices(&call).filter(|(at, _)| {
                let before = handlers[..*at].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
            });
            for _ in whole {
                methods += 1;
                assert!(
                    routes.insert((method.to_uppercase(), shape(path))),
                    "{path}"
                );
            }
        }
        assert!(methods > 0, "no method of {path} was found");
    }
    assert!(routes.len() > 60, "{routes:?}");
    routes
}

/// Where the call ends whose arguments a text begins with.
fn end_of_call(text: &str) -> usize {
    let mut depth = 1;
    let end = text.bytes().position(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    end.unwrap()
}

fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.starts_with('{') {
        true => "{}",
        false => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A column of the matrix.
struct Column<'a> {
    name: &'static str,
    sender: &'a Sender,
    /// Nothing if the control plane cannot know who it is.
    who: Option<Who>,
}

#[test]
fn everybody_gets_what_the_table_says() {
    let plane = ControlPlane::start();
    let first = Tenant::first(&plane);
    let other = Tenant::another(&plane, &first, "other");
    let things = first.make_things("alpha");
    let (nobody, stranger) = (
        Sender::nobody(&plane),
        Sender::with_token(&plane, "not-a-token"),
    );
    let account = |role| Some(Who::Account(role));
    let column = |name, sender, who| Column { name, sender, who };
    // Machines first, as long as there is something to look at.
    let columns = [
        column("agent", &first.agent, Some(Who::Agent)),
        column("receiver", &first.receiver, Some(Who::Receiver)),
        column("no credentials", &nobody, None),
        column("bad token", &stranger, None),
        column(
            "operator of another tenant",
            &other.operator,
            account(AccountRole::Operator),
        ),
        column(
            "read-only",
            &first.read_only,
            account(AccountRole::ReadOnly),
        ),
        column("operator", &first.operator, account(AccountRole::Operator)),
        column(
            "administrator",
            &first.administrator,
            account(AccountRole::Administrator),
        ),
    ];
    // What removes things comes last, and last of all what removes the receiver.
    let mut rows: Vec<&Operation> = operations().collect();
    rows.sort_by_key(|row| (row.id == "delete_target", row.method == Method::Delete));
    let mut wrong = Vec::new();
    for row in rows {
        for column in &columns {
            let role = if column.who == Some(Who::Receiver) {
                "target"
            } else {
                "source"
            };
            let path = path_to(row, &things, role, str::to_owned);
            let answer = column.sender.json(row.method.as_str(), &path, &json!({}));
            if let Err(why) = judge(row, column.who, &answer) {
                let text = answer.text();
                wrong.push(format!("{} {}: {why}\n    {text}", column.name, row.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether an answer is one that this kind of caller must get.
fn judge(operation: &Operation, who: Option<Who>, answer: &Answer) -> Result<(), String> {
    let iam = operation.path == TOKEN_PATH;
    let permitted = match who {
        None => operation.access == Access::Everyone,
        Some(who) => operation.access.permits(who),
    };
    let status = answer.status;
    if answer.header("x-request-id").is_none() {
        return Err("no request id".into());
    }
    if permitted {
        let turned_away = matches!(status, 401 | 403 | 405) || status >= 500;
        let is_route = status != 404 || answer.json()["error_code"] != "APIGW.0101";
        return match !turned_away && is_route {
            true => Ok(()),
            false => Err(format!("{status}, and is let in by the table")),
        };
    }
    let expected = if who.is_none() { 401 } else { 403 };
    if status != expected {
        return Err(format!("{status} in place of {expected}"));
    }
    let body = answer.json();
    let right = match (iam, expected) {
        (true, _) => is_iam_form(&body, expected),
        (false, 401) => is_gateway_form(&body, answer),
        (false, _) => is_forbidden_form(&body),
    };
    right
        .then_some(())
        .ok_or_else(|| format!("{status} in another form"))
}

fn is_iam_form(body: &Value, status: u16) -> bool {
    let text = |member: &str| {
        body["error"][member]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    };
    body["error"]["code"] == status && text("message") && text("title")
}

fn is_gateway_form(body: &Value, answer: &Answer) -> bool {
    let message = body["error_msg"].as_str().unwrap_or_default();
    body["error_code"] == "APIGW.0301"
        && message.starts_with("Incorrect IAM authentication information: ")
        && body["request_id"].as_str() == answer.header("x-request-id")
}

fn is_forbidden_form(body: &Value) -> bool {
    let (code, message) = (&body["error_code"], &body["error_msg"]);
    code == "SMS.9004"
        && message.as_str().is_some_and(|message| !message.is_empty())
        && body["encoded_authorization_message"].is_string()
        && body["error_param"] == json!([message])
        && body["details"] == json!([{ "error_code": code, "error_msg": message }])
}

/// The path of an operation on things, each id turned into what `id` makes of it.
fn path_to(
    operation: &Operation,
    things: &Things,
    role: &str,
    id: impl Fn(&str) -> String,
) -> String {
    let parts = operation.path.split('/').map(|part| {
        let name = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        match name {
            None => part.to_owned(),
            Some("role") => role.to_owned(),
            Some("version") => "v3".to_owned(),
            Some(name) => things
                .of_parameter(name)
                .map_or_else(|| "x".to_owned(), &id),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn things_of_another_tenant_are_404_exactly_as_unknown_ones() {
    let plane = ControlPlane::start();
    let first = Tenant::first(&plane);
    let other = Tenant::another(&plane, &first, "other");
    let things = first.make_things("alpha");
    other.make_things("beta");
    let account = Who::Account;
    let callers = [
        ("operator", &other.operator, account(AccountRole::Operator)),
        (
            "administrator",
            &other.administrator,
            account(AccountRole::Administrator),
        ),
        (
            "read-only",
            &other.read_only,
            account(AccountRole::ReadOnly),
        ),
        ("agent", &other.agent, Who::Agent),
        ("receiver", &other.receiver, Who::Receiver),
    ];
    let before = look_at(&first, &things);
    let mut looked_at = 0;
    let mut wrong = Vec::new();
    for operation in operations() {
        let mut parameters = operation.path_parameters();
        if !parameters.any(|name| things.of_parameter(name).is_some()) {
            continue;
        }
        for (name, sender, who) in &callers {
            if !operation.access.permits(*who) {
                continue;
            }
            let body = body_of(operation, *who);
            let role = if *who == Who::Receiver {
                "target"
            } else {
                "source"
            };
            let send = |path: &str| {
                let answer = sender.json(operation.method.as_str(), path, &body);
                (answer.status, answer.text())
            };
            let foreign = send(&path_to(operation, &things, role, str::to_owned));
            let (status, mut text) = send(&path_to(operation, &things, role, unknown));
            for id in things.ids() {
                text = text.replace(&unknown(id), id);
            }
            if foreign != (status, text) || status != 404 {
                wrong.push(format!("{name} {}: {status}, {foreign:?}", operation.id));
            }
            looked_at += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at > 80, "{looked_at}");
    assert_eq!(look_at(&first, &things), before, "nothing was changed");
}

/// What the owner sees of things.
fn look_at(tenant: &Tenant, things: &Things) -> Vec<Value> {
    let Things {
        source_id,
        task_id,
        user_id,
        ..
    } = things;
    let paths = [
        format!("/v3/sources/{source_id}"),
        format!("/v3/sources/{source_id}/command"),
        format!("/v3/tasks/{task_id}"),
        format!("/v3/tasks/{task_id}/speed-limit"),
        format!("/v3/vm/templates/{}", things.template_id),
        format!("/v3/migprojects/{}", things.migproject_id),
        format!("/rehost/v1/users/{user_id}"),
        format!("/rehost/v1/users/{user_id}/access-keys"),
    ];
    let see = |path: &String| {
        let mut seen = tenant.administrator.get(path).json();
        forget_times(&mut seen);
        seen
    };
    paths.iter().map(see).collect()
}

/// Takes out what goes on by itself.
fn forget_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !matches!(name.as_str(), "connected" | "last_visit_time"));
            members.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

/// A body that an operation takes: the example in the document, or one for routes without.
fn body_of(operation: &Operation, who: Who) -> Value {
    match operation.id {
        // The one action that an agent has.
        "update_task_status" if who == Who::Agent => {
            return json!({ "operation": "error_for_overspeed" });
        }
        "update_user" => return json!({ "role": "read-only" }),
        "create_access_key" => return json!({ "description": "mine" }),
        "report_target_task" => {
            return json!({ "state": "ready", "message": "", "paths": [] });
        }
        "update_boot_settings" => return json!({}),
        "report_boot" => {
            return json!({
                "purpose": "rehearsal", "bootable": true, "boot_seconds": 1.0,
                "fixup_seconds": 1.0, "started_at": 1, "ended_at": 2,
            });
        }
        "update_report" => return json!(MigrationReport::default()),
        "update_copy_plan" => return json!({ "disks": [] }),
        "update_disk_info" => {
            return json!({ "disks": [{ "name": "/dev/vda", "size": 1 << 30 }] });
        }
        _ => {}
    }
    let document: Value = serde_json::from_str(contract::document_text()).unwrap();
    let method = operation.method.as_str().to_lowercase();
    let described = &document["paths"][operation.path][method];
    let schema = &described["requestBody"]["content"]["application/json"]["schema"];
    let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|name| name.rsplit('/').next())
    else {
        return json!({});
    };
    let example = &document["components"]["schemas"][name]["example"];
    assert!(!example.is_null(), "{} has no example", operation.id);
    example.clone()
}
