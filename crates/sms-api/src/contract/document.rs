//! The OpenAPI document: the table of operations and the schemas of the bodies, put together.
//!
//! Handlers carry no attributes of their own, so nothing can be documented and not served, or the
//! other way round.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::path::{OperationBuilder, Parameter, PathItem};
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, Deprecated, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi,
    OpenApiBuilder, PathsBuilder, Ref, RefOr, Required, Response, Schema, ServerBuilder,
};
use utoipa::openapi::{extensions::Extensions, request_body::RequestBodyBuilder};

use super::flat::flat;
use super::forms::{Answer, Body, Form};
use super::responses::{REFUSALS, responses};
use super::{Access, Method, Operation, Tag, operations, parameters};

const TOKEN: &str = "XAuthToken";
const SIGNATURE: &str = "AkSkSignature";
const CERTIFICATE: &str = "MachineCertificate";

const DESCRIPTION: &str = "The public contract of SMS v3 and Rehost's own routes beside it. \
Sizes are bytes, speeds Mbit/s and times milliseconds since 1970, unless a member says otherwise. \
Requests may write `null` for an absent member and carry members that are not known here. \
Answers may gain members.";

/// The document as JSON, its members in the order of their names.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| serde_json::to_value(build()).unwrap_or_default());
    &DOCUMENT
}

/// The document as text, as it is served and as it stands in `docs/api/openapi.json`.
#[must_use]
pub fn document_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = serde_json::to_string_pretty(document()).unwrap_or_default();
        text.push('\n');
        text
    });
    &TEXT
}

fn build() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut tags: Vec<&str> = Vec::new();
    for operation in operations() {
        let item = PathItem::new(method(operation.method), described(operation));
        paths = paths.path(operation.path, item);
        if !tags.contains(&operation.tag.name()) {
            tags.push(operation.tag.name());
        }
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Rehost")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(
                    LicenseBuilder::new()
                        .name("Apache License 2.0")
                        .identifier(Some("Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .tags(Some(
            tags.into_iter()
                .map(|tag| TagBuilder::new().name(tag).build()),
        ))
        .paths(paths)
        .components(Some(components()))
        .build()
}

fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Put => HttpMethod::Put,
        Method::Delete => HttpMethod::Delete,
    }
}

fn described(operation: &Operation) -> utoipa::openapi::path::Operation {
    let mut builder = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .tag(operation.tag.name())
        .summary(Some(operation.summary))
        .description(Some(format!("For {}.", operation.access.in_words())))
        .responses(responses(operation))
        .securities(Some(securities(operation.access)))
        .extensions(Some(extensions(operation)));
    let parameters = parameters_of(operation);
    if !parameters.is_empty() {
        builder = builder.parameters(Some(parameters));
    }
    if operation.deprecated {
        builder = builder.deprecated(Some(Deprecated::True));
    }
    let required = match operation.body {
        Body::OptionalJson(_) => Required::False,
        _ => Required::True,
    };
    let body = RequestBodyBuilder::new().required(Some(required));
    match operation.body {
        Body::None => {}
        Body::Json(form) | Body::OptionalJson(form) => {
            let schema = Ref::from_schema_name((form.name)());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            builder = builder.request_body(Some(body.content("application/json", content).build()));
        }
        Body::Stream(media_type) => {
            let content = ContentBuilder::new().schema(None::<Schema>).build();
            builder = builder.request_body(Some(body.content(media_type, content).build()));
        }
    }
    builder.build()
}

fn parameters_of(operation: &Operation) -> Vec<Parameter> {
    let mut parameters: Vec<_> = operation
        .path_parameters()
        .map(parameters::in_path)
        .collect();
    for more in operation.parameters {
        parameters.extend(more());
    }
    let versions = operation.tag == Tag::API_VERSION;
    if versions || operation.access != Access::Everyone && operation.path.starts_with("/v3/") {
        parameters.extend(parameters::scope_headers());
    }
    parameters
}

fn securities(access: Access) -> Vec<SecurityRequirement> {
    let names: &[&str] = match access {
        Access::Everyone => &[],
        Access::Reader | Access::Operator | Access::Administrator => &[TOKEN, SIGNATURE],
        Access::Agent | Access::AgentOrReader => &[TOKEN, SIGNATURE, CERTIFICATE],
        Access::Receiver | Access::Machine => &[CERTIFICATE],
    };
    names
        .iter()
        .map(|name| SecurityRequirement::new::<_, [&str; 0], &str>(*name, []))
        .collect()
}

fn extensions(operation: &Operation) -> Extensions {
    let texts = [
        ("x-official-name", Some(operation.official_name)),
        ("x-action", operation.action),
        ("x-audit-trace", operation.trace),
    ];
    texts
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect()
}

fn components() -> Components {
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let mut add = |form: &Form| {
        let mut parts = vec![((form.name)().into_owned(), (form.schema)())];
        (form.parts)(&mut parts);
        for (name, schema) in parts {
            schemas.entry(name).or_insert_with(|| flat(schema));
        }
    };
    for operation in operations() {
        if let Body::Json(form) | Body::OptionalJson(form) = &operation.body {
            add(form);
        }
        if let Answer::Json { form, .. } = &operation.answer {
            add(form);
        }
    }
    for refusal in REFUSALS {
        add(&refusal.form);
    }
    ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(
            REFUSALS
                .iter()
                .map(|refusal| (refusal.name, RefOr::<Response>::T(refusal.response()))),
        )
        .security_scheme(
            TOKEN,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-Auth-Token",
                "A token, from the header X-Subject-Token of POST /v3/auth/tokens",
            ))),
        )
        .security_scheme(
            SIGNATURE,
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "Authorization",
                "SDK-HMAC-SHA256 Access=<AK>, SignedHeaders=<a;b;c>, Signature=<hexadecimal>, \
                 together with X-Sdk-Date",
            ))),
        )
        .security_scheme(
            CERTIFICATE,
            SecurityScheme::MutualTls {
                description: Some(
                    "The certificate that a machine got from POST /rehost/v1/join".to_owned(),
                ),
                extensions: None,
            },
        )
        .build()
}
