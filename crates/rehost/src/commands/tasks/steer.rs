//! What is done to a task: actions, and deleting it.

use anyhow::{Context as _, Result};
use rehost_sms_api::bodies::UpdateTaskStatusReq;

use super::One;
use crate::operator::find_task;

/// Sends an action (SMS, UpdateTaskStatus).
///
/// # Errors
/// If the task is not found or not in a state for it.
pub(super) fn act(options: &One, operation: &str) -> Result<()> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    let body = UpdateTaskStatusReq {
        operation: Some(operation.into()),
        ..UpdateTaskStatusReq::default()
    };
    client
        .update_task_status(&id, &body)
        .with_context(|| format!("{operation} task {id}"))
}

/// Deletes a task.
///
/// # Errors
/// If the task is not found or is running.
pub(super) fn delete(options: &One) -> Result<()> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    client
        .delete_task(&id)
        .with_context(|| format!("delete task {id}"))
}
