//! Validation of requests against the schemas that the document shows.
//!
//! What the document says of a member is what holds: there is no second list of limits. Two things
//! are milder than a strict reading of the schemas, because clients of SMS rely on them: `null`
//! counts as absent where a member need not be there, and members that are not known are ignored.

mod codes;
mod compile;
mod schema;
mod violation;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::{Operation, document};
use compile::compile;
use schema::{Library, Schema};
pub use violation::{Fault, Place, Violation};

/// Checks the body of a request. An operation without a JSON body takes everything.
///
/// Takes time in proportion to the body and never more stack than its depth asks for, which the
/// parser of JSON has limited.
///
/// # Errors
/// The first [`Violation`] that is met.
pub fn validate_body(operation: &Operation, body: &Value) -> Result<(), Violation> {
    let Some(Request {
        body: Some(schema), ..
    }) = REQUESTS.by_id.get(operation.id)
    else {
        return Ok(());
    };
    REQUESTS
        .library
        .check(schema, body)
        .map_err(|found| found.into_violation(operation.id, Place::Body))
}

/// Checks the query of a request, given as pairs that are already decoded. Parameters that are not
/// known are ignored, and so is an empty text, which filters take for none.
///
/// # Errors
/// The first [`Violation`] that is met; a parameter that must be there and is not comes last.
pub fn validate_query<N, V>(
    operation: &Operation,
    pairs: impl IntoIterator<Item = (N, V)>,
) -> Result<(), Violation>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let Some(request) = REQUESTS.by_id.get(operation.id) else {
        return Ok(());
    };
    let violation = |name: &str, fault| Violation {
        operation: operation.id,
        place: Place::Query,
        path: name.to_owned(),
        fault,
    };
    let mut missing: Vec<&str> = request.required_query().collect();
    for (name, text) in pairs {
        let (name, text) = (name.as_ref(), text.as_ref());
        missing.retain(|it| *it != name);
        let Some(parameter) = request.query.iter().find(|it| it.name == name) else {
            continue;
        };
        let schema = &parameter.schema;
        let library = &REQUESTS.library;
        let value = library
            .value_of_text(schema, text)
            .ok_or_else(|| violation(name, library.wrong_type(schema)))?;
        if value == "" && !parameter.required {
            continue;
        }
        library
            .check(schema, &value)
            .map_err(|found| violation(name, found.into_fault()))?;
    }
    match missing.first() {
        None => Ok(()),
        Some(name) => Err(violation(name, Fault::Missing)),
    }
}

/// What a request of one operation must look like.
struct Request {
    body: Option<Schema>,
    query: Vec<Parameter>,
}

struct Parameter {
    name: String,
    required: bool,
    schema: Schema,
}

impl Request {
    fn required_query(&self) -> impl Iterator<Item = &str> {
        self.query
            .iter()
            .filter(|parameter| parameter.required)
            .map(|parameter| parameter.name.as_str())
    }
}

/// The schemas of all requests, ready for use.
struct Requests {
    library: Library,
    by_id: HashMap<String, Request>,
}

static REQUESTS: LazyLock<Requests> = LazyLock::new(|| Requests::of(document()));

impl Requests {
    fn of(document: &Value) -> Self {
        let library = Library::of(&document["components"]["schemas"]);
        let paths = document["paths"].as_object().into_iter().flatten();
        let by_id = paths
            .filter_map(|(_, item)| item.as_object())
            .flat_map(|item| item.values())
            .filter_map(|operation| {
                let id = operation["operationId"].as_str()?.to_owned();
                Some((id, request_of(operation)))
            })
            .collect();
        Self { library, by_id }
    }
}

fn request_of(operation: &Value) -> Request {
    let content = operation.pointer("/requestBody/content/application~1json/schema");
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    Request {
        body: content.map(compile),
        query: parameters
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| {
                Some(Parameter {
                    name: parameter["name"].as_str()?.to_owned(),
                    required: parameter["required"] == true,
                    schema: compile(&parameter["schema"]),
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::errors::ErrorCode;

    fn body(id: &str, body: Value) -> Result<(), (String, String)> {
        validate_body(Operation::of_id(id).unwrap(), &body)
            .map_err(|it| (it.to_string(), it.code().code().to_owned()))
    }

    fn query(id: &str, pairs: &[(&str, &str)]) -> Result<(), (String, String)> {
        validate_query(Operation::of_id(id).unwrap(), pairs.iter().copied())
            .map_err(|it| (it.to_string(), it.code().code().to_owned()))
    }

    fn refused(text: &str, code: &str) -> Result<(), (String, String)> {
        Err((text.to_owned(), code.to_owned()))
    }

    fn progress() -> Value {
        json!({"subtask_name": "MIGRATE_LINUX_BLOCK", "progress": 7, "replicatesize": 1,
            "totalsize": 2, "process_trace": ""})
    }

    #[test]
    fn null_is_absent_and_unknown_members_are_ignored() {
        let mut report = progress();
        report["migrate_speed"] = Value::Null;
        report["surprise"] = json!([{"a": [null]}]);
        assert_eq!(body("update_task_speed", report.clone()), Ok(()));
        report["progress"] = Value::Null;
        assert_eq!(
            body("update_task_speed", report),
            refused("progress is missing.", "SMS.6101")
        );
    }

    #[test]
    fn a_violation_names_the_member_and_the_limit() {
        let mut report = progress();
        report["progress"] = json!(101);
        assert_eq!(
            body("update_task_speed", report.clone()),
            refused("progress must be at most 100.", "SMS.6101")
        );
        report["progress"] = json!("7");
        assert_eq!(
            body("update_task_speed", report.clone()),
            refused("progress must be an integer.", "SMS.6101")
        );
        report["progress"] = json!(7.5);
        assert!(body("update_task_speed", report).is_err());
        assert_eq!(
            body("delete_servers", json!({"ids": []})),
            refused("ids must have at least 1 item.", "SMS.9001")
        );
        assert_eq!(
            body("delete_servers", json!({"ids": ["a", null]}))
                .unwrap_err()
                .1,
            "SMS.6011"
        );
        assert_eq!(
            body("delete_servers", json!([])),
            refused("The body must be an object.", "SMS.6011")
        );
        let disks = json!({"disks": [{}, {"physical_volumes": [{"adjust_size": -1}]}]});
        assert_eq!(
            body("update_server_name", disks),
            refused(
                "disks[1].physical_volumes[0].adjust_size must be at least 0.",
                "SMS.9001"
            )
        );
    }

    #[test]
    fn what_the_sender_named_is_shown_in_part_only() {
        let param = json!({ "x".repeat(100_000): 1 });
        let action = json!({"operation": "start", "param": param});
        let (text, _) = body("update_task_status", action).unwrap_err();
        assert_eq!(text, format!("param.{} must be text.", "x".repeat(64)));
    }

    #[test]
    fn words_in_both_cases_are_told_once() {
        let (text, code) = body(
            "update_copy_state",
            json!({"copystate": "asleep", "migrationcycle": "syncing"}),
        )
        .unwrap_err();
        assert_eq!(code, "SMS.6005");
        assert_eq!(text.matches("syncing").count(), 1, "{text}");
        assert!(!text.contains("SYNCING"), "{text}");
    }

    #[test]
    fn ids_are_text_or_integers() {
        for id in [json!(7), json!("7")] {
            let disks = json!({"disks": [{"id": id}]});
            assert_eq!(body("update_server_name", disks), Ok(()));
        }
        let disks = json!({"disks": [{"id": true}]});
        assert_eq!(body("update_server_name", disks).unwrap_err().1, "SMS.6011");
    }

    #[test]
    fn a_query_is_text_with_limits() {
        assert_eq!(
            query(
                "list_servers",
                &[
                    ("limit", "200"),
                    ("x", "y"),
                    ("state", ""),
                    ("migration_cycle", "Setting")
                ]
            ),
            Ok(())
        );
        assert_eq!(
            query("list_servers", &[("limit", "201")]),
            refused("limit must be at most 200.", "SMS.6404")
        );
        for limit in ["", "-1", "1.5", "x", "99999999999999999999"] {
            let found = query("list_servers", &[("limit", limit)]);
            assert_eq!(found.unwrap_err().1, "SMS.6404", "{limit}");
        }
        assert_eq!(
            query("list_servers", &[("connected", "maybe")]),
            refused("connected must be true or false.", "SMS.9001")
        );
        let state = query("list_tasks", &[("state", "ASLEEP")]).unwrap_err();
        assert!(
            state.0.starts_with("state must be one of READY, "),
            "{}",
            state.0
        );
    }

    #[test]
    fn a_body_as_deep_as_the_parser_permits_does_no_harm() {
        let depth = 120;
        let text = format!(
            r#"{{"auth":{{"scope":{}{{}}{}}}}}"#,
            r#"{"project":{"domain":"#.repeat(depth / 2),
            "}}".repeat(depth / 2)
        );
        let deep: Value = serde_json::from_str(&text).unwrap();
        let operation = Operation::of_id("issue_token").unwrap();
        let _either = validate_body(operation, &deep);
        let _either = validate_body(Operation::of_id("register_server").unwrap(), &deep);
    }

    #[test]
    fn operations_without_a_body_take_what_some_clients_send() {
        assert_eq!(body("delete_migproject", json!(["id"])), Ok(()));
        assert_eq!(body("update_default_migproject", json!({})), Ok(()));
    }

    #[test]
    fn every_operation_is_known_here() {
        for operation in crate::contract::operations() {
            assert!(
                REQUESTS.by_id.contains_key(operation.id),
                "{}",
                operation.id
            );
        }
        assert_eq!(ErrorCode::Parameters.code(), "SMS.9001");
    }
}
