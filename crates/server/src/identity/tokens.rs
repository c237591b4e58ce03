//! Login tokens: random texts, known to the database by their hash, valid for a day.

use rehost_sms_api::errors::GatewayReason;
use rehost_store::{TokenRow, UserRow};

use super::Caller;
use super::known::account;
use crate::app::App;
use crate::clock::{iam_time, now_ms};
use crate::errors::ApiError;
use crate::secret;

/// Life of a token (IAM: 24 hours).
pub(super) const LIFE_MS: i64 = 24 * 60 * 60 * 1000;
/// Longest text that is worth hashing (SMS: `X-Auth-Token` has 1 to 16384 characters).
const MAX_CHARACTERS: usize = 16384;

/// A token that is good now.
#[derive(Clone, Debug)]
pub(crate) struct ValidToken {
    /// What is stored of it.
    pub(crate) row: TokenRow,
    /// Whose it is.
    pub(crate) user: UserRow,
}

/// Finds a token by its text. The token of a user who was disabled, or whose password was changed
/// after it was issued, is void.
pub(crate) async fn validate_token(app: &App, text: &str) -> Result<ValidToken, ApiError> {
    if text.is_empty() || text.len() > MAX_CHARACTERS {
        return Err(GatewayReason::BadToken.into());
    }
    let (row, user) = app
        .known
        .token(&app.store, &secret::hash(text))
        .await?
        .ok_or(GatewayReason::BadToken)?;
    if row.expires_at <= now_ms() {
        let expires_at = iam_time(row.expires_at);
        return Err(GatewayReason::TokenExpired { expires_at }.into());
    }
    if user.enabled == 0 || row.issued_at < user.password_changed_at {
        return Err(GatewayReason::BadToken.into());
    }
    Ok(ValidToken { row, user })
}

/// The caller who sends a token. One that is not ours may be Keystone's, where there is one.
pub(super) async fn caller(app: &App, text: &str) -> Result<Caller, ApiError> {
    if let Some(keystone) = &app.keystone
        && (1..=MAX_CHARACTERS).contains(&text.len())
        && app
            .known
            .token(&app.store, &secret::hash(text))
            .await?
            .is_none()
    {
        return keystone.caller(app, text).await;
    }
    account(&validate_token(app, text).await?.user)
}

/// Makes a token void. One that is not known is void already.
pub(crate) async fn revoke_token(app: &App, text: &str) -> Result<(), ApiError> {
    app.store.delete_token(&secret::hash(text)).await?;
    app.known.changed(&app.store).await
}
