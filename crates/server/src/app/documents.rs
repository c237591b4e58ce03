//! Documents that may be large, in and out as streams: never whole in memory.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use rehost_sms_api::errors::ErrorCode;
use rehost_store::Store;

use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::http::{body, stream};

/// Size of a stored part.
const PART_BYTES: usize = 1024 * 1024;
/// A client that is silent for longer in the middle of a document is gone.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a document may be, and what the sender of a longer one is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) bytes: i64,
    pub(super) code: ErrorCode,
}

/// Stores a body part by part: how many there are, and how many bytes.
pub(super) async fn store(
    store: &Store,
    task_id: &str,
    upload: &str,
    mut document: Body,
    limit: Limit,
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
        if size_bytes > limit.bytes {
            return Err(limit.code.into());
        }
        while !data.is_empty() {
            let taken = data.split_to(data.len().min(PART_BYTES - part.len()));
            part.extend_from_slice(&taken);
            if part.len() == PART_BYTES {
                let full = std::mem::replace(&mut part, Vec::with_capacity(PART_BYTES));
                store
                    .put_document_part(task_id, upload, parts, full, now_ms())
                    .await?;
                parts += 1;
            }
        }
        if ended {
            if !part.is_empty() {
                store
                    .put_document_part(task_id, upload, parts, part, now_ms())
                    .await?;
                parts += 1;
            }
            return Ok((parts, size_bytes));
        }
    }
}

/// Sends part after part, for as long as the client wants them. False if that came to an end early.
pub(super) async fn send(
    store: &Store,
    upload: &str,
    parts: i64,
    to_client: &stream::Parts,
) -> bool {
    for number in 0..parts {
        let part = store
            .document_part(upload, number)
            .await
            .map(Bytes::from)
            .map_err(ApiError::from);
        let failed = part.is_err();
        if to_client.send(part).await.is_err() || failed {
            return false;
        }
    }
    true
}
