//! Pages of lists.

use rehost_sms_api::errors::ErrorCode;
use rehost_store::Page;

use crate::errors::{ApiError, refuse};

/// Largest offset (SMS: 0 to 65535).
const MAX_OFFSET: u32 = 65_535;

/// The page that was asked for; 0 means the default, because SMS says so for source servers and no
/// client means an empty page.
pub(crate) fn page(
    limit: Option<u32>,
    offset: Option<u32>,
    default: u32,
    max: u32,
) -> Result<Page, ApiError> {
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(default);
    if limit > max {
        return Err(refuse(
            ErrorCode::NotAnInteger,
            format!("limit is at most {max}."),
        ));
    }
    let offset = offset.unwrap_or(0);
    if offset > MAX_OFFSET {
        return Err(refuse(
            ErrorCode::NotAnInteger,
            format!("offset is at most {MAX_OFFSET}."),
        ));
    }
    Ok(Page {
        limit: i64::from(limit),
        offset: i64::from(offset),
    })
}

/// A count of rows as the API writes it.
pub(crate) fn count(rows: i64) -> Option<u32> {
    u32::try_from(rows).ok()
}

/// Checks the ids of a batch (SMS: 1 to 50 of them).
pub(crate) fn check_ids(ids: &[String]) -> Result<(), ApiError> {
    if (1..=50).contains(&ids.len()) {
        Ok(())
    } else {
        Err(refuse(
            ErrorCode::Parameters,
            "ids must have 1 to 50 items.",
        ))
    }
}
