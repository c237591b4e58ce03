//! Values made from schemas: one that fits, with choices from a tape, and for every limit one value
//! just inside and one just outside.

use rehost_sms_api::contract;
use serde_json::{Map, Value, json};

/// How deep values are built where schemas contain themselves.
const MAX_DEPTH: usize = 8;

/// Choices that somebody else made; behind its end the first one is always chosen.
pub(crate) struct Tape<'c> {
    choices: &'c [u16],
}

impl<'c> Tape<'c> {
    pub(crate) fn new(choices: &'c [u16]) -> Self {
        Self { choices }
    }

    /// A number below `count`.
    pub(crate) fn choose(&mut self, count: usize) -> usize {
        match self.choices.split_first() {
            Some((choice, rest)) => {
                self.choices = rest;
                usize::from(*choice) % count.max(1)
            }
            None => 0,
        }
    }
}

/// Whether optional members are written.
#[derive(Clone, Copy)]
pub(crate) enum Optional {
    /// All of them.
    Yes,
    /// None of them.
    No,
    /// As the tape says; some of them as `null`, and with members that are not known.
    Maybe,
}

/// A value that fits a schema.
pub(crate) fn fitting(schema: &Value, optional: Optional, tape: &mut Tape<'_>) -> Value {
    fitting_at(schema, optional, tape, 0)
}

fn fitting_at(schema: &Value, optional: Optional, tape: &mut Tape<'_>, depth: usize) -> Value {
    let schema = resolved(schema);
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter(|word| !word.is_null()).collect();
        return words[tape.choose(words.len())].clone();
    }
    match kind(schema) {
        "string" => {
            let min = size(schema, "minLength").unwrap_or(0);
            let max = size(schema, "maxLength").unwrap_or(300).min(min + 300);
            let length = min + tape.choose(max - min + 1);
            json!("a-Z0"[tape.choose(4)..][..1].repeat(length))
        }
        "integer" => {
            let (min, max) = bounds(schema);
            let span = usize::try_from(max - min).unwrap_or(usize::MAX);
            let above = i128::try_from(tape.choose(span.saturating_add(1))).unwrap_or(0);
            integer(min + above)
        }
        "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(0.5)),
        "boolean" => json!(tape.choose(2) == 1),
        "array" => {
            let min = size(schema, "minItems").unwrap_or(0);
            let more = if matches!(optional, Optional::Yes) {
                1
            } else {
                tape.choose(3)
            };
            let count = match optional {
                Optional::No => min,
                _ => size(schema, "maxItems")
                    .unwrap_or(usize::MAX)
                    .min(min.max(more)),
            };
            let items = (0..count).map(|_| fitting_at(&schema["items"], optional, tape, depth + 1));
            Value::Array(items.collect())
        }
        "object" => fitting_object(schema, optional, tape, depth),
        _ => json!({"any": [1, "thing", null]}),
    }
}

fn fitting_object(schema: &Value, optional: Optional, tape: &mut Tape<'_>, depth: usize) -> Value {
    let mut object = Map::new();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let wanted = match optional {
            _ if is_required(schema, name) => 1,
            _ if depth >= MAX_DEPTH => 0,
            Optional::Yes => 1,
            Optional::No => 0,
            Optional::Maybe => tape.choose(3),
        };
        match wanted {
            0 => {}
            1 => {
                let value = fitting_at(member, optional, tape, depth + 1);
                object.insert(name.clone(), value);
            }
            _ => {
                object.insert(name.clone(), Value::Null);
            }
        }
    }
    let is_map = schema.get("additionalProperties").is_some();
    if matches!(optional, Optional::Maybe) && !is_map && tape.choose(4) == 3 {
        object.insert("not_known".to_owned(), json!([{"a": null}, 1.5, "b"]));
    }
    Value::Object(object)
}

/// A member, where it is, and what is said about it.
pub(crate) struct Member<'d> {
    /// Where it is in a value that has all members, as a JSON pointer.
    pub(crate) pointer: String,
    /// The same as violations write it.
    pub(crate) path: String,
    /// Its schema.
    pub(crate) schema: &'d Value,
    /// Whether it is demanded; `None` for items of lists.
    pub(crate) required: Option<bool>,
}

/// All members of all depths.
pub(crate) fn members<'d>(schema: &'d Value) -> Vec<Member<'d>> {
    let mut found = Vec::new();
    collect(schema, "", "", 0, &mut found);
    found
}

fn collect<'d>(
    schema: &'d Value,
    pointer: &str,
    path: &str,
    depth: usize,
    found: &mut Vec<Member<'d>>,
) {
    if depth > MAX_DEPTH / 2 {
        return;
    }
    let schema = resolved(schema);
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if path.is_empty() { "" } else { "." };
        let (pointer, path) = (format!("{pointer}/{name}"), format!("{path}{dot}{name}"));
        collect(member, &pointer, &path, depth + 1, found);
        found.push(Member {
            pointer,
            path,
            schema: resolved(member),
            required: Some(is_required(schema, name)),
        });
    }
    if let Some(items) = schema.get("items") {
        let (pointer, path) = (format!("{pointer}/0"), format!("{path}[0]"));
        collect(items, &pointer, &path, depth + 1, found);
        found.push(Member {
            pointer,
            path,
            schema: resolved(items),
            required: None,
        });
    }
}

/// Values just inside and just outside of every limit of a schema.
pub(crate) fn edges(schema: &Value) -> (Vec<Value>, Vec<Value>) {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    let kind = kind(schema);
    if let Some(words) = schema["enum"].as_array() {
        inside.extend(words.iter().filter(|word| !word.is_null()).cloned());
        outside.push(json!("no such word"));
        return (inside, outside);
    }
    match kind {
        "string" => {
            if let Some(max) = size(schema, "maxLength") {
                inside.extend([json!("a".repeat(max))]);
                outside.push(json!("a".repeat(max + 1)));
                if schema.get("pattern").is_none() {
                    // Characters count, not bytes.
                    inside.push(json!("ü".repeat(max)));
                }
            }
            if let Some(min) = size(schema, "minLength").filter(|min| *min > 0) {
                inside.push(json!("a".repeat(min)));
                outside.push(json!("a".repeat(min - 1)));
            }
            if schema.get("pattern").is_some() {
                outside.push(json!("a b"));
            }
        }
        "integer" => {
            let (min, max) = bounds(schema);
            inside.extend([integer(min), integer(max)]);
            outside.extend([integer(min - 1), integer(max + 1), json!(1.5)]);
        }
        "number" => {
            if let Some(min) = schema["minimum"].as_f64() {
                inside.push(json!(min));
                outside.push(json!(min - 0.5));
            }
            if let Some(max) = schema["maximum"].as_f64() {
                inside.push(json!(max));
                outside.push(json!(max + 0.5));
            }
        }
        "array" => {
            let item = || fitting(&schema["items"], Optional::No, &mut Tape::new(&[]));
            if let Some(max) = size(schema, "maxItems") {
                inside.push(Value::Array(vec![item(); max]));
                outside.push(Value::Array(vec![item(); max + 1]));
            }
            if let Some(min) = size(schema, "minItems").filter(|min| *min > 0) {
                inside.push(Value::Array(vec![item(); min]));
                outside.push(Value::Array(vec![item(); min - 1]));
            }
        }
        _ => {}
    }
    match kind {
        "any" => {}
        "array" | "object" => outside.push(json!("text")),
        "boolean" => outside.push(json!(1)),
        _ => outside.push(json!([1])),
    }
    (inside, outside)
}

/// What a schema says once references are followed and the alternative `null` is left out.
pub(crate) fn resolved(mut schema: &Value) -> &Value {
    loop {
        if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
            schema = &contract::document()["components"]["schemas"][name];
            continue;
        }
        let alternatives = ["oneOf", "anyOf", "allOf"].map(|word| schema[word].as_array());
        let mut others = alternatives.into_iter().flatten().flatten();
        match others.find(|other| other["type"] != "null") {
            Some(other) => schema = other,
            None => return schema,
        }
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    let names = schema["required"].as_array();
    names.is_some_and(|names| names.iter().any(|it| it == name))
}

fn size(schema: &Value, word: &str) -> Option<usize> {
    schema[word]
        .as_u64()
        .and_then(|it| usize::try_from(it).ok())
}

/// The type of the values that are made; text where there is a choice.
pub(crate) fn kind(schema: &Value) -> &str {
    let types = match &schema["type"] {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    };
    let of_choice = types.iter().find(|it| **it == "string");
    let any = || types.iter().find(|it| **it != "null");
    of_choice.or_else(any).copied().unwrap_or("any")
}

fn bounds(schema: &Value) -> (i128, i128) {
    let (min, max) = if schema["format"] == "int32" {
        (i128::from(i32::MIN), i128::from(i32::MAX))
    } else {
        (i128::from(i64::MIN), i128::from(i64::MAX))
    };
    let limit = |word: &str| {
        schema[word]
            .as_number()
            .and_then(serde_json::Number::as_i128)
    };
    (
        limit("minimum").map_or(min, |it| it.max(min)),
        limit("maximum").map_or(max, |it| it.min(max)),
    )
}

/// An integer of JSON; one that no integer of 64 bits can hold becomes a float.
fn integer(value: i128) -> Value {
    let unsigned = || u64::try_from(value).map(Value::from);
    let signed = i64::try_from(value).map(Value::from);
    #[expect(clippy::cast_precision_loss, reason = "far outside of every limit")]
    let float = || json!(value as f64);
    signed.or_else(|_| unsigned()).unwrap_or_else(|_| float())
}
