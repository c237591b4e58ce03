//! Parameters that no body type describes: those in paths and in headers, and IAM's queries.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{Deprecated, Required};

/// Longest id of SMS, in characters.
const MAX_ID_LENGTH: usize = 36;
/// Longest name of an access key or of a share.
const MAX_KEY_LENGTH: usize = 128;

/// A parameter of a path.
pub(super) fn in_path(name: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let (schema, description) = match name {
        "version" => (
            text.min_length(Some(1))
                .max_length(Some(10))
                .pattern(Some("^v[.0-9a-zA-Z]*$"))
                .build(),
            "Version, such as v3",
        ),
        "role" => (
            text.enum_values(Some(["source", "target"])).build(),
            "Which machine of the task",
        ),
        "t_project_id" => (text.build(), "Project id"),
        "t_network_id" => (text.build(), "Network id"),
        "key" => (text.build(), "Name of the agent package"),
        "access_key" => (key(), "Access key (AK)"),
        "share" => (key(), "The secret part of the address"),
        "source_id" | "server_id" => (id(), "Source server id"),
        "task_id" => (id(), "Task id"),
        "target_id" => (id(), "Target id"),
        "user_id" => (id(), "User id"),
        "mig_project_id" => (id(), "Migration project id"),
        _ => (id(), "Template id"),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn id() -> Object {
    limited_text(MAX_ID_LENGTH)
}

fn key() -> Object {
    limited_text(MAX_KEY_LENGTH)
}

fn limited_text(max_length: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(max_length))
        .build()
}

/// The headers that every call of SMS may carry. Tokens and access keys say the same; a contradiction
/// is not looked for, because SDKs differ in what they send.
pub(super) fn scope_headers() -> Vec<Parameter> {
    vec![
        text(
            ParameterIn::Header,
            "X-Project-Id",
            "Project id, as some SDKs send it",
        ),
        text(
            ParameterIn::Header,
            "X-Domain-Id",
            "Account id, as other SDKs send it",
        ),
    ]
}

/// The language of an export.
pub(super) fn language() -> Vec<Parameter> {
    vec![text(
        ParameterIn::Header,
        "X-Language",
        "Language of the export; it is English whatever is asked for",
    )]
}

/// Query of the token route.
pub(super) fn token() -> Vec<Parameter> {
    vec![text(
        ParameterIn::Query,
        "nocatalog",
        "Leave the catalog of services out; anything but false means so",
    )]
}

/// Header of the token route, and its query.
pub(super) fn subject_token() -> Vec<Parameter> {
    let mut subject = text(
        ParameterIn::Header,
        "X-Subject-Token",
        "The token that the call is about",
    );
    subject.required = Required::True;
    let mut parameters = token();
    parameters.push(subject);
    parameters
}

/// Query of the list of projects.
pub(super) fn projects() -> Vec<Parameter> {
    vec![
        text(ParameterIn::Query, "name", "Name of the project"),
        text(ParameterIn::Query, "domain_id", "Domain of the project"),
    ]
}

/// Query of the list of users.
pub(super) fn users() -> Vec<Parameter> {
    vec![text(ParameterIn::Query, "name", "Name of the user")]
}

fn text(place: ParameterIn, name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .deprecated(None::<Deprecated>)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}
