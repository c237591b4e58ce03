//! Ids in paths.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use rehost_sms_api::errors::ErrorCode;

use crate::errors::{ApiError, refuse};

/// The one variable of a route.
#[derive(Clone, Debug)]
pub(crate) struct PathId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(id)| Self(id))
            .map_err(|_| not_utf8())
    }
}

/// The two variables of a route, in their order.
#[derive(Clone, Debug)]
pub(crate) struct PathIds(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathIds {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path((first, second))| Self(first, second))
            .map_err(|_| not_utf8())
    }
}

fn not_utf8() -> ApiError {
    refuse(
        ErrorCode::Parameters,
        "The path is not percent-encoded UTF-8.",
    )
}
