//! Bodies of requests: JSON within a limit of size and time, and clear words if it is not that.

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rehost_sms_api::contract::{self, Operation};
use rehost_sms_api::errors::{ErrorCode, GatewayReason};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::AuditObject;
use crate::errors::{ApiError, refuse};
use crate::identity::AnotherBody;

/// More than any body of the contract needs: an inventory of 50 disks is a few hundred KiB.
pub(crate) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// A client that needs longer for this much is gone or hostile.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Reads a whole body into memory.
pub(crate) async fn read(body: axum::body::Body) -> Result<axum::body::Bytes, ApiError> {
    let whole = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(refuse(
            ErrorCode::BodyTooLong,
            format!("The limit is {MAX_BODY_BYTES} bytes."),
        )),
        Ok(Err(error)) => Err(unreadable(&*error)),
        Err(_) => Err(broken_off()),
    }
}

/// Why a body did not come to its end.
pub(crate) fn unreadable(error: &(dyn Error + 'static)) -> ApiError {
    if AnotherBody::is_cause_of(error) {
        tracing::info!("a signed body is not the one that was announced");
        return GatewayReason::BadSignature.into();
    }
    broken_off()
}

/// A body whose sender is gone, or silent for too long.
pub(crate) fn broken_off() -> ApiError {
    refuse(ErrorCode::IncompleteBody, "It broke off.")
}

/// Operations whose bodies are judged by rules of `migration` alone: what changestate demands depends
/// on the state of the source server.
const BY_RULES: [&str; 1] = ["update_copy_state"];

/// A JSON body that must be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// A JSON body that may be empty, which counts as `{}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionalJsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_content_type(&request)?;
        let operation = operation(&request);
        let bytes = read(request.into_body()).await?;
        if bytes.trim_ascii().is_empty() {
            return Err(ErrorCode::EmptyBody.into());
        }
        parse(operation, &bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let checked = check_content_type(&request);
        let operation = operation(&request);
        let bytes = read(request.into_body()).await?;
        if bytes.trim_ascii().is_empty() {
            return parse(None, b"{}").map(Self);
        }
        checked?;
        parse(operation, &bytes).map(Self)
    }
}

/// The answer to a call that made something: its id, which the audit log notes.
pub(super) fn created(id: String) -> Response {
    let mut response = Json(Created { id: &id }).into_response();
    response.extensions_mut().insert(AuditObject(id));
    response
}

#[derive(serde::Serialize)]
struct Created<'i> {
    id: &'i str,
}

/// Clients differ in case, in parameters (`;charset=utf-8`) and in whether they send one at all.
fn check_content_type(request: &Request) -> Result<(), ApiError> {
    let Some(value) = request.headers().get(CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(ErrorCode::ContentType.into())
    }
}

/// The operation that a request is for, put there by the gate.
fn operation(request: &Request) -> Option<&'static Operation> {
    request.extensions().get().copied()
}

/// Reads a body: JSON first, then what the contract says of this operation's body, then its form here.
fn parse<T: DeserializeOwned>(operation: Option<&Operation>, bytes: &[u8]) -> Result<T, ApiError> {
    let says = |error: serde_json::Error| format!("It says: {error}.");
    let body: Value =
        serde_json::from_slice(bytes).map_err(|error| refuse(ErrorCode::NotJson, says(error)))?;
    if !body.is_object() {
        // A list would be read as the members of an object in their order, which nobody means.
        return Err(refuse(ErrorCode::MalformedJson, "It is no object."));
    }
    if let Some(operation) = operation.filter(|it| !BY_RULES.contains(&it.id)) {
        contract::validate_body(operation, &body)
            .map_err(|violation| refuse(violation.code(), violation.to_string()))?;
    }
    serde_json::from_value(body).map_err(|error| refuse(ErrorCode::MalformedJson, says(error)))
}
