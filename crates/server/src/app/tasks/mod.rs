//! Migration tasks: making, showing, driving, removing.

mod act;
pub(crate) mod boots;
mod create;
mod delete;
mod placement;
mod record;
mod report;
mod scene;
mod settings;
mod show;
mod target_view;
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

use std::sync::Arc;

use rehost_sms_api::errors::ErrorCode;
use rehost_store::TaskRow;

use super::kept::Kept;
use super::{App, sources};
use crate::errors::ApiError;
use crate::identity::Caller;

/// A task that the caller may touch: any for an account, that of its own source for an agent.
pub(crate) async fn load(app: &App, caller: &Caller, id: &str) -> Result<Task, ApiError> {
    let row = app.store.shared_task(id).await?;
    let row = row
        .filter(|row| caller.sees(&row.domain_id))
        .ok_or(ErrorCode::TaskUnknown)?;
    if !caller.is_account() {
        sources::load(app, caller, &row.source_id).await?;
    }
    opened(app, &row).map(Arc::unwrap_or_clone)
}

/// Tasks that are kept in each of two generations, with some kilobytes each.
const MAX_OPENED: usize = 16 * 1024;

/// Tasks with the JSON of their rows opened, for those who only look at them.
pub(crate) type Opened = Kept<Arc<Task>>;

/// Nothing kept yet.
pub(crate) fn nothing_opened() -> Opened {
    Kept::new(MAX_OPENED)
}

/// A task to look at. Whoever changes it opens one of his own.
pub(crate) fn opened(app: &App, row: &TaskRow) -> Result<Arc<Task>, ApiError> {
    app.opened.get_or(&row.id, version(row), || {
        Task::open(row.clone()).map(Arc::new)
    })
}

/// Keeps a task whose figures were written: its agent will tell the next ones soon. What is there now is
/// of the next generation, and nobody else can have made that.
fn keep_opened(app: &App, mut task: Task) {
    task.row.generation += 1;
    app.opened
        .put(task.row.id.clone(), version(&task.row), Arc::new(task));
}

/// Whether a task was checked is written apart from the generation.
fn version(row: &TaskRow) -> i64 {
    row.generation * 2 + row.checked
}

/// The task of a source server, if it has one.
pub(crate) async fn of_source(app: &App, source_id: &str) -> Result<Option<Arc<Task>>, ApiError> {
    let row = app.store.shared_task_of_source(source_id).await?;
    row.map(|row| opened(app, &row)).transpose()
}
