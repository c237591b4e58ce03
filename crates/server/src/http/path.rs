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
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) if !id.contains('\0') => Ok(Self(id)),
            _ => Err(no_text()),
        }
    }
}

/// The two variables of a route, in their order.
#[derive(Clone, Debug)]
pub(crate) struct PathIds(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathIds {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((first, second))) if !first.contains('\0') && !second.contains('\0') => {
                Ok(Self(first, second))
            }
            _ => Err(no_text()),
        }
    }
}

/// PostgreSQL takes no character of code 0, and no id has one.
fn no_text() -> ApiError {
    refuse(
        ErrorCode::Parameters,
        "The path is not percent-encoded UTF-8, or holds the character of code 0.",
    )
}
