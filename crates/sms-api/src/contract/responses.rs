//! Answers of operations: the one success of each, and the refusals that all of them share.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{
    ContentBuilder, Header, Ref, RefOr, Response, ResponseBuilder, Responses, ResponsesBuilder,
    Schema,
};

use super::forms::{Answer, Body, Form};
use super::{Access, Method, Operation, Tag};
use crate::errors::{ErrorBody, ForbiddenBody, GatewayBody, IamErrorBody};

const JSON: &str = "application/json";

/// A refusal that many operations share.
pub(super) struct Refusal {
    /// Name in the document.
    pub(super) name: &'static str,
    /// Statuses, as the document writes them.
    status: &'static str,
    description: &'static str,
    /// Form of its body.
    pub(super) form: Form,
}

const BAD_REQUEST: Refusal = Refusal {
    name: "BadRequest",
    status: "400",
    description: "The request breaks a rule; the code says which",
    form: Form::of::<ErrorBody>(),
};
const UNAUTHORIZED: Refusal = Refusal {
    name: "Unauthorized",
    status: "401",
    description: "The caller is not known: no token, signature or certificate, or not a valid one",
    form: Form::of::<GatewayBody>(),
};
const FORBIDDEN: Refusal = Refusal {
    name: "Forbidden",
    status: "403",
    description: "The caller is known and may not do this",
    form: Form::of::<ForbiddenBody>(),
};
const NOT_FOUND: Refusal = Refusal {
    name: "NotFound",
    status: "404",
    description: "There is no such thing; clients take it as gone",
    form: Form::of::<ErrorBody>(),
};
const CONFLICT: Refusal = Refusal {
    name: "Conflict",
    status: "409",
    description: "The thing is in use, or there already",
    form: Form::of::<ErrorBody>(),
};
const TOO_LARGE: Refusal = Refusal {
    name: "TooLarge",
    status: "413",
    description: "The body is too long",
    form: Form::of::<ErrorBody>(),
};
const TOO_MANY: Refusal = Refusal {
    name: "TooManyRequests",
    status: "429",
    description: "The caller asks too often",
    form: Form::of::<GatewayBody>(),
};
const SERVICE_ERROR: Refusal = Refusal {
    name: "ServiceError",
    status: "5XX",
    description: "The control plane failed on the inside; try again",
    form: Form::of::<ErrorBody>(),
};
const IAM_REFUSAL: Refusal = Refusal {
    name: "IamRefusal",
    status: "4XX",
    description: "Refused, in the form of IAM",
    form: Form::of::<IamErrorBody>(),
};

/// All refusals, for the components of the document.
pub(super) const REFUSALS: &[Refusal] = &[
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    CONFLICT,
    TOO_LARGE,
    TOO_MANY,
    SERVICE_ERROR,
    IAM_REFUSAL,
];

/// Operations whose bodies name things that must be there.
const NAMES_THINGS: [&str; 7] = [
    "create_task",
    "delete_servers",
    "delete_tasks",
    "delete_templates",
    "export_consistency_results",
    "register_server",
    "show_config_setting",
];

impl Refusal {
    /// The refusal as a component of the document.
    pub(super) fn response(&self) -> Response {
        let schema = Ref::from_schema_name((self.form.name)());
        with_request_id(self.description)
            .content(JSON, ContentBuilder::new().schema(Some(schema)).build())
            .build()
    }
}

/// All answers of an operation.
pub(super) fn responses(operation: &Operation) -> Responses {
    let (status, success) = success(operation);
    let mut responses = ResponsesBuilder::new().response(status.to_string(), success);
    for refusal in refusals(operation) {
        responses = responses.response(
            refusal.status,
            RefOr::<Response>::Ref(Ref::from_response_name(refusal.name)),
        );
    }
    responses.build()
}

fn success(operation: &Operation) -> (u16, Response) {
    match operation.answer {
        Answer::Nothing => (204, with_request_id("Done").build()),
        Answer::Json { status, form } => {
            let schema = Ref::from_schema_name((form.name)());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            (
                status,
                with_request_id("Done").content(JSON, content).build(),
            )
        }
        Answer::File(media_type) => {
            let content = ContentBuilder::new().schema(None::<Schema>).build();
            let response = with_request_id("The file").content(media_type, content);
            (200, response.build())
        }
    }
}

/// The refusals that an operation can end in.
fn refusals(operation: &Operation) -> Vec<&'static Refusal> {
    if operation.path.starts_with("/v3/auth/tokens") {
        return vec![&IAM_REFUSAL, &SERVICE_ERROR];
    }
    let mut refusals = Vec::new();
    if !(operation.tag == Tag::SERVICE || operation.tag == Tag::API_VERSION) {
        refusals.push(&BAD_REQUEST);
    }
    if operation.access != Access::Everyone {
        refusals.extend([&UNAUTHORIZED, &FORBIDDEN, &TOO_MANY]);
    }
    if operation.path_parameters().next().is_some() || NAMES_THINGS.contains(&operation.id) {
        refusals.push(&NOT_FOUND);
    }
    if operation.path.starts_with("/rehost/") && operation.method != Method::Get {
        refusals.push(&CONFLICT);
    }
    if operation.id == "join" {
        refusals.push(&FORBIDDEN);
    }
    if !matches!(operation.body, Body::None) {
        refusals.push(&TOO_LARGE);
    }
    refusals.push(&SERVICE_ERROR);
    refusals
}

fn with_request_id(description: &str) -> ResponseBuilder {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some("Id of the request, for questions about it".to_owned());
    ResponseBuilder::new()
        .description(description)
        .header("X-Request-Id", header)
}
