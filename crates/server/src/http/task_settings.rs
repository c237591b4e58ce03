//! Settings and results that hang on a task.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use rehost_sms_api::bodies::{
    BatchGetConsistencyResultReq, ConfigurationRequestBody, EmptyResult,
    SetConsistencyResultRequestBody, ShowConfigSettingResponse, ShowConsistencyResultResponse,
    ShowsSpeedLimitsResponse, SpeedLimit,
};
use serde::Deserialize;

use super::body::{JsonBody, OptionalJsonBody};
use super::path::PathId;
use super::query::QueryOf;
use super::stream::download;
use crate::app::{App, consistency_export, tasks};
use crate::errors::ApiError;
use crate::identity::Caller;

/// `GET /v3/tasks/{id}/speed-limit`
pub(super) async fn speed_limits(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ShowsSpeedLimitsResponse>, ApiError> {
    tasks::speed_limits(&app, &caller, &id).await.map(Json)
}

/// `POST /v3/tasks/{id}/speed-limit`; Terraform sends an empty body when the list was emptied
pub(super) async fn set_speed_limits(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    OptionalJsonBody(body): OptionalJsonBody<SpeedLimit>,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::set_speed_limits(&app, &caller, &id, &body).await?;
    Ok(Json(EmptyResult {}))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OptionsQuery {
    config_key: Option<String>,
}

/// `GET /v3/tasks/{id}/configuration-setting`
pub(super) async fn options(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    QueryOf(query): QueryOf<OptionsQuery>,
) -> Result<Json<ShowConfigSettingResponse>, ApiError> {
    tasks::options(&app, &caller, &id, query.config_key.as_deref())
        .await
        .map(Json)
}

/// `POST /v3/tasks/{id}/configuration-setting`
pub(super) async fn set_options(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<ConfigurationRequestBody>,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::set_options(&app, &caller, &id, body).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /v3/tasks/{id}/consistency-result`
pub(super) async fn consistency(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ShowConsistencyResultResponse>, ApiError> {
    tasks::consistency(&app, &caller, &id).await.map(Json)
}

/// `POST /v3/tasks/{id}/consistency-result`
pub(super) async fn add_consistency(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<SetConsistencyResultRequestBody>,
) -> Result<Json<EmptyResult>, ApiError> {
    tasks::add_consistency(&app, &caller, &id, body).await?;
    Ok(Json(EmptyResult {}))
}

/// `POST /v3/tasks/consistency-results/export`
pub(super) async fn export_consistency(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<BatchGetConsistencyResultReq>,
) -> Result<Response, ApiError> {
    let table = consistency_export::export(&app, &caller, &body.task_info).await?;
    Ok(download(
        table,
        "text/csv; charset=utf-8",
        "consistency-results.csv",
    ))
}
