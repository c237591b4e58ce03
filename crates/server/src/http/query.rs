//! Query strings: held against the contract, read by form, refused in the service's words.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use rehost_sms_api::contract::{self, Operation};
use rehost_sms_api::errors::ErrorCode;
use serde::de::DeserializeOwned;

use crate::errors::{ApiError, refuse};

/// The query string of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let malformed = |rejection: QueryRejection| {
            refuse(
                ErrorCode::Parameters,
                format!("The query says: {}.", rejection.body_text()),
            )
        };
        if let Some(operation) = parts.extensions.get::<&'static Operation>().copied() {
            let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
                .await
                .map_err(malformed)?;
            contract::validate_query(operation, pairs)
                .map_err(|violation| refuse(violation.code(), violation.to_string()))?;
        }
        let Query(query) = Query::from_request_parts(parts, state)
            .await
            .map_err(malformed)?;
        Ok(Self(query))
    }
}
