//! Reading the audit log, which `crate::audit` writes.

use axum::body::{Body, Bytes};
use rehost_sms_api::rehost::{AuditRecord, AuditRecordList, ExportAuditQuery, ListAuditQuery};
use rehost_store::{AuditFilter, AuditRow};

use super::list::{given, page_up_to};
use super::{App, table};
use crate::clock::iam_time;
use crate::errors::ApiError;
use crate::http::stream;
use crate::identity::Caller;

/// Rows that are read at once for a file.
const ROWS: i64 = 1000;
const HEAD: [&str; 13] = [
    "time",
    "id",
    "user_id",
    "user_name",
    "role",
    "action",
    "method",
    "path",
    "object",
    "status",
    "error_code",
    "address",
    "request_id",
];

/// A page of the log, latest first.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: ListAuditQuery,
) -> Result<AuditRecordList, ApiError> {
    let page = page_up_to(query.limit, query.offset, (200, 1000), 1_000_000_000)?;
    // What waits for its batch belongs to what can be read.
    app.audit.flush(&app.store).await?;
    let mut filter = AuditFilter {
        domain_id: caller.domain_id.clone(),
        from: query.from,
        to: query.to,
        user: given(query.user),
        user_name: None,
        trace: given(query.action),
        object_id: given(query.object),
    };
    let (mut rows, mut total) = app.store.audit(&filter, page).await?;
    // Nobody has that id: it is a name. Users that are gone had theirs, too.
    if total == 0 && filter.user.is_some() {
        filter.user_name = filter.user.take();
        (rows, total) = app.store.audit(&filter, page).await?;
    }
    Ok(AuditRecordList {
        count: u64::try_from(total).unwrap_or_default(),
        records: rows.into_iter().map(shown).collect(),
    })
}

fn shown(row: AuditRow) -> AuditRecord {
    AuditRecord {
        id: row.id,
        time: row.time,
        user_id: row.user_id,
        user_name: row.user_name,
        action: row.trace,
        object: row.object_id,
        address: row.address,
        request_id: row.request_id,
        status: u16::try_from(row.status).unwrap_or_default(),
        error_code: row.error_code,
    }
}

/// The log as CSV, oldest first, however long it is.
pub(crate) async fn export(
    app: &App,
    caller: &Caller,
    query: &ExportAuditQuery,
) -> Result<Body, ApiError> {
    app.audit.flush(&app.store).await?;
    let filter = AuditFilter {
        from: query.from,
        to: query.to,
        ..AuditFilter::of(&caller.domain_id)
    };
    let (parts, body) = stream::channel();
    let app = app.clone();
    tokio::spawn(async move {
        let mut next = table::line(HEAD);
        let mut after = String::new();
        loop {
            let ended = next.as_ref().map_or(true, Vec::is_empty);
            let sent = !ended || next.is_err();
            if sent && parts.send(next.map(Bytes::from)).await.is_err() || ended {
                return;
            }
            next = lines(&app, &filter, &mut after).await;
        }
    });
    Ok(body)
}

/// The lines after the entry `after`, which becomes the last one of them; none at the end.
async fn lines(app: &App, filter: &AuditFilter, after: &mut String) -> Result<Vec<u8>, ApiError> {
    let rows = app.store.audit_after(filter, after, ROWS).await?;
    let mut lines = Vec::new();
    for row in rows {
        let (time, status) = (iam_time(row.time), row.status.to_string());
        lines.extend(table::line([
            time.as_str(),
            &row.id,
            &row.user_id,
            &row.user_name,
            &row.role,
            &row.trace,
            &row.method,
            &row.path,
            &row.object_id,
            &status,
            &row.error_code,
            &row.address,
            &row.request_id,
        ])?);
        *after = row.id;
    }
    Ok(lines)
}
