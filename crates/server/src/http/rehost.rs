//! Rehost's own routes beside the public contract.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use rehost_sms_api::bodies::EmptyResult;
use rehost_sms_api::rehost::{
    CloudServerResponse, CopyPlan, Health, JoinRequest, JoinTokenRequest, JoinTokenResponse,
    MigrationReport, SourceAssignment, TargetAssignments, TargetList, TargetRegistration,
    TargetTaskReport,
};
use serde::Deserialize;

use super::body::JsonBody;
use super::path::{PathId, PathIds};
use super::query::QueryOf;
use crate::app::{self, App, copy_plans, proofs, reports, targets, tasks};
use crate::audit::AuditObject;
use crate::errors::ApiError;
use crate::identity::{self, Caller};

/// `GET /healthz`: for load balancers, which send nobody to a replica without its database.
pub(super) async fn health(State(app): State<App>) -> Result<Json<Health>, ApiError> {
    app.store.server_version().await?;
    Ok(Json(Health {
        status: "ok".to_owned(),
    }))
}

/// `POST /rehost/v1/join-tokens`
pub(super) async fn make_join_token(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<JoinTokenRequest>,
) -> Result<Json<JoinTokenResponse>, ApiError> {
    identity::make_join_token(&app, &caller, &body)
        .await
        .map(Json)
}

/// `POST /rehost/v1/join`
pub(super) async fn join(
    State(app): State<App>,
    JsonBody(body): JsonBody<JoinRequest>,
) -> Response {
    let mut whom = None;
    let mut response = match identity::join(&app, &body, &mut whom).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    };
    // For the audit log, which else knows nobody on a route for everybody.
    if let Some(machine) = whom {
        let object = AuditObject(machine.id().to_owned());
        response.extensions_mut().insert::<Caller>(machine);
        response.extensions_mut().insert(object);
    }
    response
}

/// `GET /rehost/v1/targets`
pub(super) async fn list_targets(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<TargetList>, ApiError> {
    targets::list(&app, &caller).await.map(Json)
}

/// `GET /v1/{project_id}/cloudservers/{server_id}`
pub(super) async fn show_cloud_server(
    State(app): State<App>,
    caller: Caller,
    PathIds(_, id): PathIds,
) -> Result<Json<CloudServerResponse>, ApiError> {
    targets::as_cloud_server(&app, &caller, &id).await.map(Json)
}

/// `DELETE /rehost/v1/targets/{id}`
pub(super) async fn delete_target(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    targets::delete(&app, &caller, &id).await?;
    Ok(Json(EmptyResult {}))
}

/// `PUT /rehost/v1/targets/self`
pub(super) async fn register_target(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<TargetRegistration>,
) -> Result<Json<EmptyResult>, ApiError> {
    targets::register(&app, &caller, &body).await?;
    Ok(Json(EmptyResult {}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AssignmentsQuery {
    known: Option<i64>,
    wait_seconds: Option<u64>,
}

/// `GET /rehost/v1/targets/self/assignments`
pub(super) async fn target_assignments(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<AssignmentsQuery>,
) -> Result<Json<TargetAssignments>, ApiError> {
    app::target_assignments(&app, &caller, query.known, query.wait_seconds)
        .await
        .map(Json)
}

/// `PUT /rehost/v1/targets/self/tasks/{id}`
pub(super) async fn report_target_task(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
    JsonBody(body): JsonBody<TargetTaskReport>,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::report_target(&app, &caller, &task_id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /rehost/v1/sources/{id}/copy-plan`
pub(super) async fn copy_plan(
    State(app): State<App>,
    caller: Caller,
    PathId(source_id): PathId,
) -> Result<Json<CopyPlan>, ApiError> {
    copy_plans::get(&app, &caller, &source_id).await.map(Json)
}

/// `PUT /rehost/v1/sources/{id}/copy-plan`
pub(super) async fn put_copy_plan(
    State(app): State<App>,
    caller: Caller,
    PathId(source_id): PathId,
    JsonBody(body): JsonBody<CopyPlan>,
) -> Result<Json<EmptyResult>, ApiError> {
    copy_plans::put(&app, &caller, &source_id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /rehost/v1/tasks/{id}/assignment`
pub(super) async fn source_assignment(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
) -> Result<Json<SourceAssignment>, ApiError> {
    app::source_assignment(&app, &caller, &task_id)
        .await
        .map(Json)
}

/// `GET /rehost/v1/tasks/{id}/report`
pub(super) async fn report(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
) -> Result<Json<MigrationReport>, ApiError> {
    reports::get(&app, &caller, &task_id).await.map(Json)
}

/// `PUT /rehost/v1/tasks/{id}/report`
pub(super) async fn put_report(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
    JsonBody(body): JsonBody<MigrationReport>,
) -> Result<Json<EmptyResult>, ApiError> {
    reports::put(&app, &caller, &task_id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /rehost/v1/tasks/{id}/proof`
pub(super) async fn proof(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
) -> Result<Response, ApiError> {
    let (size_bytes, body): (i64, Body) = proofs::get(&app, &caller, &task_id).await?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_LENGTH, size_bytes.to_string()),
    ];
    Ok((headers, body).into_response())
}

/// `PUT /rehost/v1/tasks/{id}/proof`
pub(super) async fn put_proof(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
    request: Request,
) -> Result<Json<EmptyResult>, ApiError> {
    proofs::put(&app, &caller, &task_id, request.into_body()).await?;
    Ok(Json(EmptyResult {}))
}
