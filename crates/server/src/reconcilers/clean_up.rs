//! Forgets what has served its time: login tokens, uploads that never ended, log archives and audit entries beyond
//! their retention.

use crate::app::App;
use crate::clock::now_ms;
use crate::errors::ApiError;

/// Whoever comes with a token that ended lately is told so, and not that there is no such token.
const TOKEN_MS: i64 = 24 * 60 * 60 * 1000;
/// An upload that began so long ago and did not end will not.
const UPLOAD_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) async fn run(app: &App) -> Result<(), ApiError> {
    let now = now_ms();
    app.store
        .delete_expired_tokens(now.saturating_sub(TOKEN_MS))
        .await?;
    app.store
        .drop_unfinished_uploads(now.saturating_sub(UPLOAD_MS))
        .await?;
    app.store.delete_expired_log_archives(now).await?;
    let kept_ms = i64::from(app.audit_days).saturating_mul(24 * 60 * 60 * 1000);
    app.store
        .delete_audit_before(now.saturating_sub(kept_ms))
        .await?;
    Ok(())
}
