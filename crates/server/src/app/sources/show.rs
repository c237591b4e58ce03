//! Showing source servers: one, a list, numbers, failures.

use rehost_migration::source::SourceState;
use rehost_migration::task::TaskState;
use rehost_sms_api::bodies::{
    EnvironmentCheck, ListErrorServersResponse, ListServersQuery, ListServersResponse,
    MigrationErrors, ShowOverviewResponse, ShowServerResponse, SourceServersResponseBody,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{Page, SourceFilter, SourceRow, TaskFilter};

use super::inventory::{inventory, proposal};
use super::{is_connected, load};
use crate::app::list::{count, page};
use crate::app::stored::from_json;
use crate::app::tasks::{self, Task};
use crate::app::{App, CONNECTED_MS};
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

/// Source servers that fit (SMS, ListServers).
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: ListServersQuery,
) -> Result<ListServersResponse, ApiError> {
    let owner = caller.source_or_account()?.map(str::to_owned);
    let page = page(query.limit, query.offset, 200, 200)?;
    let text = |value: Option<String>| value.filter(|text| !text.is_empty());
    let state = match text(query.state) {
        Some(word) => {
            let state: SourceState = word.parse().map_err(|_| unknown_word("state"))?;
            Some(state.as_str().to_owned())
        }
        None => None,
    };
    let connected_since = now_ms().saturating_sub(CONNECTED_MS).saturating_add(1);
    let ip = text(query.ip);
    let filter = SourceFilter {
        state,
        name: text(query.name),
        id: text(query.id),
        // SMS: ip has precedence over ipv6.
        ipv6: text(query.ipv6).filter(|_| ip.is_none()),
        ip,
        migproject: text(query.migproject),
        migration_cycle: text(query.migration_cycle).map(|word| word.to_lowercase()),
        enterprise_project: text(query.enterprise_project_id)
            .filter(|project| project != "all_granted_eps"),
        seen_since: (query.connected == Some(true)).then_some(connected_since),
        unseen_since: (query.connected == Some(false)).then_some(connected_since),
        has_consistency_result: query.is_consistency_result_exist,
        target_id: text(query.vm_id),
        owner,
    };
    let (rows, total) = app.store.sources(&filter, page).await?;
    let mut source_servers = Vec::with_capacity(rows.len());
    for row in rows {
        let task = tasks::of_source(app, &row.id).await?;
        let checked = match &task {
            Some(task) => !app
                .store
                .consistency_results(&task.row.id)
                .await?
                .is_empty(),
            None => false,
        };
        source_servers.push(listed(row, task.as_ref(), checked)?);
    }
    Ok(ListServersResponse {
        count: count(total),
        source_servers,
    })
}

fn listed(
    row: SourceRow,
    task: Option<&Task>,
    checked: bool,
) -> Result<SourceServersResponseBody, ApiError> {
    let inventory = inventory(&row)?;
    let figures = task.map(|task| task.figures.clone()).unwrap_or_default();
    Ok(SourceServersResponseBody {
        connected: Some(is_connected(&row, now_ms())),
        checks: checks(&row)?,
        init_target_server: Some(proposal(&inventory)),
        current_task: task.map(tasks::listed_in_source),
        replicatesize: Some(figures.replicatesize.unwrap_or(0)),
        totalsize: Some(figures.totalsize.unwrap_or(0)),
        is_consistency_result_exist: Some(checked),
        ip: Some(address(&row)),
        id: Some(row.id),
        name: Some(row.name),
        enterprise_project_id: Some(row.enterprise_project),
        add_date: Some(row.add_date),
        os_type: inventory.os_type,
        os_version: inventory.os_version,
        oem_system: inventory.oem_system,
        state: Some(row.state),
        cpu_quantity: inventory.cpu_quantity,
        memory: inventory.memory,
        stage_action_time: Some(row.stage_action_time),
        last_visit_time: Some(row.last_visit_time),
        migration_cycle: Some(row.migration_cycle),
        state_action_time: Some(row.state_action_time),
        has_tc: inventory.has_tc,
        start_type: inventory.start_type,
        agent_version: inventory.agent_version,
    })
}

/// How many source servers are in each state (SMS, ShowOverview).
pub(crate) async fn overview(app: &App, caller: &Caller) -> Result<ShowOverviewResponse, ApiError> {
    caller.account()?;
    let one = Page {
        limit: 1,
        offset: 0,
    };
    let number = async |state: Option<SourceState>| {
        let state = state.map(|state| state.as_str().to_owned());
        let filter = SourceFilter {
            state,
            ..SourceFilter::default()
        };
        Ok::<_, ApiError>(app.store.sources(&filter, one).await?.1)
    };
    let of = async |state| Ok::<_, ApiError>(count(number(Some(state)).await?));
    let (_, tasks) = app.store.tasks(&TaskFilter::default(), one).await?;
    Ok(ShowOverviewResponse {
        waiting: of(SourceState::Waiting).await?,
        replicate: of(SourceState::Replicate).await?,
        syncing: of(SourceState::Syncing).await?,
        stopped: of(SourceState::Stopped).await?,
        deleting: of(SourceState::Deleting).await?,
        cutovering: of(SourceState::Cutovering).await?,
        unavailable: of(SourceState::Unavailable).await?,
        stopping: of(SourceState::Stopping).await?,
        skipping: of(SourceState::Skipping).await?,
        finished: of(SourceState::Finished).await?,
        initialize: of(SourceState::Initialize).await?,
        error: of(SourceState::Error).await?,
        cloning: of(SourceState::Cloning).await?,
        unconfigured: count(number(None).await?.saturating_sub(tasks)),
    })
}

/// Source servers whose task failed (SMS, ListErrorServers).
pub(crate) async fn errors(
    app: &App,
    caller: &Caller,
    limit: Option<u32>,
    offset: Option<u32>,
) -> Result<ListErrorServersResponse, ApiError> {
    caller.account()?;
    let page = page(limit, offset, 50, 100)?;
    let all = Page {
        limit: 1000,
        offset: 0,
    };
    let mut failed = Vec::new();
    for state in TaskState::ALL.into_iter().filter(|state| state.is_failed()) {
        let state = Some(state.as_str().to_owned());
        failed.extend(
            app.store
                .tasks(
                    &TaskFilter {
                        state,
                        ..TaskFilter::default()
                    },
                    all,
                )
                .await?
                .0,
        );
    }
    let total = u32::try_from(failed.len()).ok();
    let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut migration_errors = Vec::new();
    for row in failed.into_iter().skip(skip).take(take) {
        let task = Task::open(row)?;
        let source = app.store.source(&task.row.source_id).await?;
        let source = source.ok_or(ErrorCode::SourceUnknown)?;
        migration_errors.push(MigrationErrors {
            error_json: task.row.error_json.clone(),
            host_name: inventory(&source)?.hostname,
            source_ip: Some(address(&source)),
            name: Some(source.name),
            source_id: Some(source.id),
            target_ip: Some(task.body.migration_ip().to_owned()),
        });
    }
    Ok(ListErrorServersResponse {
        count: total,
        migration_errors,
    })
}

fn checks(row: &SourceRow) -> Result<Vec<EnvironmentCheck>, ApiError> {
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

fn unknown_word(name: &str) -> ApiError {
    refuse(
        ErrorCode::Parameters,
        format!("{name} is none of the words of the API reference."),
    )
}
