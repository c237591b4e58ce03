//! Results of consistency checks of many tasks as one file (SMS, ExportConsistencyResults).

use axum::body::{Body, Bytes};
use rehost_sms_api::bodies::{BatchConsistencyReq, ConsistencyResult};
use rehost_sms_api::errors::ErrorCode;

use super::stored::from_json;
use super::{App, table, tasks};
use crate::clock::iam_time;
use crate::errors::{ApiError, refuse};
use crate::http::stream;
use crate::identity::Caller;

/// Tasks of one file (SMS).
const MAX_TASKS: usize = 200;
const HEAD: [&str; 10] = [
    "source_id",
    "source_name",
    "task_id",
    "finished_time",
    "check_result",
    "dir_check",
    "num_total_files",
    "num_different_files",
    "num_target_miss_files",
    "num_target_more_files",
];

/// The file, as CSV. Tasks are looked up before the first byte, so that one that is not there is an
/// error and not half a file.
pub(crate) async fn export(
    app: &App,
    caller: &Caller,
    wanted: &[BatchConsistencyReq],
) -> Result<Body, ApiError> {
    if !(1..=MAX_TASKS).contains(&wanted.len()) {
        return Err(refuse(
            ErrorCode::Parameters,
            "task_info must have 1 to 200 items.",
        ));
    }
    let mut found = Vec::with_capacity(wanted.len());
    for item in wanted {
        let id = item.task_id.as_deref().unwrap_or_default();
        let task = tasks::load(app, caller, id).await?;
        let source = app.store.source(&task.row.source_id).await?;
        let source = source.ok_or(ErrorCode::SourceUnknown)?;
        found.push((task.row.id, source.id, source.name));
    }
    let (parts, body) = stream::channel();
    let app = app.clone();
    tokio::spawn(async move {
        let mut next = table::line(HEAD);
        let mut rest = found.into_iter();
        loop {
            let failed = next.is_err();
            if parts.send(next.map(Bytes::from)).await.is_err() || failed {
                return;
            }
            let Some((task_id, source_id, name)) = rest.next() else {
                return;
            };
            next = lines(&app, &task_id, &source_id, &name).await;
        }
    });
    Ok(body)
}

/// The lines of one task: each directory of each check.
async fn lines(app: &App, task_id: &str, source_id: &str, name: &str) -> Result<Vec<u8>, ApiError> {
    let mut lines = Vec::new();
    for row in app.store.consistency_results(task_id).await? {
        let found: Vec<ConsistencyResult> = from_json(&row.result, "consistency result")?;
        let finished = iam_time(row.finished_time);
        let verdict = tasks::verdict(&found);
        for entry in found {
            let number = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
            let numbers = [
                entry.num_total_files,
                entry.num_different_files,
                entry.num_target_miss_files,
                entry.num_target_more_files,
            ]
            .map(|counted| number(counted.map(u64::from)));
            let directory = entry.dir_check.unwrap_or_default();
            let fields = [
                source_id,
                name,
                task_id,
                &finished,
                verdict,
                &directory,
                &numbers[0],
                &numbers[1],
                &numbers[2],
                &numbers[3],
            ];
            lines.extend(table::line(fields)?);
        }
    }
    Ok(lines)
}
