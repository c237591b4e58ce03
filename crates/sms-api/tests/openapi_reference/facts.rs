//! An OpenAPI document as a flat list of facts, so that two documents can be compared line by line.
//!
//! A fact has a place, such as `list_servers query limit` or `PutDisk.id`, an aspect, such as
//! `maximum`, and a value. What says nothing is left out: a smallest length of 0, a length beside a
//! list of words, the bounds that a format has by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Facts by place and aspect.
pub(crate) type Facts = BTreeMap<(String, String), Value>;

/// A document that is being read.
pub(crate) struct Document<'d> {
    root: &'d Value,
    facts: Facts,
    /// Schemas that were met and whose members are still to be told.
    waiting: Vec<String>,
    told: BTreeSet<String>,
}

const ASPECTS: [&str; 9] = [
    "format",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "default",
];

impl<'d> Document<'d> {
    /// All facts about the operations with these ids and about the schemas that they use.
    pub(crate) fn facts(root: &'d Value, ids: &BTreeSet<String>) -> Facts {
        let mut document = Self {
            root,
            facts: Facts::new(),
            waiting: vec!["Error".to_owned(), "ForbiddenError".to_owned()],
            told: BTreeSet::new(),
        };
        for (path, method, operation) in operations(root) {
            if ids.contains(word(operation, "operationId")) {
                document.operation(path, method, operation);
            }
        }
        while let Some(name) = document.waiting.pop() {
            if document.told.insert(name.clone()) {
                document.named_schema(&name);
            }
        }
        document.facts
    }

    fn tell(&mut self, place: &str, aspect: &str, value: Value) {
        let key = (place.to_owned(), aspect.to_owned());
        let before = self.facts.insert(key, value);
        assert!(before.is_none(), "{place} {aspect} is there twice");
    }

    fn operation(&mut self, path: &str, method: &str, operation: &'d Value) {
        let id = word(operation, "operationId");
        self.tell(id, "route", json!(format!("{method} {path}")));
        self.tell(id, "official name", operation["x-official-name"].clone());
        self.tell(id, "tag", operation["tags"][0].clone());
        self.tell(id, "deprecated", json!(operation["deprecated"] == true));
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = word(parameter, "name");
            let place = format!("{id} {} {name}", word(parameter, "in"));
            self.tell(&place, "required", json!(parameter["required"] == true));
            self.schema(&place, &parameter["schema"]);
        }
        if let Some(body) = operation.get("requestBody") {
            let place = format!("{id} request");
            self.tell(&place, "required", json!(body["required"] == true));
            self.schema(&place, &body["content"]["application/json"]["schema"]);
        }
        for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
            if !status.starts_with('2') {
                continue;
            }
            let place = format!("{id} answer");
            self.tell(&place, "status", json!(status));
            for (media_type, content) in answer["content"].as_object().into_iter().flatten() {
                self.tell(&place, "media type", json!(media_type));
                if let Some(schema) = content.get("schema") {
                    self.schema(&place, schema);
                }
            }
        }
    }

    fn named_schema(&mut self, name: &str) {
        match self.root["components"]["schemas"].get(name) {
            Some(schema) => self.members(name, schema),
            None => panic!("the schema {name} is used and not there"),
        }
    }

    /// Facts about a value at a place; an object with a name is told once, under its name.
    fn schema(&mut self, place: &str, schema: &'d Value) {
        let (schema, mut nullable) = without_null(schema);
        let (schema, name) = self.resolved(schema);
        let (schema, inside) = without_null(schema);
        nullable |= inside;
        if nullable {
            self.tell(place, "null", json!(true));
        }
        if schema.get("properties").is_some() {
            let name = name.map_or_else(|| place.to_owned(), ToOwned::to_owned);
            self.tell(place, "schema", json!(name));
            self.waiting.push(name);
            return;
        }
        if let Some(types) = types(schema) {
            self.tell(place, "type", json!(types.into_iter().collect::<Vec<_>>()));
        }
        for aspect in ASPECTS {
            if let Some(value) = schema
                .get(aspect)
                .filter(|value| !says_nothing(aspect, value, schema))
            {
                self.tell(place, aspect, value.clone());
            }
        }
        if let Some(values) = schema["enum"].as_array() {
            let values = values.iter().filter(|it| !it.is_null());
            let words = values.map(|it| it.as_str().map_or_else(|| it.to_string(), Into::into));
            let words: BTreeSet<String> = words.collect();
            self.tell(place, "enum", json!(words));
        }
        if let Some(items) = schema.get("items") {
            self.schema(&format!("{place}[]"), items);
        }
        if let Some(values) = schema
            .get("additionalProperties")
            .filter(|it| it.is_object())
        {
            self.schema(&format!("{place}{{}}"), values);
        }
    }

    fn members(&mut self, name: &str, schema: &'d Value) {
        let required: BTreeSet<_> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let members = schema["properties"].as_object();
        for (member, schema) in members.into_iter().flatten() {
            let place = format!("{name}.{member}");
            self.tell(
                &place,
                "required",
                json!(required.contains(member.as_str())),
            );
            self.schema(&place, schema);
        }
    }

    /// What a reference points to, with the name of the last one.
    fn resolved(&self, mut schema: &'d Value) -> (&'d Value, Option<&'d str>) {
        let mut name = None;
        while let Some(reference) = schema["$ref"].as_str() {
            let last = reference.rsplit('/').next().unwrap_or_default();
            name = Some(last);
            schema = &self.root["components"]["schemas"][last];
            assert!(!schema.is_null(), "the schema {last} is used and not there");
        }
        (schema, name)
    }
}

/// All operations with their paths and methods.
pub(crate) fn operations(root: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = root["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// A member that is text.
pub(crate) fn word<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// Takes the alternative `null` away.
fn without_null(schema: &Value) -> (&Value, bool) {
    for word in ["oneOf", "anyOf"] {
        let Some(alternatives) = schema[word].as_array() else {
            continue;
        };
        let others: Vec<_> = alternatives
            .iter()
            .filter(|it| it["type"] != "null")
            .collect();
        if let ([other], true) = (&others[..], others.len() < alternatives.len()) {
            return (other, true);
        }
    }
    let nullable = schema["type"]
        .as_array()
        .is_some_and(|types| types.contains(&json!("null")));
    (schema, nullable)
}

/// Types but for `null`, those of alternatives included.
fn types(schema: &Value) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    match &schema["type"] {
        Value::String(one) => {
            found.insert(one.clone());
        }
        Value::Array(several) => found.extend(
            several
                .iter()
                .filter_map(Value::as_str)
                .filter(|it| *it != "null")
                .map(ToOwned::to_owned),
        ),
        _ => {
            let alternatives = ["oneOf", "anyOf"].map(|word| schema[word].as_array());
            for alternative in alternatives.into_iter().flatten().flatten() {
                found.extend(types(alternative)?);
            }
        }
    }
    found.remove("null");
    (!found.is_empty()).then_some(found)
}

fn says_nothing(aspect: &str, value: &Value, schema: &Value) -> bool {
    let largest = match schema["format"].as_str() {
        Some("int32") => i32::MAX.unsigned_abs().into(),
        _ => i64::MAX.unsigned_abs(),
    };
    match aspect {
        // A word of a list has the length that it has.
        "minLength" | "maxLength" if schema.get("enum").is_some() => true,
        "minLength" | "minItems" => *value == json!(0),
        "maximum" => value.as_u64().is_some_and(|it| it >= largest),
        _ => false,
    }
}
