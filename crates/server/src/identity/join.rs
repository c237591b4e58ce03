//! Joining: a one-time token becomes an identity with a certificate of its own.

use rehost_certificates::{certificates_from_pem, fingerprint_sha256};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{
    JoinRequest, JoinResponse, JoinRole, JoinToken, JoinTokenRequest, JoinTokenResponse,
};
use rehost_store::{IdentityRow, JoinTokenRow, StoreError};

use super::{Caller, Who};
use crate::app::App;
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::secret;

/// Life of a join token unless the request says otherwise.
const DEFAULT_SECONDS: u64 = 60 * 60;
/// Longest life of a join token: one week.
const MAX_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Makes a join token, for an administrator.
pub(crate) async fn make_join_token(
    app: &App,
    caller: &Caller,
    request: &JoinTokenRequest,
) -> Result<JoinTokenResponse, ApiError> {
    let trust = app.trust.as_ref().ok_or_else(|| {
        refuse(
            ErrorCode::Parameters,
            "The control plane runs without TLS, and machines can join only by TLS.",
        )
    })?;
    let seconds = request.valid_seconds.unwrap_or(DEFAULT_SECONDS);
    if !(1..=MAX_SECONDS).contains(&seconds) {
        return Err(ErrorCode::JoinTokenLifetime.into());
    }
    let now = now_ms();
    let expires_at = now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX / 1000) * 1000);
    let secret = secret::random_hex(32);
    let row = JoinTokenRow {
        secret_hash: secret::hash(&secret),
        domain_id: caller.domain_id.clone(),
        role: role_text(request.role).to_owned(),
        expires_at,
        used_by: None,
    };
    app.store.insert_join_token(&row, now).await?;
    let token = JoinToken {
        endpoint: app.endpoint.clone(),
        ca_sha256: trust.sha256.clone(),
        role: request.role,
        secret,
    };
    Ok(JoinTokenResponse {
        token: token.to_text(),
        role: request.role,
        expires_at,
    })
}

/// Gives the holder of a join token an identity. Whoever is second with the same token is refused.
///
/// `whom` becomes the machine, for the audit log. It becomes a machine without an id, in the domain of
/// the token, if the token is known and the holder refused: somebody has a token that he should not
/// have, or no more. Of each token that is noted once in a while, or its holder could fill the log;
/// strangers without a token are in no domain's log.
pub(crate) async fn join(
    app: &App,
    request: &JoinRequest,
    whom: &mut Option<Caller>,
) -> Result<JoinResponse, ApiError> {
    let trust = app.trust.as_ref().ok_or(ErrorCode::JoinTokenUnknown)?;
    let length = request.name.chars().count();
    if !(1..=64).contains(&length) || request.name.chars().any(char::is_control) {
        return Err(ErrorCode::JoinRequestInvalid.into());
    }
    let secret_hash = secret::hash(&request.secret);
    let token = app.store.join_token(&secret_hash).await?;
    let token = token.ok_or(ErrorCode::JoinTokenUnknown)?;
    let joined = use_token(app, request, &token).await;
    *whom = match &joined {
        Ok((id, _)) => Some(machine(&token, request.role, id)),
        Err(_) if app.known.is_refused_anew(&secret_hash) => {
            Some(machine(&token, request.role, ""))
        }
        Err(_) => None,
    };
    let (id, certificate) = joined?;
    tracing::info!(
        id,
        role = role_text(request.role),
        name = request.name,
        "joined"
    );
    Ok(JoinResponse {
        id,
        role: request.role,
        certificate,
        ca: trust.pem.clone(),
    })
}

/// Turns a token into an identity: its id and its certificate.
async fn use_token(
    app: &App,
    request: &JoinRequest,
    token: &JoinTokenRow,
) -> Result<(String, String), ApiError> {
    let now = now_ms();
    let role = role_text(request.role);
    check_token(token, role, now)?;
    let id = secret::new_id();
    let certificate = app
        .ca
        .sign_identity(&request.certificate_request, &id)
        .map_err(|error| refuse(ErrorCode::JoinRequestInvalid, format!("It says: {error}.")))?;
    let der = certificates_from_pem(&certificate)?;
    let identity = IdentityRow {
        id: id.clone(),
        domain_id: token.domain_id.clone(),
        role: role.to_owned(),
        name: request.name.clone(),
        fingerprint: der
            .first()
            .map(|der| fingerprint_sha256(der))
            .unwrap_or_default(),
        create_date: now,
    };
    match app.store.join(&token.secret_hash, &identity, now).await {
        Ok(()) => Ok((id, certificate)),
        Err(StoreError::Changed { .. }) => Err(ErrorCode::JoinTokenUsed.into()),
        Err(error) => Err(error.into()),
    }
}

/// A machine of the domain of a token.
fn machine(token: &JoinTokenRow, role: JoinRole, id: &str) -> Caller {
    let id = id.to_owned();
    Caller {
        domain_id: token.domain_id.clone(),
        who: match role {
            JoinRole::Source => Who::Source { id },
            JoinRole::Target => Who::Target { id },
        },
    }
}

fn check_token(row: &JoinTokenRow, role: &str, now: i64) -> Result<(), ApiError> {
    if row.used_by.is_some() {
        return Err(ErrorCode::JoinTokenUsed.into());
    }
    if row.expires_at <= now {
        return Err(ErrorCode::JoinTokenExpired.into());
    }
    if row.role != role {
        return Err(ErrorCode::JoinTokenRole.into());
    }
    Ok(())
}

fn role_text(role: JoinRole) -> &'static str {
    match role {
        JoinRole::Source => "source",
        JoinRole::Target => "target",
    }
}
