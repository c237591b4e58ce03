//! Migration tasks.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use rehost_sms_api::bodies::{
    DeleteTasksReq, EmptyResult, ListTasksQuery, ListTasksResponse, NetworkCheckInfoRequestBody,
    PostTask, PutTaskReq, ShowCertKeyResponse, ShowPassphraseResponse, ShowTaskResponse,
    UpdateNetworkCheckInfoResponse, UpdateTaskResponse, UpdateTaskSpeedReq, UpdateTaskStatusReq,
};
use serde::Deserialize;

use super::body::{JsonBody, created};
use super::path::PathId;
use super::query::QueryOf;
use crate::app::{App, certificates, tasks};
use crate::errors::ApiError;
use crate::identity::Caller;

/// `POST /v3/tasks`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<PostTask>,
) -> Result<Response, ApiError> {
    tasks::create(&app, &caller, body).await.map(created)
}

/// `GET /v3/tasks`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ListTasksQuery>,
) -> Result<Json<ListTasksResponse>, ApiError> {
    tasks::list(&app, &caller, query).await.map(Json)
}

/// `GET /v3/tasks/{id}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ShowTaskResponse>, ApiError> {
    tasks::show(&app, &caller, &id).await.map(Json)
}

/// `PUT /v3/tasks/{id}`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<PutTaskReq>,
) -> Result<Json<UpdateTaskResponse>, ApiError> {
    tasks::update(&app, &caller, &id, &body).await?;
    Ok(Json(UpdateTaskResponse { id: Some(id) }))
}

/// `DELETE /v3/tasks/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::delete(&app, &caller, &[id]).await?;
    Ok(Json(EmptyResult {}))
}

/// `POST /v3/tasks/delete`
pub(super) async fn delete_batch(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<DeleteTasksReq>,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::delete(&app, &caller, &body.ids).await?;
    Ok(Json(EmptyResult {}))
}

/// `POST /v3/tasks/{id}/action`
pub(super) async fn action(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<UpdateTaskStatusReq>,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::act(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `PUT /v3/tasks/{id}/progress`
pub(super) async fn progress(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<UpdateTaskSpeedReq>,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::report_progress(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `POST /v3/{id}/update-network-check-info`; SMS forgot `tasks` in this path
pub(super) async fn network_check(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<NetworkCheckInfoRequestBody>,
) -> Result<Json<UpdateNetworkCheckInfoResponse>, ApiError> {
    tasks::report_network(&app, &caller, &id, body).await?;
    Ok(Json(UpdateNetworkCheckInfoResponse { task_id: Some(id) }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CertificatesQuery {
    enable_ca_cert: Option<String>,
}

/// `GET /v3/tasks/{id}/certkey`
pub(super) async fn certificates(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    QueryOf(query): QueryOf<CertificatesQuery>,
) -> Result<Json<ShowCertKeyResponse>, ApiError> {
    // Clients write booleans as Python does, too.
    let with_ca = query
        .enable_ca_cert
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    certificates::show(&app, &caller, &id, with_ca)
        .await
        .map(Json)
}

/// `GET /v3/tasks/{id}/passphrase`
pub(super) async fn passphrase(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ShowPassphraseResponse>, ApiError> {
    certificates::passphrase(&app, &caller, &id).await.map(Json)
}

/// `POST /v3/tasks/{task_id}/unlock`, today an action like any other.
pub(super) async fn unlock(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    let unlock = UpdateTaskStatusReq {
        operation: Some("unlock".to_owned()),
        ..UpdateTaskStatusReq::default()
    };
    tasks::act(&app, &caller, &id, &unlock).await?;
    Ok(Json(EmptyResult {}))
}
