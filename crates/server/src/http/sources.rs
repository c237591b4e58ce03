//! Source servers.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::CONTENT_TYPE;
use rehost_sms_api::bodies::{
    CommandBody, DeleteIds, EmptyResult, ListErrorServersQuery, ListErrorServersResponse,
    ListServersQuery, PostSourceServerBody, PutCopyStateReq, PutDiskInfoReq, PutSourceServerBody,
    ShowOverviewResponse,
};
use serde::Deserialize;

use super::body::{JsonBody, OptionalJsonBody, created};
use super::path::PathId;
use super::query::QueryOf;
use crate::app::mailbox::{self, Sight};
use crate::app::{App, sources};
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::parking::Place;

/// An answer that is JSON already.
fn json(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// `POST /v3/sources`
pub(super) async fn register(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<PostSourceServerBody>,
) -> Result<Response, ApiError> {
    sources::register(&app, &caller, body).await.map(created)
}

/// `GET /v3/sources`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ListServersQuery>,
) -> Result<Response, ApiError> {
    Ok(json(sources::list(&app, &caller, query).await?))
}

/// `GET /v3/sources/overview`
pub(super) async fn overview(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<ShowOverviewResponse>, ApiError> {
    sources::overview(&app, &caller).await.map(Json)
}

/// `GET /v3/errors`
pub(super) async fn errors(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ListErrorServersQuery>,
) -> Result<Json<ListErrorServersResponse>, ApiError> {
    sources::errors(&app, &caller, query).await.map(Json)
}

/// `GET /v3/sources/{id}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    Ok(json(sources::show(&app, &caller, &id).await?))
}

/// `PUT /v3/sources/{id}`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<PutSourceServerBody>,
) -> Result<Json<EmptyResult>, ApiError> {
    sources::update(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `DELETE /v3/sources/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    sources::delete(&app, &caller, &[id]).await?;
    Ok(Json(EmptyResult {}))
}

/// `POST /v3/sources/delete`
pub(super) async fn delete_batch(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<DeleteIds>,
) -> Result<Json<EmptyResult>, ApiError> {
    sources::delete(&app, &caller, &body.ids).await?;
    Ok(Json(EmptyResult {}))
}

/// `PUT /v3/sources/{id}/changestate`
pub(super) async fn change_state(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<PutCopyStateReq>,
) -> Result<Json<EmptyResult>, ApiError> {
    sources::change_state(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `PUT /v3/sources/{id}/diskinfo`
pub(super) async fn update_disks(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<PutDiskInfoReq>,
) -> Result<Json<EmptyResult>, ApiError> {
    sources::update_disks(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CommandQuery {
    wait_seconds: Option<u64>,
}

/// `GET /v3/sources/{id}/command`; with `wait_seconds` a long poll
pub(super) async fn command(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    place: Option<Extension<Place>>,
    QueryOf(query): QueryOf<CommandQuery>,
) -> Result<Response, ApiError> {
    let place = place.map(|Extension(place)| place);
    match mailbox::command(&app, &caller, &id, query.wait_seconds, place).await? {
        Sight::Answer(answer) => Ok(Json(answer).into_response()),
        // Never sent: the listener takes it for what it is.
        Sight::Later(parked) => Ok(Extension(parked).into_response()),
    }
}

/// `POST /v3/sources/{id}/command_result`
pub(super) async fn command_result(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    OptionalJsonBody(body): OptionalJsonBody<CommandBody>,
) -> Result<Json<EmptyResult>, ApiError> {
    mailbox::command_result(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}
