//! Pages of lists, and batches.

use std::collections::HashSet;

use rehost_sms_api::errors::ErrorCode;
use rehost_store::Page;

use crate::errors::{ApiError, refuse};

/// Largest offset (SMS: 0 to 65535).
const MAX_OFFSET: u32 = 65_535;

/// A page for those who only want the count.
pub(crate) const ONE: Page = Page {
    limit: 1,
    offset: 0,
};

/// A filter that was given; empty text lets everything through, as if it were absent.
pub(crate) fn given(filter: Option<String>) -> Option<String> {
    filter.filter(|text| !text.is_empty())
}

/// The enterprise project to filter by; the word for all that the caller may see means any.
pub(crate) fn enterprise_project(filter: Option<String>) -> Option<String> {
    given(filter).filter(|project| project != "all_granted_eps")
}

/// The page that was asked for; 0 means the default, because SMS says so for source servers and no
/// client means an empty page.
pub(crate) fn page(
    limit: Option<u32>,
    offset: Option<u32>,
    default: u32,
    max: u32,
) -> Result<Page, ApiError> {
    page_up_to(limit, offset, (default, max), MAX_OFFSET)
}

/// As [`page`], with another largest offset.
pub(crate) fn page_up_to(
    limit: Option<u32>,
    offset: Option<u32>,
    (default, max): (u32, u32),
    max_offset: u32,
) -> Result<Page, ApiError> {
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(default);
    let offset = offset.unwrap_or(0);
    for (name, value, most) in [("limit", limit, max), ("offset", offset, max_offset)] {
        if value > most {
            return Err(refuse(
                ErrorCode::NotAnInteger,
                format!("{name} is at most {most}."),
            ));
        }
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

/// The ids of a batch (SMS: 1 to 50 of them), each once, in the order in which they are named.
pub(crate) fn batch(ids: &[String]) -> Result<Vec<&String>, ApiError> {
    if (1..=50).contains(&ids.len()) {
        let mut known = HashSet::new();
        Ok(ids.iter().filter(|id| known.insert(*id)).collect())
    } else {
        Err(refuse(
            ErrorCode::Parameters,
            "ids must have 1 to 50 items.",
        ))
    }
}
