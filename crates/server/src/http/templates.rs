//! Server templates.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use rehost_sms_api::bodies::{
    CreateTemplateReq, DeletetemplatesReq, EmptyResult, ListTemplatesQuery, ListTemplatesResponse,
    ShowTargetPasswordResponse, ShowTemplateResponse, UpdateTemplateReq,
};
use rehost_sms_api::errors::ErrorCode;

use super::body::{JsonBody, created};
use super::path::PathId;
use super::query::QueryOf;
use crate::app::{App, templates};
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;

/// `POST /v3/vm/templates`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateTemplateReq>,
) -> Result<Response, ApiError> {
    let template = body.template.ok_or_else(lacks_template)?;
    templates::create(&app, &caller, template)
        .await
        .map(created)
}

/// `GET /v3/vm/templates`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ListTemplatesQuery>,
) -> Result<Json<ListTemplatesResponse>, ApiError> {
    templates::list(&app, &caller, query).await.map(Json)
}

/// `GET /v3/vm/templates/{id}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ShowTemplateResponse>, ApiError> {
    templates::show(&app, &caller, &id).await.map(Json)
}

/// `PUT /v3/vm/templates/{id}`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<UpdateTemplateReq>,
) -> Result<Json<EmptyResult>, ApiError> {
    let changes = body.template.ok_or_else(lacks_template)?;
    templates::update(&app, &caller, &id, &changes).await?;
    Ok(Json(EmptyResult {}))
}

/// `DELETE /v3/vm/templates/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    templates::delete(&app, &caller, &[id]).await?;
    Ok(Json(EmptyResult {}))
}

/// `POST /v3/vm/templates/delete`
pub(super) async fn delete_batch(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<DeletetemplatesReq>,
) -> Result<Json<EmptyResult>, ApiError> {
    templates::delete(&app, &caller, &body.ids).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /v3/vm/templates/{id}/target-password`
pub(super) async fn target_password(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ShowTargetPasswordResponse>, ApiError> {
    templates::target_password(&app, &caller, &id)
        .await
        .map(Json)
}

fn lacks_template() -> ApiError {
    refuse(ErrorCode::IncompleteBody, "It lacks template.")
}
