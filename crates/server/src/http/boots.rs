//! Rehearsals, and starts of the target.

use axum::Json;
use axum::extract::State;
use rehost_sms_api::bodies::EmptyResult;
use rehost_sms_api::rehost::{Boot, BootList, BootReport, BootSettings, OrderedBoot};

use super::body::JsonBody;
use super::path::{PathId, PathIds};
use crate::app::App;
use crate::app::tasks::boots;
use crate::errors::ApiError;
use crate::identity::Caller;

/// `PUT /rehost/v1/targets/self/tasks/{task_id}/boots/{boot_id}`
pub(super) async fn report(
    State(app): State<App>,
    caller: Caller,
    PathIds(task_id, boot_id): PathIds,
    JsonBody(body): JsonBody<BootReport>,
) -> Result<Json<EmptyResult>, ApiError> {
    boots::report(&app, &caller, (&task_id, &boot_id), &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /rehost/v1/tasks/{task_id}/boot-settings`
pub(super) async fn settings(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
) -> Result<Json<BootSettings>, ApiError> {
    boots::settings(&app, &caller, &task_id).await.map(Json)
}

/// `PUT /rehost/v1/tasks/{task_id}/boot-settings`
pub(super) async fn put_settings(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
    JsonBody(body): JsonBody<BootSettings>,
) -> Result<Json<EmptyResult>, ApiError> {
    boots::set_settings(&app, &caller, &task_id, &body).await?;
    Ok(Json(EmptyResult {}))
}

/// `POST /rehost/v1/tasks/{task_id}/rehearsals`
pub(super) async fn rehearse(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
) -> Result<Json<OrderedBoot>, ApiError> {
    boots::rehearse(&app, &caller, &task_id).await.map(Json)
}

/// `GET /rehost/v1/tasks/{task_id}/boots`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    PathId(task_id): PathId,
) -> Result<Json<BootList>, ApiError> {
    boots::list(&app, &caller, &task_id).await.map(Json)
}

/// `GET /rehost/v1/tasks/{task_id}/boots/{boot_id}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    PathIds(task_id, boot_id): PathIds,
) -> Result<Json<Boot>, ApiError> {
    boots::show(&app, &caller, (&task_id, &boot_id))
        .await
        .map(Json)
}
