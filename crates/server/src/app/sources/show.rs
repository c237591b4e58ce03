//! Showing source servers: one, numbers, failures. Lists are in `list`.

use rehost_migration::source::SourceState;
use rehost_migration::task::TaskState;
use rehost_sms_api::bodies::{
    ListErrorServersQuery, ListErrorServersResponse, MigrationErrors, ShowOverviewResponse,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{SourceRow, TaskFilter};

use super::inventory::inventory;
use super::load;
use super::written::push_shown;
use crate::app::App;
use crate::app::list::{count, enterprise_project, given, page};
use crate::app::tasks::{self, Task};
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;

/// What a source server that is shown takes, about, in bytes.
const ROOM: usize = 8 * 1024;

/// Everything about a source server (SMS, ShowServer): the JSON of the answer.
pub(crate) async fn show(app: &App, caller: &Caller, id: &str) -> Result<Vec<u8>, ApiError> {
    let row = load(app, caller, id).await?;
    let task = tasks::of_source(app, id).await?;
    let mut body = Vec::with_capacity(ROOM);
    push_shown(&app.written, &row, task.as_deref(), &mut body)?;
    Ok(body)
}

/// How many source servers are in each state (SMS, ShowOverview).
pub(crate) async fn overview(app: &App, caller: &Caller) -> Result<ShowOverviewResponse, ApiError> {
    let counted = app.store.overview(&caller.domain_id).await?;
    let of = |state: SourceState| {
        let mut states = counted.states.iter();
        let found = states.find(|(name, _)| name == state.as_str());
        count(found.map_or(0, |(_, number)| *number))
    };
    Ok(ShowOverviewResponse {
        waiting: of(SourceState::Waiting),
        replicate: of(SourceState::Replicate),
        syncing: of(SourceState::Syncing),
        stopped: of(SourceState::Stopped),
        deleting: of(SourceState::Deleting),
        cutovering: of(SourceState::Cutovering),
        unavailable: of(SourceState::Unavailable),
        stopping: of(SourceState::Stopping),
        skipping: of(SourceState::Skipping),
        finished: of(SourceState::Finished),
        initialize: of(SourceState::Initialize),
        error: of(SourceState::Error),
        cloning: of(SourceState::Cloning),
        unconfigured: count(counted.unconfigured),
    })
}

/// Source servers whose task failed (SMS, ListErrorServers).
pub(crate) async fn errors(
    app: &App,
    caller: &Caller,
    query: ListErrorServersQuery,
) -> Result<ListErrorServersResponse, ApiError> {
    let page = page(query.limit, query.offset, 50, 100)?;
    let failed = TaskState::ALL.into_iter().filter(|state| state.is_failed());
    let filter = TaskFilter {
        states: failed.map(|state| state.as_str().to_owned()).collect(),
        enterprise_project: enterprise_project(query.enterprise_project_id),
        migproject: given(query.migproject),
        ..TaskFilter::of(&caller.domain_id)
    };
    let (rows, total) = app.store.tasks(&filter, page).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.source_id.clone()).collect();
    let sources = app.store.sources_by_ids(&ids).await?;
    let mut migration_errors = Vec::with_capacity(rows.len());
    for row in rows {
        let task = Task::open(row)?;
        let source = sources.iter().find(|row| row.id == task.row.source_id);
        // One that was removed since the tasks were read has no error any more.
        let Some(source) = source else { continue };
        migration_errors.push(MigrationErrors {
            error_json: task.row.error_json.clone(),
            host_name: inventory(source)?.hostname,
            source_ip: Some(address(source)),
            name: Some(source.name.clone()),
            source_id: Some(source.id.clone()),
            target_ip: Some(task.body.migration_ip().to_owned()),
        });
    }
    Ok(ListErrorServersResponse {
        count: count(total),
        migration_errors,
    })
}

/// The address that is shown: IPv4 where there is one.
pub(crate) fn address(row: &SourceRow) -> String {
    if row.ip.is_empty() {
        row.ipv6.clone()
    } else {
        row.ip.clone()
    }
}

pub(super) fn unknown_word(name: &str) -> ApiError {
    refuse(
        ErrorCode::Parameters,
        format!("{name} is none of the words of the API reference."),
    )
}
