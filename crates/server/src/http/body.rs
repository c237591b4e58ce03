//! Bodies of requests: JSON within a limit of size and time, and clear words if it is not that.

use std::error::Error;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rehost_sms_api::errors::{ErrorCode, GatewayReason};
use serde::de::DeserializeOwned;

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
        let bytes = read(request.into_body()).await?;
        if bytes.trim_ascii().is_empty() {
            return Err(ErrorCode::EmptyBody.into());
        }
        parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let checked = check_content_type(&request);
        let bytes = read(request.into_body()).await?;
        if bytes.trim_ascii().is_empty() {
            return parse(b"{}").map(Self);
        }
        checked?;
        parse(&bytes).map(Self)
    }
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

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let refused = |error: serde_json::Error| {
        let code = if error.is_data() {
            ErrorCode::MalformedJson
        } else {
            ErrorCode::NotJson
        };
        refuse(code, format!("It says: {error}."))
    };
    if !bytes.trim_ascii_start().starts_with(b"{") {
        // A list would be read as the members of an object in their order, which nobody means.
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(refused)?;
        return Err(refuse(ErrorCode::MalformedJson, "It is no object."));
    }
    serde_json::from_slice(bytes).map_err(refused)
}
