//! The layer in front of every route that needs a caller.
//!
//! A token wins over a signature, a signature over the certificate of the connection: what a client
//! says in the request is meant more than what its connection happens to carry.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rehost_sms_api::errors::GatewayReason;
use rehost_sms_api::signing::{Authorization, body_hash};

use super::announced_body::AnnouncedBody;
use super::{Caller, PeerFingerprint, signature, tokens};
use crate::app::App;
use crate::errors::ApiError;
use crate::http::body;

const TOKEN_HEADER: &str = "x-auth-token";

/// How a route takes the body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// As a whole, within the usual limit.
    Whole,
    /// As it comes, and puts nothing in force before its end.
    Streamed,
}

/// Finds the caller, or answers in the gateway's form.
pub(crate) async fn authenticate(
    State((app, body_use)): State<(App, BodyUse)>,
    request: Request,
    next: Next,
) -> Response {
    match identify(&app, body_use, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn identify(app: &App, body_use: BodyUse, request: Request) -> Result<Request, ApiError> {
    let (mut parts, mut body) = request.into_parts();
    let caller = if let Some(token) = text(&parts.headers, TOKEN_HEADER) {
        let token = tokens::validate_token(&app.store, token).await?;
        Caller::Account {
            user_id: token.row.user_id,
        }
    } else if let Some(value) = text(&parts.headers, AUTHORIZATION.as_str())
        .filter(|value| Authorization::is_signature(value))
    {
        let announced = signature::announced_hash(&parts.headers);
        if let Some(announced) = announced.filter(|_| body_use == BodyUse::Streamed) {
            body = Body::new(AnnouncedBody::new(body, announced));
            signature::check(app, value, &parts, announced).await?
        } else {
            let bytes: Bytes = body::read(body).await?;
            let caller = signature::check(app, value, &parts, body_hash(&bytes)).await?;
            body = Body::from(bytes);
            caller
        }
    } else if let Some(PeerFingerprint(fingerprint)) = parts.extensions.get() {
        let identity = app.store.identity_by_fingerprint(fingerprint).await?;
        let identity = identity.ok_or(GatewayReason::BadToken)?;
        match identity.role.as_str() {
            "target" => Caller::Target { id: identity.id },
            _ => Caller::Source { id: identity.id },
        }
    } else {
        return Err(GatewayReason::NothingSent.into());
    };
    parts.extensions.insert(caller);
    Ok(Request::from_parts(parts, body))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
}
