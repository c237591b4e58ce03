//! Showing tasks: one, or a list.

use rehost_sms_api::bodies::{ListTasksQuery, ListTasksResponse, ShowTaskResponse};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{Page, SourceFilter, SourceRow, TargetRow, TaskFilter};

use super::{Task, load, views};
use crate::app::list::{count, page};
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

/// Tasks that fit (SMS, ListTasks). An agent sees that of its own source server.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: ListTasksQuery,
) -> Result<ListTasksResponse, ApiError> {
    let page = page(query.limit, query.offset, 100, 200)?;
    let text = |value: Option<String>| value.filter(|text| !text.is_empty());
    let mut filter = TaskFilter {
        state: text(query.state).map(|state| state.to_uppercase()),
        name: text(query.name),
        id: text(query.id),
        source_id: text(query.source_server_id),
        enterprise_project: text(query.enterprise_project_id)
            .filter(|project| project != "all_granted_eps"),
    };
    if let Some(owner) = caller.source_or_account()? {
        let own = SourceFilter {
            owner: Some(owner.to_owned()),
            ..SourceFilter::default()
        };
        let (own, _) = app
            .store
            .sources(
                &own,
                Page {
                    limit: 1,
                    offset: 0,
                },
            )
            .await?;
        let own = own.into_iter().next().map(|source| source.id);
        let asked = filter.source_id.take();
        match own {
            Some(own) if asked.as_ref().is_none_or(|asked| *asked == own) => {
                filter.source_id = Some(own);
            }
            _ => {
                return Ok(ListTasksResponse {
                    count: Some(0),
                    tasks: Vec::new(),
                });
            }
        }
    }
    let (rows, total) = app.store.tasks(&filter, page).await?;
    let now = now_ms();
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        let task = Task::open(row)?;
        let (source, target) = ends(app, &task).await?;
        let options = app.store.options(&task.row.id, None).await?;
        tasks.push(views::listed(task, &source, target.as_ref(), options, now)?);
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
