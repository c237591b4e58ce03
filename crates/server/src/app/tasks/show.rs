//! Showing tasks: one, or a list.

use std::collections::HashMap;

use rehost_sms_api::bodies::{ListTasksQuery, ListTasksResponse, ShowTaskResponse};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{OptionRow, SourceRow, TargetRow, TaskFilter, TaskRow};

use super::{Task, load, views};
use crate::app::list::{count, enterprise_project, given, page};
use crate::app::{App, sources};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;

/// Everything about a task (SMS, ShowTask).
pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ShowTaskResponse, ApiError> {
    let task = load(app, caller, id).await?;
    let (source, target) = ends(app, &task).await?;
    views::shown(task, &source, target.as_ref(), now_ms())
}

/// Tasks that fit (SMS, ListTasks).
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: ListTasksQuery,
) -> Result<ListTasksResponse, ApiError> {
    let page = page(query.limit, query.offset, 100, 200)?;
    let state = given(query.state).map(|state| state.to_uppercase());
    let filter = TaskFilter {
        states: state.into_iter().collect(),
        name: given(query.name),
        id: given(query.id),
        source_id: given(query.source_server_id),
        enterprise_project: enterprise_project(query.enterprise_project_id),
        ..TaskFilter::of(&caller.domain_id)
    };
    let (rows, total) = app.store.tasks(&filter, page).await?;
    let of = |pick: fn(&TaskRow) -> Option<&String>| -> Vec<String> {
        rows.iter().filter_map(pick).cloned().collect()
    };
    let sources = of(|row| Some(&row.source_id));
    let sources = app.store.sources_by_ids(&sources).await?;
    let targets = of(|row| row.target_id.as_ref());
    let targets = app.store.targets_by_ids(&targets).await?;
    let ids = of(|row| Some(&row.id));
    let mut options: HashMap<String, Vec<OptionRow>> = HashMap::new();
    for (task_id, option) in app.store.options_of_tasks(&ids).await? {
        options.entry(task_id).or_default().push(option);
    }
    let now = now_ms();
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        let source = sources.iter().find(|source| source.id == row.source_id);
        // One that was removed since the tasks were read took its task with it.
        let Some(source) = source else { continue };
        let target = row.target_id.as_ref();
        let target = target.and_then(|id| targets.iter().find(|target| target.id == *id));
        let options = options.remove(&row.id).unwrap_or_default();
        tasks.push(views::listed(
            Task::open(row)?,
            source,
            target,
            options,
            now,
        )?);
    }
    Ok(ListTasksResponse {
        count: count(total),
        tasks,
    })
}

/// Source and target of a task.
async fn ends(app: &App, task: &Task) -> Result<(SourceRow, Option<TargetRow>), ApiError> {
    let source = app.store.source(&task.row.source_id).await?;
    let source = source.ok_or(ErrorCode::SourceUnknown)?;
    sources::words(&source)?;
    let target = match &task.row.target_id {
        Some(id) => app.store.target(id).await?,
        None => None,
    };
    Ok((source, target))
}
