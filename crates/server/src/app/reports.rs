//! What a migration cost and achieved, as its agent measured it.

use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::MigrationReport;

use super::stored::{from_json, to_json};
use super::{App, tasks};
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;

/// Replaces the report of a task.
pub(crate) async fn put(
    app: &App,
    caller: &Caller,
    task_id: &str,
    report: &MigrationReport,
) -> Result<(), ApiError> {
    tasks::load(app, caller, task_id).await?;
    if report.task_id != task_id {
        return Err(refuse(
            ErrorCode::Parameters,
            "task_id is that of another task.",
        ));
    }
    Ok(app.store.put_report(task_id, &to_json(report)?).await?)
}

/// The report of a task.
pub(crate) async fn get(
    app: &App,
    caller: &Caller,
    task_id: &str,
) -> Result<MigrationReport, ApiError> {
    tasks::load(app, caller, task_id).await?;
    let report = app
        .store
        .report(task_id)
        .await?
        .ok_or(ErrorCode::ReportAbsent)?;
    from_json(&report, "report")
}
