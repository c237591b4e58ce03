//! Compiled schemas, and the check of a value against one.

use std::collections::HashMap;

use regex_lite::Regex;
use serde_json::{Number, Value};

use super::compile::compile;
use super::violation::{Fault, Found};

pub(super) const NULL: u8 = 1;
pub(super) const BOOLEAN: u8 = 1 << 1;
pub(super) const INTEGER: u8 = 1 << 2;
pub(super) const NUMBER: u8 = 1 << 3;
pub(super) const TEXT: u8 = 1 << 4;
pub(super) const LIST: u8 = 1 << 5;
pub(super) const OBJECT: u8 = 1 << 6;

/// A compiled schema.
#[derive(Default)]
pub(super) struct Schema {
    /// Types that a value may have, as bits; 0 stands for every type.
    pub(super) types: u8,
    /// Name of another schema that holds as well.
    pub(super) reference: Option<String>,
    /// One of these holds as well, if there are any.
    pub(super) alternatives: Vec<Self>,
    /// All of these hold as well.
    pub(super) all: Vec<Self>,
    pub(super) words: Option<Vec<Value>>,
    /// Whether upper and lower case make no difference between words.
    pub(super) any_case: bool,
    pub(super) text: TextLimits,
    pub(super) number: NumberLimits,
    pub(super) list: ListLimits,
    pub(super) members: Vec<Member>,
    /// Members without a name of their own.
    pub(super) values: Option<Box<Self>>,
}

#[derive(Default)]
pub(super) struct TextLimits {
    pub(super) min_length: usize,
    pub(super) max_length: Option<usize>,
    pub(super) pattern: Option<Regex>,
}

#[derive(Default)]
pub(super) struct NumberLimits {
    pub(super) min: Option<Number>,
    pub(super) max: Option<Number>,
}

#[derive(Default)]
pub(super) struct ListLimits {
    pub(super) items: Option<Box<Schema>>,
    pub(super) min_items: usize,
    pub(super) max_items: Option<usize>,
}

pub(super) struct Member {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) schema: Schema,
}

/// All schemas that have a name.
pub(super) struct Library {
    schemas: HashMap<String, Schema>,
}

impl Library {
    /// Compiles the component schemas of a document.
    pub(super) fn of(schemas: &Value) -> Self {
        let schemas = schemas.as_object().into_iter().flatten();
        Self {
            schemas: schemas
                .map(|(name, schema)| (name.clone(), compile(schema)))
                .collect(),
        }
    }

    /// Checks a value; answers with the first fault.
    pub(super) fn check(&self, schema: &Schema, value: &Value) -> Result<(), Found> {
        if schema.types != 0 && schema.types & type_of(value) == 0 {
            return Err(self.wrong_type(schema).into());
        }
        if let Some(other) = self.referred(schema) {
            self.check(other, value)?;
        }
        for other in &schema.all {
            self.check(other, value)?;
        }
        self.check_alternatives(schema, value)?;
        if let Some(words) = &schema.words {
            // `null` is a matter of types.
            let is_it = |word: &Value| word == value || schema.any_case && same_word(word, value);
            if !value.is_null() && !words.iter().any(is_it) {
                return Err(match value.as_str() {
                    Some("") => Fault::Empty,
                    _ => Fault::Unlisted(listed(words, schema.any_case)),
                }
                .into());
            }
        }
        match value {
            Value::String(text) if text.contains('\0') => Err(Fault::Nul.into()),
            Value::String(text) => schema.text.check(text).map_err(Found::from),
            Value::Number(number) => schema.number.check(number).map_err(Found::from),
            Value::Array(items) => self.check_list(&schema.list, items),
            Value::Object(members) => self.check_members(schema, members),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn check_alternatives(&self, schema: &Schema, value: &Value) -> Result<(), Found> {
        let mut closest: Option<Found> = None;
        for other in &schema.alternatives {
            match self.check(other, value) {
                Ok(()) => return Ok(()),
                // An alternative of the right type says more about what is wrong than another one.
                Err(found) if !found.is_wrong_type() => closest = closest.or(Some(found)),
                Err(_) => {}
            }
        }
        match closest {
            Some(found) => Err(found),
            None if schema.alternatives.is_empty() => Ok(()),
            None => Err(self.wrong_type(schema).into()),
        }
    }

    fn check_list(&self, limits: &ListLimits, items: &[Value]) -> Result<(), Found> {
        if items.len() < limits.min_items {
            return Err(Fault::Few(limits.min_items).into());
        }
        if let Some(max) = limits.max_items.filter(|max| items.len() > *max) {
            return Err(Fault::Many(max).into());
        }
        if let Some(schema) = &limits.items {
            for (index, item) in items.iter().enumerate() {
                self.check(schema, item)
                    .map_err(|found| found.in_item(index))?;
            }
        }
        Ok(())
    }

    fn check_members(
        &self,
        schema: &Schema,
        members: &serde_json::Map<String, Value>,
    ) -> Result<(), Found> {
        for member in &schema.members {
            let name = &member.name;
            let value = members.get(name);
            match value.filter(|value| !value.is_null()) {
                Some(value) => self
                    .check(&member.schema, value)
                    .map_err(|found| found.in_member(name))?,
                None if !member.required => {}
                None if value.is_some() && self.check(&member.schema, &Value::Null).is_ok() => {}
                None => return Err(Found::from(Fault::Missing).in_member(name)),
            }
        }
        if let Some(values) = &schema.values {
            let named = |name: &str| schema.members.iter().any(|member| member.name == name);
            for (name, value) in members.iter().filter(|(name, _)| !named(name)) {
                self.check(values, value)
                    .map_err(|found| found.in_member(name))?;
            }
        }
        Ok(())
    }

    /// Reads the text of a query parameter as a value of the type that its schema has.
    pub(super) fn value_of_text(&self, schema: &Schema, text: &str) -> Option<Value> {
        let types = self.types(schema);
        if types == 0 || types & TEXT != 0 {
            return Some(Value::String(text.to_owned()));
        }
        if types & INTEGER != 0 {
            return text.parse::<i64>().ok().map(Value::from);
        }
        if types & NUMBER != 0 {
            return text.parse::<f64>().ok().map(Value::from);
        }
        text.parse::<bool>().ok().map(Value::from)
    }

    /// The fault of a value whose type the schema does not permit.
    pub(super) fn wrong_type(&self, schema: &Schema) -> Fault {
        const NAMES: [(u8, &str); 6] = [
            (TEXT, "text"),
            (INTEGER, "an integer"),
            (NUMBER, "a number"),
            (BOOLEAN, "true or false"),
            (LIST, "a list"),
            (OBJECT, "an object"),
        ];
        let mut types = self.types(schema);
        if types & NUMBER != 0 {
            types &= !INTEGER;
        }
        let names = NAMES.iter().filter(|(bit, _)| types & bit != 0);
        let names: Vec<_> = names.map(|(_, name)| *name).collect();
        Fault::Type(names.join(" or "))
    }

    /// All types that a schema permits, those of what it refers to included.
    fn types(&self, schema: &Schema) -> u8 {
        let mut types = schema.types;
        for other in schema.alternatives.iter().chain(&schema.all) {
            types |= self.types(other);
        }
        self.referred(schema)
            .map_or(types, |other| types | self.types(other))
    }

    fn referred(&self, schema: &Schema) -> Option<&Schema> {
        self.schemas.get(schema.reference.as_deref()?)
    }
}

impl TextLimits {
    fn check(&self, text: &str) -> Result<(), Fault> {
        // Bytes bound the characters from above, so most texts need not be counted.
        let is_long = |max: usize| text.len() > max && text.chars().nth(max).is_some();
        if self.min_length > 0 && text.is_empty() {
            return Err(Fault::Empty);
        }
        if self.min_length > 1 && text.chars().nth(self.min_length - 1).is_none() {
            return Err(Fault::Short(self.min_length));
        }
        if let Some(max) = self.max_length.filter(|max| is_long(*max)) {
            return Err(Fault::Long(max));
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                Err(Fault::Pattern(pattern.as_str().to_owned()))
            }
            _ => Ok(()),
        }
    }
}

impl NumberLimits {
    fn check(&self, number: &Number) -> Result<(), Fault> {
        if let Some(min) = self.min.as_ref().filter(|min| is_less(number, min)) {
            return Err(Fault::Small(min.to_string()));
        }
        if let Some(max) = self.max.as_ref().filter(|max| is_less(max, number)) {
            return Err(Fault::Large(max.to_string()));
        }
        Ok(())
    }
}

/// Whether one number is less than another: exactly for integers, which a float would round.
pub(super) fn is_less(left: &Number, right: &Number) -> bool {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left < right,
        _ => left.as_f64() < right.as_f64(),
    }
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(number) if number.is_f64() => NUMBER,
        Value::Number(_) => INTEGER | NUMBER,
        Value::String(_) => TEXT,
        Value::Array(_) => LIST,
        Value::Object(_) => OBJECT,
    }
}

fn same_word(one: &Value, other: &Value) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}

/// The words of a list as text; in one case only where case makes no difference.
fn listed(words: &[Value], any_case: bool) -> String {
    let mut shown: Vec<String> = Vec::new();
    for word in words.iter().filter(|word| !word.is_null()) {
        let text = word.as_str().map_or_else(|| word.to_string(), Into::into);
        let is_it = |other: &String| any_case && other.eq_ignore_ascii_case(&text);
        if !shown.iter().any(is_it) {
            shown.push(text);
        }
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, value: &Value) -> bool {
        let library = Library::of(&json!({"Name": {"type": "string", "maxLength": 3}}));
        library.check(&compile(schema), value).is_ok()
    }

    #[test]
    fn every_keyword_holds() {
        let cases = [
            (json!({"type": "integer"}), json!(1), json!(1.5)),
            (json!({"type": "number"}), json!(1), json!("1")),
            (json!({"type": ["string", "null"]}), json!(null), json!(1)),
            (json!({"type": "integer", "maximum": 5}), json!(5), json!(6)),
            (
                json!({"type": "number", "minimum": 0.5}),
                json!(0.5),
                json!(0),
            ),
            (
                json!({"format": "int32"}),
                json!(2_147_483_647),
                json!(2_147_483_648_i64),
            ),
            (
                json!({"format": "int64"}),
                json!(i64::MAX),
                json!(i64::MAX as u64 + 1),
            ),
            (json!({"maxLength": 2}), json!("äö"), json!("äöü")),
            (json!({"minLength": 2}), json!("äö"), json!("ä")),
            (json!({"minLength": 1}), json!("a"), json!("")),
            (
                json!({"pattern": "^[一-龥a-c]*$"}),
                json!("一a"),
                json!("d"),
            ),
            (json!({"enum": ["a", "b"]}), json!("b"), json!("c")),
            (json!({"enum": ["a", "b"]}), json!("b"), json!("B")),
            (
                json!({"enum": ["aB"], "x-case-insensitive": true}),
                json!("Ab"),
                json!("abb"),
            ),
            (json!({"maxItems": 1}), json!([1]), json!([1, 2])),
            (json!({"minItems": 1}), json!([1]), json!([])),
            (
                json!({"items": {"type": "string"}}),
                json!(["a"]),
                json!([1]),
            ),
            (
                json!({"$ref": "#/components/schemas/Name"}),
                json!("abc"),
                json!("abcd"),
            ),
            (
                json!({"oneOf": [{"type": "null"}, {"maxLength": 1}]}),
                json!("a"),
                json!("ab"),
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
                json!(1),
                json!([]),
            ),
            (
                json!({"allOf": [{"type": "string"}, {"minLength": 1}]}),
                json!("a"),
                json!(""),
            ),
            (
                json!({"additionalProperties": {"type": "string"}}),
                json!({"a": "b"}),
                json!({"a": 1}),
            ),
            (
                json!({"required": ["a"], "properties": {"a": {}}}),
                json!({"a": 1}),
                json!({}),
            ),
        ];
        for (schema, inside, outside) in cases {
            assert!(check(&schema, &inside), "{schema} refuses {inside}");
            assert!(!check(&schema, &outside), "{schema} accepts {outside}");
        }
    }

    #[test]
    fn every_pattern_of_the_document_can_be_read() {
        fn patterns(value: &Value) -> Vec<&str> {
            let own = value["pattern"].as_str().into_iter();
            let below: Vec<&Value> = match value {
                Value::Object(members) => members.values().collect(),
                Value::Array(items) => items.iter().collect(),
                _ => Vec::new(),
            };
            own.chain(below.into_iter().flat_map(patterns)).collect()
        }
        let patterns = patterns(crate::contract::document());
        assert!(patterns.len() > 3, "{patterns:?}");
        for pattern in patterns {
            assert!(Regex::new(pattern).is_ok(), "{pattern}");
        }
    }
}
