//! Members that hold a plain value, written flat.
//!
//! The derive writes such a member as alternatives, `null` or the value, as soon as the value has a
//! schema of its own. One schema with several types says the same, and is what readers expect.

use serde_json::Value;
use utoipa::openapi::schema::{Object, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// The schema of an object with its members flat; other schemas as they are.
pub(super) fn flat(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        for member in object.properties.values_mut() {
            if let Some(value) = flat_member(member) {
                *member = RefOr::T(Schema::Object(value));
            }
        }
    }
    schema
}

/// The member as one schema, if its alternatives are one plain value and perhaps `null`.
fn flat_member(member: &RefOr<Schema>) -> Option<Object> {
    let RefOr::T(Schema::OneOf(alternatives)) = member else {
        return None;
    };
    let (nulls, others): (Vec<_>, Vec<_>) =
        alternatives.items.iter().partition(|item| is_null(item));
    let [RefOr::T(Schema::Object(value))] = others[..] else {
        return None;
    };
    let mut value = value.clone();
    value.description.clone_from(&alternatives.description);
    value.default.clone_from(&alternatives.default);
    if !nulls.is_empty() {
        let mut types = match value.schema_type {
            SchemaType::Type(one) => vec![one],
            SchemaType::Array(several) => several,
            SchemaType::AnyValue => return None,
        };
        types.push(Type::Null);
        value.schema_type = SchemaType::Array(types);
        if let Some(words) = &mut value.enum_values {
            words.push(Value::Null);
        }
    }
    Some(value)
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object))
        if object.schema_type == SchemaType::Type(Type::Null))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::flat;
    use crate::bodies::{PostSourceServerBody, PutDisk, ShowTaskResponse};

    fn members<T: PartialSchema>() -> Value {
        serde_json::to_value(flat(T::schema())).unwrap()["properties"].take()
    }

    #[test]
    fn words_and_ids_are_one_schema_with_their_description() {
        let members = members::<PostSourceServerBody>();
        let os_type = json!({
            "type": "string",
            "enum": ["WINDOWS", "LINUX"],
            "description": "Operating system family."
        });
        assert_eq!(members["os_type"], os_type);
        assert_eq!(members["firmware"]["type"], json!(["string", "null"]));
        assert_eq!(members["firmware"]["enum"], json!(["BIOS", "UEFI", null]));
        assert_eq!(members["id"]["type"], json!(["string", "integer", "null"]));
        assert_eq!(members["id"]["maxLength"], 255);
    }

    #[test]
    fn references_stay_alternatives() {
        let source = &members::<ShowTaskResponse>()["source_server"]["oneOf"];
        assert_eq!(source[0]["type"], "null");
        assert_eq!(
            source[1]["$ref"],
            "#/components/schemas/SourceServerResponse"
        );
        let id = &members::<PutDisk>()["id"];
        assert_eq!(id["type"], json!(["string", "integer", "null"]));
    }
}
