//! Migration projects.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use rehost_sms_api::bodies::{
    EmptyResult, ListMigprojectsQuery, ListMigprojectsResponse, MigProject, PostMigProjectBody,
    ShowMigprojectResponse,
};

use super::body::{JsonBody, created};
use super::path::PathId;
use super::query::QueryOf;
use crate::app::{App, migprojects};
use crate::errors::ApiError;
use crate::identity::Caller;

/// `POST /v3/migprojects`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<PostMigProjectBody>,
) -> Result<Response, ApiError> {
    migprojects::create(&app, &caller, body).await.map(created)
}

/// `GET /v3/migprojects`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ListMigprojectsQuery>,
) -> Result<Json<ListMigprojectsResponse>, ApiError> {
    migprojects::list(&app, &caller, &query).await.map(Json)
}

/// `GET /v3/migprojects/{mig_project_id}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ShowMigprojectResponse>, ApiError> {
    migprojects::show(&app, &caller, &id).await.map(Json)
}

/// `PUT /v3/migprojects/{mig_project_id}`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<MigProject>,
) -> Result<Json<EmptyResult>, ApiError> {
    migprojects::update(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `DELETE /v3/migprojects/{mig_project_id}`; what Terraform sends as a body is not looked at.
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    migprojects::delete(&app, &caller, &id).await?;
    Ok(Json(EmptyResult {}))
}

/// `PUT /v3/migprojects/{mig_project_id}/default`
pub(super) async fn set_default(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    migprojects::set_default(&app, &caller, &id).await?;
    Ok(Json(EmptyResult {}))
}
