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
use super::known::account;
use super::lockout::{MAX_FAILURES, is_locked, locked_until};
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
    let known = app.known.access_key(&app.store, access_key).await?;
    let Some((key, user)) = known.filter(|(key, user)| key.enabled != 0 && user.enabled != 0)
    else {
        return Err(GatewayReason::UnknownAccessKey.into());
    };
    let now = now_ms();
    if is_locked(key.locked_until, now) {
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
            if key.failures > 0 {
                app.store.note_key_ok(&key).await?;
                app.known.changed(&app.store).await?;
            }
            account(&user)
        }
        Err(error) => {
            tracing::info!(access_key, %error, "signature refused");
            // A wrong clock is no guess at a secret.
            if error == SignatureError::Signature {
                app.store
                    .note_key_failure(access_key, MAX_FAILURES, locked_until(now))
                    .await?;
                app.known.changed(&app.store).await?;
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
