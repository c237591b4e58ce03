//! Schemas of the document, compiled once into the form in which values are checked.

use regex_lite::Regex;
use serde_json::{Number, Value};

use super::schema::{
    BOOLEAN, INTEGER, LIST, ListLimits, Member, NULL, NUMBER, NumberLimits, OBJECT, Schema, TEXT,
    TextLimits, is_less,
};

/// Compiles a schema; what it refers to is looked up when it is used.
pub(super) fn compile(schema: &Value) -> Schema {
    let size = |word: &str| {
        schema[word]
            .as_u64()
            .and_then(|it| usize::try_from(it).ok())
    };
    let several = |word: &str| {
        let schemas = schema[word].as_array().into_iter().flatten();
        schemas.map(compile).collect::<Vec<_>>()
    };
    let mut alternatives = several("oneOf");
    alternatives.extend(several("anyOf"));
    Schema {
        types: types_of(&schema["type"]),
        reference: schema["$ref"]
            .as_str()
            .and_then(|it| it.rsplit('/').next())
            .map(ToOwned::to_owned),
        alternatives,
        all: several("allOf"),
        words: schema["enum"].as_array().cloned(),
        any_case: schema["x-case-insensitive"] == true,
        text: TextLimits {
            min_length: size("minLength").unwrap_or(0),
            max_length: size("maxLength"),
            // A test sees to it that every pattern of the document can be read.
            pattern: schema["pattern"]
                .as_str()
                .and_then(|it| Regex::new(it).ok()),
        },
        number: number_limits(schema),
        list: ListLimits {
            items: schema
                .get("items")
                .filter(|it| it.is_object())
                .map(|it| Box::new(compile(it))),
            min_items: size("minItems").unwrap_or(0),
            max_items: size("maxItems"),
        },
        members: members_of(schema),
        values: schema
            .get("additionalProperties")
            .filter(|it| it.is_object())
            .map(|it| Box::new(compile(it))),
    }
}

fn types_of(types: &Value) -> u8 {
    let bit = |name: &Value| match name.as_str() {
        Some("null") => NULL,
        Some("boolean") => BOOLEAN,
        Some("integer") => INTEGER,
        Some("number") => INTEGER | NUMBER,
        Some("string") => TEXT,
        Some("array") => LIST,
        Some("object") => OBJECT,
        _ => 0,
    };
    match types {
        Value::Array(names) => names.iter().map(bit).fold(0, |all, one| all | one),
        name => bit(name),
    }
}

/// Limits of a number; the format of an integer is one, too.
fn number_limits(schema: &Value) -> NumberLimits {
    let of_format = match schema["format"].as_str() {
        Some("int32") => Some((Number::from(i32::MIN), Number::from(i32::MAX))),
        Some("int64") => Some((Number::from(i64::MIN), Number::from(i64::MAX))),
        _ => None,
    };
    let mut limits = NumberLimits {
        min: schema["minimum"].as_number().cloned(),
        max: schema["maximum"].as_number().cloned(),
    };
    if let Some((min, max)) = of_format {
        limits.min = limits.min.filter(|it| is_less(&min, it)).or(Some(min));
        limits.max = limits.max.filter(|it| is_less(it, &max)).or(Some(max));
    }
    limits
}

fn members_of(schema: &Value) -> Vec<Member> {
    let required = |name: &str| {
        let names = schema["required"].as_array();
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    let members = schema["properties"].as_object().into_iter().flatten();
    members
        .map(|(name, schema)| Member {
            name: name.clone(),
            required: required(name),
            schema: compile(schema),
        })
        .collect()
}
