//! The service as a whole: consent, settings for agents, and what old clients ask.

use axum::Json;
use axum::extract::State;
use rehost_sms_api::bodies::{
    EmptyResult, ShowConfigResponse, ShowPrivacyAgreementsResponse, ShowSha256Response,
};

use super::path::{PathId, PathIds};
use crate::app::{App, service};
use crate::errors::ApiError;
use crate::identity::Caller;

/// `GET /v3/privacy-agreements`
pub(super) async fn privacy(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<ShowPrivacyAgreementsResponse>, ApiError> {
    service::privacy(&app, &caller).await.map(Json)
}

/// `POST /v3/privacy-agreements`
pub(super) async fn agree(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<EmptyResult>, ApiError> {
    service::agree(&app, &caller).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /v3/config`
pub(super) async fn config(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<ShowConfigResponse>, ApiError> {
    service::config(&app, &caller).await.map(Json)
}

/// `GET /v3/sha256/{key}`
pub(super) async fn sha256(PathId(key): PathId) -> Json<ShowSha256Response> {
    Json(service::sha256(&key))
}

/// `GET /v3/tasks/{t_project_id}/networkacl/{t_network_id}/check`
pub(super) async fn check_network(
    State(app): State<App>,
    caller: Caller,
    PathIds(project_id, network_id): PathIds,
) -> Result<Json<EmptyResult>, ApiError> {
    service::check_network(&app, &caller, &project_id, &network_id).await?;
    Ok(Json(EmptyResult {}))
}
