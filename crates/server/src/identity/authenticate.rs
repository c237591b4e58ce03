//! The layer in front of every route: which operation it is, who calls, whether they may, and what is
//! remembered of it.
//!
//! A token wins over a signature, a signature over the certificate of the connection: what a client
//! says in the request is meant more than what its connection happens to carry.

use axum::body::{Body, Bytes};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rehost_sms_api::contract::{Access, Operation};
use rehost_sms_api::errors::GatewayReason;
use rehost_sms_api::signing::{Authorization, body_hash};

use super::announced_body::AnnouncedBody;
use super::authorise::authorise;
use super::{Caller, PeerFingerprint, Who, signature, tokens};
use crate::app::App;
use crate::audit::{self, Call};
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

/// Lets a request through to its route, or answers why not.
pub(crate) async fn gate(
    State((app, body_use)): State<(App, BodyUse)>,
    path: MatchedPath,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(operation) = operation_of(&request, path.as_str()) else {
        return ApiError::from(GatewayReason::NoSuchApi).into_response();
    };
    // A path that is no text is refused by its route, in the service's words.
    let first = params.ok().and_then(|params| {
        let mut params = params.iter();
        params.next().map(|(_, id)| id.to_owned())
    });
    let mut call = Call::new(operation, &request, first.as_deref());
    request.extensions_mut().insert(operation);
    if operation.access == Access::Everyone {
        let response = next.run(request).await;
        return audit::note(&app, call, response).await;
    }
    // In boxes, because what a long poll waits in shall not keep room for the way there and back.
    let request = match Box::pin(identify(&app, body_use, request)).await {
        Ok((caller, request)) => {
            if let Some(call) = &mut call {
                call.caller = Some(caller.clone());
            }
            authorise(operation, &caller).map(|()| (caller, request))
        }
        Err(error) => Err(error),
    };
    let response = match request {
        Ok((caller, mut request)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) if operation.path == "/v3/auth/tokens" => error.in_iam_form().into_response(),
        Err(error) => error.into_response(),
    };
    Box::pin(audit::note(&app, call, response)).await
}

/// The operation of a route. IAM is served below its own base, too, which means the same.
fn operation_of(request: &Request, path: &str) -> Option<&'static Operation> {
    let path = match path.strip_prefix("/iam") {
        Some("" | "/") => "/iam",
        Some(rest) => rest,
        None => path,
    };
    Operation::of_route(request.method().as_str(), path)
}

async fn identify(
    app: &App,
    body_use: BodyUse,
    request: Request,
) -> Result<(Caller, Request), ApiError> {
    let (parts, mut body) = request.into_parts();
    let caller = if let Some(token) = text(&parts.headers, TOKEN_HEADER) {
        tokens::caller(app, token).await?
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
        machine(app, fingerprint).await?
    } else {
        return Err(GatewayReason::NothingSent.into());
    };
    Ok((caller, Request::from_parts(parts, body)))
}

/// The agent or receiver that owns a certificate.
async fn machine(app: &App, fingerprint: &str) -> Result<Caller, ApiError> {
    let identity = app.known.machine(&app.store, fingerprint).await?;
    let identity = identity.ok_or(GatewayReason::BadToken)?;
    let who = match identity.role.as_str() {
        "target" => Who::Target { id: identity.id },
        _ => Who::Source { id: identity.id },
    };
    Ok(Caller {
        domain_id: identity.domain_id,
        who,
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
}
