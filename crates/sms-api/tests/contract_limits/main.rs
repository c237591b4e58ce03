//! The promise: every limit that the document shows holds for requests, to the last character. The
//! values are made from the document itself, so that a limit cannot be forgotten here.

mod schemas;

use proptest::prelude::*;
use rehost_sms_api::contract::{self, Operation, operations, validate_body, validate_query};
use serde_json::{Value, json};

use schemas::{Optional, Tape, edges, fitting, kind, members, resolved};

/// All operations with a body of JSON, and its schema.
fn bodies() -> impl Iterator<Item = (&'static Operation, &'static Value)> {
    operations().filter_map(|operation| {
        let content = &described(operation)["requestBody"]["content"]["application/json"];
        Some((operation, content.get("schema")?))
    })
}

fn described(operation: &Operation) -> &'static Value {
    let method = operation.method.as_str().to_lowercase();
    &contract::document()["paths"][operation.path][method]
}

/// A body with every member that there can be.
fn full(schema: &Value) -> Value {
    fitting(schema, Optional::Yes, &mut Tape::new(&[]))
}

#[test]
fn a_body_with_every_member_and_one_with_the_least_are_accepted() {
    let mut count = 0;
    for (operation, schema) in bodies() {
        let least = fitting(schema, Optional::No, &mut Tape::new(&[]));
        for body in [full(schema), least] {
            let result = validate_body(operation, &body);
            assert_eq!(result, Ok(()), "{} {body}", operation.id);
        }
        count += 1;
    }
    assert!(count > 30, "{count} bodies");
}

#[test]
fn every_limit_of_every_member_holds() {
    let mut count = 0;
    for (operation, schema) in bodies() {
        let body = full(schema);
        for member in members(schema) {
            let (inside, outside) = edges(member.schema);
            for value in inside {
                let changed = with(&body, &member.pointer, value);
                let result = validate_body(operation, &changed);
                assert_eq!(result, Ok(()), "{} {}", operation.id, member.path);
                count += 1;
            }
            for value in outside {
                let shown = value.to_string();
                let shown: String = shown.chars().take(80).collect();
                let changed = with(&body, &member.pointer, value);
                let result = validate_body(operation, &changed);
                let path = result.err().map(|violation| violation.path);
                let expected = Some(member.path.clone());
                assert_eq!(path, expected, "{} accepts {shown}", operation.id);
                count += 1;
            }
        }
    }
    assert!(count > 1_000, "{count} values");
}

#[test]
fn what_is_demanded_must_be_there_and_nothing_else_must() {
    for (operation, schema) in bodies() {
        let body = full(schema);
        for member in members(schema) {
            let Some(required) = member.required else {
                continue;
            };
            let mut without = body.clone();
            let (parent, name) = member.pointer.rsplit_once('/').unwrap();
            let parent = without.pointer_mut(parent).and_then(Value::as_object_mut);
            parent.unwrap().remove(name);
            let result = validate_body(operation, &without);
            let path = result.err().map(|violation| violation.path);
            let expected = required.then(|| member.path.clone());
            assert_eq!(path, expected, "{} without it", operation.id);
            if !required {
                let null = with(&body, &member.pointer, Value::Null);
                assert_eq!(validate_body(operation, &null), Ok(()), "{}", member.path);
            }
        }
    }
}

#[test]
fn every_limit_of_every_query_holds() {
    let mut count = 0;
    for operation in operations() {
        let parameters = described(operation)["parameters"].as_array();
        for parameter in parameters
            .into_iter()
            .flatten()
            .filter(|it| it["in"] == "query")
        {
            let name = parameter["name"].as_str().unwrap();
            let schema = resolved(&parameter["schema"]);
            let (inside, outside) = edges(schema);
            for value in inside {
                let result = validate_query(operation, [(name, text(&value))]);
                assert_eq!(result, Ok(()), "{} {name}={value}", operation.id);
                count += 1;
            }
            // Every text is a text: what has another type cannot be written in a query. An empty
            // one is no filter.
            let is_text = kind(schema) == "string";
            let can_be_written = |value: &Value| *value != "" && (!is_text || value.is_string());
            for value in outside.into_iter().filter(can_be_written) {
                let result = validate_query(operation, [(name, text(&value))]);
                let path = result.err().map(|violation| violation.path);
                assert_eq!(path.as_deref(), Some(name), "{} {value}", operation.id);
                count += 1;
            }
        }
    }
    assert!(count > 50, "{count} values");
}

proptest! {
    #[test]
    fn bodies_within_the_limits_are_accepted(
        choices in prop::collection::vec(any::<u16>(), 0..400),
        which in any::<prop::sample::Index>(),
    ) {
        let bodies: Vec<_> = bodies().collect();
        let (operation, schema) = which.get(&bodies);
        let body = fitting(schema, Optional::Maybe, &mut Tape::new(&choices));
        prop_assert_eq!(validate_body(operation, &body), Ok(()), "{} {}", operation.id, body);
    }

    #[test]
    fn one_member_outside_of_its_limits_is_found_among_all_others(
        choices in prop::collection::vec(any::<u16>(), 0..400),
        which in any::<[prop::sample::Index; 3]>(),
    ) {
        let bodies: Vec<_> = bodies().collect();
        let (operation, schema) = which[0].get(&bodies);
        let body = fitting(schema, Optional::Maybe, &mut Tape::new(&choices));
        let present: Vec<_> = members(schema)
            .into_iter()
            .filter(|member| body.pointer(&member.pointer).is_some())
            .filter(|member| !edges(member.schema).1.is_empty())
            .collect();
        prop_assume!(!present.is_empty());
        let member = which[1].get(&present);
        let outside = edges(member.schema).1;
        let changed = with(&body, &member.pointer, which[2].get(&outside).clone());
        let path = validate_body(operation, &changed).err().map(|violation| violation.path);
        prop_assert_eq!(path, Some(member.path.clone()), "{} {}", operation.id, changed);
    }

    #[test]
    fn no_query_does_harm(name in "[a-z_]{1,20}", value in any::<String>()) {
        for operation in operations() {
            let _either = validate_query(operation, [(&name, &value)]);
            let _either = validate_query(operation, [("limit", &value), ("limit", &name)]);
        }
    }
}

fn with(body: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = body.clone();
    if let Some(place) = changed.pointer_mut(pointer) {
        *place = value;
        changed
    } else {
        json!({ "no such place": pointer })
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}
