//! Requests signed with an access key (SDK-HMAC-SHA256).
//!
//! The signature covers the path and the query as they came over the wire, the headers that the
//! client chose, and the hash of the body. Hence a body is read, within the usual limit, before
//! anything is decided; only where it streams, and its hash is announced, it is compared afterwards.

use http::HeaderMap;
use http::request::Parts;
use rehost_sms_api::errors::GatewayReason;
use rehost_sms_api::signing::{
    Authorization, BODY_HASH_HEADER, RequestToSign, SignatureError, announced_body_hash, verify,
};

use super::Caller;
use crate::app::App;
use crate::clock::now_ms;
use crate::errors::ApiError;

/// Finds out whose signature it is, and whether it is right for a body of this hash.
pub(super) async fn check(
    app: &App,
    authorization: &str,
    parts: &Parts,
    body_sha256: [u8; 32],
) -> Result<Caller, ApiError> {
    let authorization = Authorization::parse(authorization).map_err(|error| {
        tracing::debug!(%error, "signature refused");
        GatewayReason::BadSignature
    })?;
    let access_key = authorization.access_key.as_str();
    let Some(key) = app.store.access_key(access_key).await? else {
        return Err(GatewayReason::UnknownAccessKey.into());
    };
    let now = now_ms();
    if app.key_lockout.is_locked(access_key, now) {
        return Err(GatewayReason::AccessKeyLocked.into());
    }
    let request = RequestToSign {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        body_sha256,
    };
    let header = |name: &str| single(&parts.headers, name);
    match verify(
        &authorization,
        &request,
        header,
        &key.secret_key,
        now / 1000,
    ) {
        Ok(()) => {
            app.key_lockout.succeeded(access_key);
            Ok(Caller::Account {
                user_id: key.user_id,
            })
        }
        Err(error) => {
            tracing::info!(access_key, %error, "signature refused");
            // A wrong clock is no guess at a secret.
            if error == SignatureError::Signature {
                app.key_lockout.failed(access_key, now);
            }
            Err(GatewayReason::BadSignature.into())
        }
    }
}

/// The hash that the body is going to have, if the client says so. The signature covers it.
pub(super) fn announced_hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    announced_body_hash(single(headers, BODY_HASH_HEADER)?)
}

/// The value of a header that is there exactly once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value.as_bytes()).ok()
}
