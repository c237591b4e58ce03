//! Proof documents, in and out as streams: never whole in memory, never half in force.

use axum::body::Body;
use rehost_sms_api::errors::ErrorCode;
use rehost_store::ProofRow;

use super::documents::{self, Limit};
use super::{App, tasks};
use crate::errors::{ApiError, refuse};
use crate::http::stream;
use crate::identity::Caller;
use crate::secret;

/// A tree over 64 TiB of 1 MiB chunks takes less.
const LIMIT: Limit = Limit {
    bytes: 1024 * 1024 * 1024,
    code: ErrorCode::ProofTooLarge,
};

/// Stores the proof of a task; it replaces the one before only when it is complete.
pub(crate) async fn put(
    app: &App,
    caller: &Caller,
    task_id: &str,
    body: Body,
) -> Result<(), ApiError> {
    tasks::load(app, caller, task_id).await?;
    let upload = secret::new_id();
    let stored = match documents::store(&app.store, task_id, &upload, body, LIMIT).await {
        Ok((_, 0)) => Err(refuse(ErrorCode::ProofMalformed, "It is empty.")),
        Ok((parts, size_bytes)) => {
            let proof = ProofRow {
                upload: upload.clone(),
                parts,
                size_bytes,
            };
            app.store
                .finish_proof(task_id, &proof)
                .await
                .map_err(ApiError::from)
        }
        Err(error) => Err(error),
    };
    if stored.is_err() {
        app.store.drop_upload(&upload).await?;
    }
    stored
}

/// The proof of a task: its size in bytes, and the document.
pub(crate) async fn get(
    app: &App,
    caller: &Caller,
    task_id: &str,
) -> Result<(i64, Body), ApiError> {
    tasks::load(app, caller, task_id).await?;
    let proof = app
        .store
        .proof(task_id)
        .await?
        .ok_or(ErrorCode::ProofAbsent)?;
    let size_bytes = proof.size_bytes;
    let (to_client, body) = stream::channel();
    let store = app.store.clone();
    tokio::spawn(
        async move { documents::send(&store, &proof.upload, proof.parts, &to_client).await },
    );
    Ok((size_bytes, body))
}
