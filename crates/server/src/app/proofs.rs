//! Proof documents, in and out as streams: never whole in memory, never half in force.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{ProofRow, Store};

use super::{App, tasks};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::http::{body, stream};
use crate::identity::Caller;
use crate::secret;

/// Size of a stored part.
const PART_BYTES: usize = 1024 * 1024;
/// Size of a document: a tree over 64 TiB of 1 MiB chunks takes less.
const MAX_BYTES: i64 = 1024 * 1024 * 1024;
/// A client that is silent for longer in the middle of a document is gone.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(60);

/// Stores the proof of a task; it replaces the one before only when it is complete.
pub(crate) async fn put(
    app: &App,
    caller: &Caller,
    task_id: &str,
    body: Body,
) -> Result<(), ApiError> {
    tasks::load(app, caller, task_id).await?;
    let upload = secret::new_id();
    let stored = match store_parts(&app.store, task_id, &upload, body).await {
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

/// Stores a body part by part: how many there are, and how many bytes.
async fn store_parts(
    store: &Store,
    task_id: &str,
    upload: &str,
    mut document: Body,
) -> Result<(i64, i64), ApiError> {
    let mut part = Vec::with_capacity(PART_BYTES);
    let (mut parts, mut size_bytes) = (0_i64, 0_i64);
    loop {
        let frame = tokio::time::timeout(CHUNK_TIMEOUT, document.frame())
            .await
            .map_err(|_| body::broken_off())?
            .transpose()
            .map_err(|error| body::unreadable(&error))?;
        let ended = frame.is_none();
        let mut data = frame
            .and_then(|frame| frame.into_data().ok())
            .unwrap_or_default();
        size_bytes = size_bytes.saturating_add(i64::try_from(data.len()).unwrap_or(i64::MAX));
        if size_bytes > MAX_BYTES {
            return Err(ErrorCode::ProofTooLarge.into());
        }
        while !data.is_empty() {
            let taken = data.split_to(data.len().min(PART_BYTES - part.len()));
            part.extend_from_slice(&taken);
            if part.len() == PART_BYTES {
                let full = std::mem::replace(&mut part, Vec::with_capacity(PART_BYTES));
                let now = now_ms();
                store
                    .put_document_part(task_id, upload, parts, full, now)
                    .await?;
                parts += 1;
            }
        }
        if ended {
            if !part.is_empty() {
                let now = now_ms();
                store
                    .put_document_part(task_id, upload, parts, part, now)
                    .await?;
                parts += 1;
            }
            return Ok((parts, size_bytes));
        }
    }
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
    tokio::spawn(read_parts(app.store.clone(), proof, to_client));
    Ok((size_bytes, body))
}

/// Reads part after part, for as long as the client wants them.
async fn read_parts(store: Store, proof: ProofRow, to_client: stream::Parts) {
    for number in 0..proof.parts {
        let part = store
            .document_part(&proof.upload, number)
            .await
            .map(Bytes::from)
            .map_err(ApiError::from);
        let failed = part.is_err();
        if to_client.send(part).await.is_err() || failed {
            return;
        }
    }
}
