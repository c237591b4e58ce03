//! Migration tasks: making, showing, driving, removing.

mod act;
mod create;
mod delete;
mod placement;
mod record;
mod report;
mod scene;
mod settings;
mod show;
mod update;
mod views;

pub(crate) use act::act;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use record::{Task, Volume};
pub(crate) use report::{report_network, report_progress, report_target};
pub(crate) use scene::Scene;
pub(crate) use settings::{
    add_consistency, consistency, options, set_options, set_speed_limits, speed_limits, verdict,
};
pub(crate) use show::{list, show};
pub(crate) use update::update;
pub(crate) use views::{listed_in_source, shown_in_source};

use rehost_sms_api::errors::ErrorCode;

use super::{App, sources};
use crate::errors::ApiError;
use crate::identity::Caller;

/// A task that the caller may touch: any for an account, that of its own source for an agent.
pub(crate) async fn load(app: &App, caller: &Caller, id: &str) -> Result<Task, ApiError> {
    let row = app.store.task(id).await?;
    let row = row
        .filter(|row| caller.sees(&row.domain_id))
        .ok_or(ErrorCode::TaskUnknown)?;
    if !caller.is_account() {
        sources::load(app, caller, &row.source_id).await?;
    }
    Task::open(row)
}

/// The task of a source server, if it has one.
pub(crate) async fn of_source(app: &App, source_id: &str) -> Result<Option<Task>, ApiError> {
    app.store
        .task_of_source(source_id)
        .await?
        .map(Task::open)
        .transpose()
}
