//! The document as a page for people: one HTML file without scripts and without anything to fetch,
//! so that it can be read where there is no way to the Internet.

mod schema;

use std::fmt::{self, Display, Write as _};
use std::sync::LazyLock;

use serde_json::Value;

use super::document;
use schema::{anchor, type_in_words, write_schema};

const STYLE: &str = include_str!("page/style.css");

/// The page.
#[must_use]
pub fn page() -> &'static str {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let mut html = String::new();
        // Writing to text cannot fail.
        let _ = write_page(&mut html, document());
        html
    });
    &PAGE
}

/// Text with what HTML would read as its own written out.
struct Escaped<'t>(&'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A member that is text, ready for HTML.
fn text<'v>(value: &'v Value, member: &str) -> Escaped<'v> {
    Escaped(value[member].as_str().unwrap_or_default())
}

fn write_page(html: &mut String, document: &Value) -> fmt::Result {
    let info = &document["info"];
    writeln!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title} {version}</h1><p>{description}</p>\
         <p>For programs: <a href=\"/openapi.json\">openapi.json</a></p></header>",
        title = text(info, "title"),
        version = text(info, "version"),
        description = text(info, "description"),
    )?;
    let operations = operations(document);
    html.push_str("<nav>\n");
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(tag, "name");
        writeln!(html, "<a href=\"#{}\">{name}</a>", anchor(name.0))?;
    }
    html.push_str("<a href=\"#schemas\">Schemas</a>\n</nav>\n<main>\n");
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(tag, "name");
        writeln!(html, "<h2 id=\"{}\">{name}</h2>", anchor(name.0))?;
        for operation in operations
            .iter()
            .filter(|it| it.value["tags"][0] == tag["name"])
        {
            write_operation(html, operation)?;
        }
    }
    html.push_str("<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        write_schema(html, name, schema)?;
    }
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

struct Operation<'d> {
    path: &'d str,
    method: &'d str,
    value: &'d Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, value)| Operation {
                path,
                method,
                value,
            })
        })
        .collect()
}

fn write_operation(html: &mut String, operation: &Operation<'_>) -> fmt::Result {
    let value = operation.value;
    let gone = if value["deprecated"] == true {
        " <em>gone from SMS itself</em>"
    } else {
        ""
    };
    writeln!(
        html,
        "<details id=\"{id}\"><summary><b class=\"{method}\">{method}</b> \
         <code>{path}</code> {summary}{gone}</summary>\n<p>{name} <code>{id}</code>. {who}</p>",
        id = text(value, "operationId"),
        method = operation.method,
        path = Escaped(operation.path),
        summary = text(value, "summary"),
        name = text(value, "x-official-name"),
        who = text(value, "description"),
    )?;
    for (label, member) in [("Right", "x-action"), ("In the audit log", "x-audit-trace")] {
        if value.get(member).is_some() {
            writeln!(html, "<p>{label}: <code>{}</code></p>", text(value, member))?;
        }
    }
    write_parameters(html, &value["parameters"])?;
    if let Some(content) = value.pointer("/requestBody/content") {
        html.push_str("<h4>Request</h4>\n");
        write_content(html, content)?;
    }
    html.push_str("<h4>Answers</h4>\n<ul>\n");
    for (status, answer) in value["responses"].as_object().into_iter().flatten() {
        write!(html, "<li><code>{}</code> ", Escaped(status))?;
        if let Some(name) = answer["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
            let answer = &document()["components"]["responses"][name];
            write!(html, "{} ", text(answer, "description"))?;
            write_content(html, &answer["content"])?;
        } else {
            write_content(html, &answer["content"])?;
        }
        html.push_str("</li>\n");
    }
    html.push_str("</ul>\n</details>\n");
    Ok(())
}

fn write_content(html: &mut String, content: &Value) -> fmt::Result {
    for (media_type, content) in content.as_object().into_iter().flatten() {
        match content.get("schema") {
            Some(schema) => write!(html, "{}", type_in_words(schema))?,
            None => write!(html, "<code>{}</code>", Escaped(media_type))?,
        }
    }
    Ok(())
}

fn write_parameters(html: &mut String, parameters: &Value) -> fmt::Result {
    let parameters = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
    if parameters.is_empty() {
        return Ok(());
    }
    html.push_str("<h4>Parameters</h4>\n<table>\n");
    for parameter in parameters {
        let needed = if parameter["required"] == true {
            "needed"
        } else {
            ""
        };
        writeln!(
            html,
            "<tr><td><code>{}</code></td><td>{}</td><td>{needed}</td><td>{}</td><td>{}</td></tr>",
            text(parameter, "name"),
            text(parameter, "in"),
            type_in_words(&parameter["schema"]),
            text(parameter, "description"),
        )?;
    }
    html.push_str("</table>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_operation_and_fetches_nothing() {
        let page = page();
        for operation in crate::contract::operations() {
            assert!(page.contains(&format!("<details id=\"{}\">", operation.id)));
            assert!(page.contains(&format!("<code>{}</code>", operation.path)));
        }
        for word in ["<script", "src=", "url(", "@import", "http://", "<link"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn every_link_within_the_page_leads_somewhere() {
        let page = page();
        for link in page.split("href=\"#").skip(1) {
            let name = link.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            Escaped("<a href=\"&\">").to_string(),
            "&lt;a href=&quot;&amp;&quot;&gt;"
        );
    }
}
