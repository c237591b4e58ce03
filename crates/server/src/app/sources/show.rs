//! Showing source servers: one, numbers, failures. Lists are in `list`.

use rehost_migration::source::SourceState;
use rehost_migration::task::TaskState;
use rehost_sms_api::bodies::{
    EnvironmentCheck, ListErrorServersQuery, ListErrorServersResponse, MigrationErrors,
    ShowOverviewResponse, ShowServerResponse,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{SourceRow, TaskFilter};

use super::inventory::{inventory, proposal};
use super::{is_connected, load};
use crate::app::App;
use crate::app::list::{count, enterprise_project, page};
use crate::app::stored::from_json;
use crate::app::tasks::{self, Task};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;

/// Everything about a source server (SMS, ShowServer).
pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ShowServerResponse, ApiError> {
    let row = load(app, caller, id).await?;
    let inventory = inventory(&row)?;
    let task = tasks::of_source(app, id).await?;
    let figures = task
        .as_ref()
        .map(|task| task.figures.clone())
        .unwrap_or_default();
    Ok(ShowServerResponse {
        connected: Some(is_connected(&row, now_ms())),
        checks: checks(&row)?,
        init_target_server: Some(proposal(&inventory)),
        current_task: task.as_ref().map(tasks::shown_in_source),
        replicatesize: Some(figures.replicatesize.unwrap_or(0)),
        totalsize: Some(figures.totalsize.unwrap_or(0)),
        ip: Some(address(&row)),
        id: Some(row.id),
        name: Some(row.name),
        hostname: inventory.hostname,
        enterprise_project_id: Some(row.enterprise_project),
        add_date: Some(row.add_date),
        os_type: inventory.os_type,
        os_version: inventory.os_version,
        oem_system: inventory.oem_system,
        state: Some(row.state),
        firmware: inventory.firmware,
        cpu_quantity: inventory.cpu_quantity,
        memory: inventory.memory,
        disks: inventory.disks.unwrap_or_default(),
        volume_groups: inventory.volume_groups.unwrap_or_default(),
        btrfs_list: inventory.btrfs_list.unwrap_or_default(),
        networks: inventory.networks.unwrap_or_default(),
        migration_cycle: Some(row.migration_cycle),
        state_action_time: Some(row.state_action_time),
        last_visit_time: Some(row.last_visit_time),
        stage_action_time: Some(row.stage_action_time),
        agent_version: inventory.agent_version,
        has_tc: inventory.has_tc,
        start_type: inventory.start_type,
        adjust_disk: Some(false),
    })
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

pub(super) fn checks(row: &SourceRow) -> Result<Vec<EnvironmentCheck>, ApiError> {
    from_json(&row.checks, "list of checks")
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
