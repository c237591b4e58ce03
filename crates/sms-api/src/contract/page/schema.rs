//! Schemas on the page.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::{Escaped, text};

/// Writes a schema with its members.
pub(super) fn write_schema(html: &mut String, name: &str, schema: &Value) -> fmt::Result {
    writeln!(
        html,
        "<details id=\"{}\"><summary><code>{}</code> {}</summary>",
        anchor(name),
        Escaped(name),
        text(schema, "description"),
    )?;
    match schema["properties"].as_object() {
        None => writeln!(html, "<p>{}</p>", type_in_words(schema))?,
        Some(members) => {
            let required = schema["required"].as_array();
            html.push_str("<table>\n");
            for (member, schema) in members {
                let needed = required.is_some_and(|it| it.iter().any(|name| name == member));
                writeln!(
                    html,
                    "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                    Escaped(member),
                    if needed { "needed" } else { "" },
                    type_in_words(schema),
                    text(schema, "description"),
                )?;
            }
            html.push_str("</table>\n");
        }
    }
    html.push_str("</details>\n");
    Ok(())
}

/// The name of a place on the page.
pub(super) fn anchor(name: &str) -> String {
    let letters = name.chars();
    letters
        .map(|it| if it.is_ascii_alphanumeric() { it } else { '-' })
        .collect()
}

/// Type and limits of a value, as HTML.
pub(super) fn type_in_words(schema: &Value) -> String {
    let mut words = Vec::new();
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        words.push(format!(
            "<a href=\"#{}\">{}</a>",
            anchor(name),
            Escaped(name)
        ));
    }
    for list in ["oneOf", "anyOf", "allOf"] {
        if let Some(schemas) = schema[list].as_array() {
            let schemas: Vec<_> = schemas.iter().map(type_in_words).collect();
            words.push(schemas.join(" or "));
        }
    }
    match &schema["type"] {
        Value::String(name) => words.push(type_name(name).to_owned()),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).map(type_name);
            words.push(names.collect::<Vec<_>>().join(" or "));
        }
        _ => {}
    }
    if let Some(items) = schema.get("items") {
        words.push(format!("of {}", type_in_words(items)));
    }
    if let Some(values) = schema
        .get("additionalProperties")
        .filter(|it| it.is_object())
    {
        words.push(format!("of {}", type_in_words(values)));
    }
    if let Some(listed) = schema["enum"].as_array() {
        let listed: Vec<_> = listed
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("<code>{}</code>", Escaped(word)))
            .collect();
        words.push(listed.join(" "));
    }
    words.extend(limits(schema));
    if words.is_empty() {
        "anything".to_owned()
    } else {
        words.join(", ")
    }
}

fn type_name(name: &str) -> &str {
    match name {
        "string" => "text",
        "array" => "list",
        other => other,
    }
}

fn limits(schema: &Value) -> Vec<String> {
    let range = |unit: &str, min: &str, max: &str| {
        let (min, max) = (schema.get(min), schema.get(max));
        match (min, max) {
            (Some(min), Some(max)) => Some(format!("{min} to {max}{unit}")),
            (Some(min), None) => Some(format!("at least {min}{unit}")),
            (None, Some(max)) => Some(format!("at most {max}{unit}")),
            (None, None) => None,
        }
    };
    let mut limits: Vec<_> = [
        range(" characters", "minLength", "maxLength"),
        range(" items", "minItems", "maxItems"),
        range("", "minimum", "maximum"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(pattern) = schema["pattern"].as_str() {
        limits.push(format!("<code>{}</code>", Escaped(pattern)));
    }
    if let Some(default) = schema.get("default") {
        limits.push(format!(
            "default <code>{}</code>",
            Escaped(&default.to_string())
        ));
    }
    limits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::type_in_words;

    #[test]
    fn a_schema_is_told_in_words() {
        let cases = [
            (json!({}), "anything"),
            (
                json!({"type": "string", "maxLength": 5}),
                "text, at most 5 characters",
            ),
            (
                json!({"type": ["integer", "null"], "minimum": 0, "maximum": 9, "default": 1}),
                "integer or null, 0 to 9, default <code>1</code>",
            ),
            (
                json!({"type": "array", "items": {"$ref": "#/components/schemas/A"}}),
                "list, of <a href=\"#A\">A</a>",
            ),
            (
                json!({"type": "string", "pattern": "^<$"}),
                "text, <code>^&lt;$</code>",
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(type_in_words(&schema), expected);
        }
    }
}
