//! Routes of logs: asking for them, taking them in, giving them out.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use rehost_sms_api::bodies::{EmptyResult, UploadLogRequestBody};
use rehost_sms_api::rehost::StoredLogArchive;

use super::body::JsonBody;
use super::path::{PathId, PathIds};
use super::stream;
use crate::app::{App, logs};
use crate::errors::ApiError;
use crate::identity::Caller;

/// `POST /v3/tasks/{task_id}/log`
pub(super) async fn collect(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
    JsonBody(body): JsonBody<UploadLogRequestBody>,
) -> Result<Json<EmptyResult>, ApiError> {
    logs::collect(&app, &caller, &task_id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `PUT /rehost/v1/tasks/{task_id}/log-archives/{role}`
pub(super) async fn upload(
    State(app): State<App>,
    caller: Caller,
    PathIds(task_id, role): PathIds,
    request: Request,
) -> Result<Json<StoredLogArchive>, ApiError> {
    let size_bytes = logs::put(&app, &caller, &task_id, &role, request.into_body()).await?;
    Ok(Json(StoredLogArchive { size_bytes }))
}

/// `GET /rehost/v1/log-archives/{share}`
pub(super) async fn download(
    State(app): State<App>,
    PathId(share): PathId,
) -> Result<Response, ApiError> {
    let body = logs::get(&app, &share).await?;
    Ok(stream::download(
        body,
        "application/x-tar",
        "rehost-logs.tar",
    ))
}
