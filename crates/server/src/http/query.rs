//! Query strings: read by form, refused in the service's words.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use rehost_sms_api::errors::ErrorCode;
use serde::de::DeserializeOwned;

use crate::errors::{ApiError, refuse};

/// The query string of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(query)| Self(query))
            .map_err(|rejection| {
                refuse(
                    ErrorCode::Parameters,
                    format!("The query says: {}.", rejection.body_text()),
                )
            })
    }
}
