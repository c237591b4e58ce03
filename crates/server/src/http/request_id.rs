//! The outermost layer: every answer carries `X-Request-Id`, errors too.
//!
//! SDKs read the id from this header alone. The gateway's form repeats it in the body, which is why
//! that body is written here and not where the refusal was decided.

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;

use crate::errors::PendingGatewayError;
use crate::secret::random_hex;

const HEADER: &str = "x-request-id";

/// The id of a request, among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives the request an id, logs the answer under it, and puts it into the answer.
pub(crate) async fn with_request_id(mut request: Request, next: Next) -> Response {
    let id = random_hex(16);
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", id);
    let (method, path) = (request.method().clone(), loggable(request.uri().path()));
    let mut response = tracing::Instrument::instrument(next.run(request), span).await;
    let status = response.status();
    if let Some(PendingGatewayError(reason)) = response.extensions_mut().remove() {
        response = (status, Json(reason.body(&id))).into_response();
    }
    tracing::debug!(id, %method, path, status = status.as_u16(), "answered");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// A path as the log may show it: who knows the last part of a share's address needs nothing else.
fn loggable(path: &str) -> String {
    const SHARES: &str = "/rehost/v1/log-archives/";
    if path.starts_with(SHARES) {
        return format!("{SHARES}...");
    }
    path.to_owned()
}
