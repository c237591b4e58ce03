//! Users, access keys, domains, and the audit log.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use rehost_sms_api::bodies::EmptyResult;
use rehost_sms_api::rehost::{
    AccessKeyList, AuditRecordList, CreateAccessKeyRequest, CreateDomainRequest, CreateUserRequest,
    ExportAuditQuery, ListAuditQuery, TenantDomainList, UpdateUserRequest, User, UserList,
};

use super::body::{JsonBody, OptionalJsonBody};
use super::path::{PathId, PathIds};
use super::query::QueryOf;
use super::stream::download;
use crate::app::{App, accounts, audit_log};
use crate::audit::AuditObject;
use crate::errors::ApiError;
use crate::identity::Caller;

/// `GET /rehost/v1/users`
pub(super) async fn list_users(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<UserList>, ApiError> {
    accounts::list(&app, &caller).await.map(Json)
}

/// `POST /rehost/v1/users`
pub(super) async fn create_user(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateUserRequest>,
) -> Result<Response, ApiError> {
    let user = accounts::create(&app, &caller, &body).await?;
    let object = AuditObject(user.id.clone());
    Ok(about(Json(user).into_response(), object))
}

/// `GET /rehost/v1/users/{user_id}`
pub(super) async fn show_user(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<User>, ApiError> {
    accounts::show(&app, &caller, &id).await.map(Json)
}

/// `PUT /rehost/v1/users/{user_id}`
pub(super) async fn update_user(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    JsonBody(body): JsonBody<UpdateUserRequest>,
) -> Result<Json<User>, ApiError> {
    accounts::update(&app, &caller, &id, &body).await.map(Json)
}

/// `DELETE /rehost/v1/users/{user_id}`
pub(super) async fn delete_user(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<EmptyResult>, ApiError> {
    accounts::delete(&app, &caller, &id).await?;
    Ok(Json(EmptyResult {}))
}

/// `GET /rehost/v1/users/{user_id}/access-keys`
pub(super) async fn list_keys(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<AccessKeyList>, ApiError> {
    accounts::keys(&app, &caller, &id).await.map(Json)
}

/// `POST /rehost/v1/users/{user_id}/access-keys`
pub(super) async fn create_key(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    OptionalJsonBody(body): OptionalJsonBody<CreateAccessKeyRequest>,
) -> Result<Response, ApiError> {
    let key = accounts::create_key(&app, &caller, &id, body).await?;
    let object = AuditObject(key.access_key.clone());
    Ok(about(Json(key).into_response(), object))
}

/// `DELETE /rehost/v1/users/{user_id}/access-keys/{access_key}`
pub(super) async fn delete_key(
    State(app): State<App>,
    caller: Caller,
    PathIds(user_id, access_key): PathIds,
) -> Result<Response, ApiError> {
    accounts::delete_key(&app, &caller, &user_id, &access_key).await?;
    let object = AuditObject(access_key);
    Ok(about(Json(EmptyResult {}).into_response(), object))
}

/// `GET /rehost/v1/domains`
pub(super) async fn list_domains(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<TenantDomainList>, ApiError> {
    accounts::domains(&app, &caller).await.map(Json)
}

/// `POST /rehost/v1/domains`
pub(super) async fn create_domain(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateDomainRequest>,
) -> Result<Response, ApiError> {
    let domain = accounts::create_domain(&app, &caller, &body).await?;
    let object = AuditObject(domain.id.clone());
    Ok(about(Json(domain).into_response(), object))
}

/// `GET /rehost/v1/audit`
pub(super) async fn list_audit(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ListAuditQuery>,
) -> Result<Json<AuditRecordList>, ApiError> {
    audit_log::list(&app, &caller, query).await.map(Json)
}

/// `GET /rehost/v1/audit/export`
pub(super) async fn export_audit(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ExportAuditQuery>,
) -> Result<Response, ApiError> {
    let table = audit_log::export(&app, &caller, &query).await?;
    Ok(download(table, "text/csv; charset=utf-8", "audit.csv"))
}

/// An answer with the object that the audit log shall name.
fn about(mut response: Response, object: AuditObject) -> Response {
    response.extensions_mut().insert(object);
    response
}
