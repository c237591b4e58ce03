//! The interface described: as an OpenAPI document for programs, as a page for people.

use axum::response::{Html, IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use rehost_sms_api::contract;

/// `GET /openapi.json`
pub(super) async fn openapi() -> Response {
    (
        [(CONTENT_TYPE, "application/json")],
        contract::document_text(),
    )
        .into_response()
}

/// `GET /docs`
pub(super) async fn page() -> Html<&'static str> {
    Html(contract::page())
}
