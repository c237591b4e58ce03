//! JSON in rows: written and read by one pair of functions, so that damage is named the same.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::ApiError;

/// The JSON text of a value, for a row.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|source| ApiError::Internal {
        act: "write JSON for a row",
        source: source.into(),
    })
}

/// The value of a JSON text from a row; `what` names it in errors.
pub(crate) fn from_json<T: DeserializeOwned>(
    text: &str,
    what: &'static str,
) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|source| ApiError::Stored {
        what,
        source: source.into(),
    })
}
