//! Registration of a source server, the first time and again (SMS, RegisterServer).
//!
//! An agent registers whenever it starts. It is recognised by the id that it stored, or else by its
//! certificate: an identity has one source server. Account credentials can register any number.

use std::net::{Ipv4Addr, Ipv6Addr};

use rehost_migration::source::{MigrationCycle, SourceState};
use rehost_sms_api::bodies::PostSourceServerBody;
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{SourceRow, StoreError, Write};

use super::inventory::{inventory, keep_choices, number_records};
use super::set_words;
use crate::app::stored::to_json;
use crate::app::{App, checks, migprojects, retry};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;
use crate::secret;

/// Disks, groups and cards of one source server (SMS, RegisterServer).
const MAX_ITEMS: usize = 50;
const PLATFORMS: [&str; 10] = [
    "hw", "ali", "aws", "azure", "gcp", "tencent", "vmware", "hyperv", "other", "default",
];

/// Registers a source server and answers its id.
pub(crate) async fn register(
    app: &App,
    caller: &Caller,
    mut body: PostSourceServerBody,
) -> Result<String, ApiError> {
    let owner = caller.source().map(str::to_owned);
    check(&body)?;
    number_records(&mut body);
    let stored_id = body.id.take().filter(|id| !id.is_empty());
    let body = body;
    retry!({
        let known = match (&stored_id, &owner) {
            (Some(id), _) => app.store.source(id).await?,
            (None, _) => None,
        };
        // An id of another domain says nothing: whoever registers is new here.
        if let Some(row) = known.filter(|row| caller.sees(&row.domain_id)) {
            caller.check_source(&row)?;
            return register_again(app, row, &body).await;
        }
        if let Some(owner) = &owner
            && let Some(row) = app.store.source_of_owner(owner).await?
        {
            return register_again(app, row, &body).await;
        }
        register_new(app, caller, owner.clone(), &body).await
    })
}

async fn register_new(
    app: &App,
    caller: &Caller,
    owner: Option<String>,
    body: &PostSourceServerBody,
) -> Result<String, ApiError> {
    let project = app.store.default_migproject(&caller.domain_id).await?;
    let enterprise_project = match &project {
        Some(project) => migprojects::enterprise_project(project)?,
        None => migprojects::enterprise_project_id(""),
    };
    let now = now_ms();
    let mut row = SourceRow {
        id: secret::new_id(),
        domain_id: caller.domain_id.clone(),
        owner,
        name: body.name.clone().unwrap_or_default(),
        ip: String::new(),
        ipv6: String::new(),
        state: String::new(),
        migration_cycle: String::new(),
        migproject: project.map(|project| project.id).unwrap_or_default(),
        enterprise_project,
        inventory: String::new().into(),
        checks: String::new(),
        add_date: now,
        state_action_time: now,
        stage_action_time: now,
        last_visit_time: now,
        command_name: None,
        command_param: None,
        command_generation: 0,
        generation: 1,
    };
    take_inventory(&mut row, body)?;
    take_checks(&mut row, body, now)?;
    match app.store.insert_source(&row).await {
        // Another registration by the same identity was faster; it is found the next time.
        Err(StoreError::Exists { act }) => Err(StoreError::Changed { act }.into()),
        Err(error) => Err(error.into()),
        Ok(()) => {
            tracing::info!(
                id = row.id,
                name = row.name,
                state = row.state,
                "source registered"
            );
            Ok(row.id)
        }
    }
}

async fn register_again(
    app: &App,
    mut row: SourceRow,
    body: &PostSourceServerBody,
) -> Result<String, ApiError> {
    let before = inventory(&row)?;
    let mut body = body.clone();
    // A name that people gave stays; one that only came from the agent follows the agent.
    if before.name.as_deref() == Some(&row.name) {
        row.name = body.name.clone().unwrap_or_default();
    }
    let now = now_ms();
    if app.store.task_of_source(&row.id).await?.is_some() {
        // The task was planned for these disks, and the source's state is the task's.
        body.disks = before.disks;
        body.volume_groups = before.volume_groups;
        body.btrfs_list = before.btrfs_list;
        take_inventory(&mut row, &body)?;
    } else {
        keep_choices(&before, &mut body);
        take_inventory(&mut row, &body)?;
        take_checks(&mut row, &body, now)?;
    }
    let changes = [Write::UpdateSource(&row), Write::News(&row.id)];
    app.store.write(&changes).await?;
    app.store.touch_source(&row.id, now);
    Ok(row.id)
}

fn take_inventory(row: &mut SourceRow, body: &PostSourceServerBody) -> Result<(), ApiError> {
    row.ip = body.ip.clone().unwrap_or_default();
    row.ipv6 = body.ipv6.clone().unwrap_or_default();
    row.inventory = to_json(body)?.into();
    Ok(())
}

/// Runs the feasibility checks: unavailable and checking if one failed, else waiting and setting
/// (SMS, feasibility checks).
pub(super) fn take_checks(
    row: &mut SourceRow,
    body: &PostSourceServerBody,
    now: i64,
) -> Result<(), ApiError> {
    let (checks, passed) = checks::run(body)?;
    if passed {
        set_words(row, SourceState::Waiting, MigrationCycle::Setting, now);
    } else {
        set_words(row, SourceState::Unavailable, MigrationCycle::Checking, now);
    }
    row.checks = to_json(&checks)?;
    Ok(())
}

fn check(body: &PostSourceServerBody) -> Result<(), ApiError> {
    check_name(body.name.as_deref())?;
    let word = |text: &Option<String>| text.as_deref().unwrap_or_default().to_ascii_uppercase();
    if !["LINUX", "WINDOWS"].contains(&word(&body.os_type).as_str()) {
        return Err(ErrorCode::OsType.into());
    }
    for (name, value) in [
        ("os_version", &body.os_version),
        ("agent_version", &body.agent_version),
    ] {
        if value.as_deref().unwrap_or_default().is_empty() {
            return Err(refuse(
                ErrorCode::IncompleteBody,
                format!("It lacks {name}."),
            ));
        }
    }
    if body.networks.as_deref().unwrap_or_default().is_empty() {
        return Err(refuse(ErrorCode::IncompleteBody, "It lacks networks."));
    }
    for (name, length) in [
        ("networks", body.networks.as_ref().map_or(0, Vec::len)),
        ("disks", body.disks.as_ref().map_or(0, Vec::len)),
        (
            "volume_groups",
            body.volume_groups.as_ref().map_or(0, Vec::len),
        ),
        ("btrfs_list", body.btrfs_list.as_ref().map_or(0, Vec::len)),
    ] {
        if length > MAX_ITEMS {
            let detail = format!("{name} may have {MAX_ITEMS} items.");
            return Err(refuse(ErrorCode::Parameters, detail));
        }
    }
    check_addresses(body)?;
    if let Some(platform) = body
        .platform
        .as_deref()
        .filter(|platform| !platform.is_empty())
        && !PLATFORMS.contains(&platform)
    {
        return Err(ErrorCode::Platform.into());
    }
    // The words are checked and then left alone: states follow from checks and tasks.
    let word = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if word(&body.state).is_some_and(|state| state.parse::<SourceState>().is_err())
        || word(&body.migration_cycle).is_some_and(|word| word.parse::<MigrationCycle>().is_err())
    {
        return Err(ErrorCode::SourceState.into());
    }
    Ok(())
}

/// Names of source servers: 1 to 64 letters, digits, underscores, hyphens and dots.
pub(super) fn check_name(name: Option<&str>) -> Result<(), ApiError> {
    let name = name.ok_or(ErrorCode::NameMissing)?;
    if !(1..=64).contains(&name.chars().count()) {
        return Err(ErrorCode::NameLength.into());
    }
    if !name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
    {
        return Err(ErrorCode::NameCharacters.into());
    }
    Ok(())
}

fn check_addresses(body: &PostSourceServerBody) -> Result<(), ApiError> {
    let ip = body.ip.as_deref().filter(|ip| !ip.is_empty());
    let ipv6 = body.ipv6.as_deref().filter(|ip| !ip.is_empty());
    if ip.is_none() && ipv6.is_none() {
        return Err(ErrorCode::SourceAddress.into());
    }
    if ip.is_some_and(|ip| ip.parse::<Ipv4Addr>().is_err()) {
        return Err(refuse(ErrorCode::SourceAddress, "ip is no IPv4 address."));
    }
    if ipv6.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_err()) {
        return Err(refuse(ErrorCode::SourceAddress, "ipv6 is no IPv6 address."));
    }
    Ok(())
}
