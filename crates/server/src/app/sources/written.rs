//! A source server as JSON, for the list and alone.
//!
//! Consoles ask for the same source servers again and again, and nearly everything in the answers
//! follows from the inventories, which are long and seldom change. So the JSON of a source server has
//! parts: what follows from its row alone is written once for each generation of the row and kept
//! packed, what depends on its task and on the time is written each time.

use std::sync::Arc;

use rehost_sms_api::bodies::{
    EnvironmentCheck, ShowServerResponse, SourceServersResponseBody, TaskByServerSource,
};
use rehost_store::{ListedSource, PackedText, SourceRow};
use serde::Serialize;
use serde_json::{Map, Value};

use super::inventory::{inventory, proposal};
use super::is_heard_of;
use super::show::address;
use crate::app::kept::Kept;
use crate::app::stored::{from_json, to_json};
use crate::app::tasks::{self, Task};
use crate::clock::now_ms;
use crate::errors::ApiError;

/// Source servers that are kept in each of two generations, with about two kilobytes each.
const MAX_KEPT: usize = 64 * 1024;

/// Source servers of which the part that lists show is kept ready, in each of two generations.
const MAX_READY: usize = 4 * 1024;

/// The parts that follow from rows alone.
#[derive(Debug)]
pub(crate) struct Written {
    parts: Kept<Arc<Parts>>,
    /// What the list says of those on pages that were asked for lately, unpacked.
    ready: Kept<Arc<[u8]>>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            parts: Kept::new(MAX_KEPT),
            ready: Kept::new(MAX_READY),
        }
    }
}

/// What follows from a row alone: members of a JSON object, with neither brace.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What the list says.
    listed: PackedText,
    /// What is said besides of one that is shown alone.
    besides: PackedText,
}

/// Appends a source server as the list says it.
pub(super) fn push_listed(
    written: &Written,
    source: &ListedSource,
    task: Option<&Task>,
    to: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let row = &source.row;
    let listed = written.ready.get_or(&row.id, row.generation, || {
        let mut text = Vec::new();
        parts_of(written, row)?.listed.append_to(&mut text);
        Ok::<_, ApiError>(text.into())
    })?;
    to.push(b'{');
    to.extend_from_slice(&listed);
    push_now(
        &Now {
            current_task: task.map(tasks::listed_in_source),
            is_consistency_result_exist: Some(task.is_some_and(|task| task.row.checked != 0)),
            ..Now::of(source.last_visit_time, task)
        },
        to,
    )
}

/// Appends a source server as it is shown alone.
pub(super) fn push_shown(
    written: &Written,
    row: &SourceRow,
    task: Option<&Task>,
    to: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let parts = parts_of(written, row)?;
    to.push(b'{');
    parts.listed.append_to(to);
    to.push(b',');
    parts.besides.append_to(to);
    push_now(
        &Now {
            current_task: task.map(tasks::shown_in_source),
            ..Now::<TaskByServerSource>::of(row.last_visit_time, task)
        },
        to,
    )
}

fn parts_of(written: &Written, row: &SourceRow) -> Result<Arc<Parts>, ApiError> {
    written
        .parts
        .get_or(&row.id, row.generation, || parts(row).map(Arc::new))
}

/// What depends on more than the row.
#[derive(Debug, Serialize)]
struct Now<T> {
    connected: bool,
    last_visit_time: i64,
    current_task: Option<T>,
    replicatesize: u64,
    totalsize: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_consistency_result_exist: Option<bool>,
}

/// The members of [`Now`], which must not be in the parts that are kept.
const NOW: [&str; 6] = [
    "connected",
    "last_visit_time",
    "current_task",
    "replicatesize",
    "totalsize",
    "is_consistency_result_exist",
];

impl<T> Now<T> {
    fn of(last_visit_time: i64, task: Option<&Task>) -> Self {
        let figures = task.map(|task| &task.figures);
        Self {
            connected: is_heard_of(last_visit_time, now_ms()),
            last_visit_time,
            current_task: None,
            replicatesize: figures.and_then(|it| it.replicatesize).unwrap_or(0),
            totalsize: figures.and_then(|it| it.totalsize).unwrap_or(0),
            is_consistency_result_exist: None,
        }
    }
}

/// Ends the object of a source server with what is so now.
fn push_now<T: Serialize>(now: &Now<T>, to: &mut Vec<u8>) -> Result<(), ApiError> {
    let at = to.len();
    serde_json::to_writer(&mut *to, now).map_err(unwritable)?;
    // The members go on where the kept ones end.
    if let Some(brace) = to.get_mut(at) {
        *brace = b',';
    }
    Ok(())
}

fn parts(row: &SourceRow) -> Result<Parts, ApiError> {
    let shown = members(&shown(row)?)?;
    let listed: SourceServersResponseBody = {
        let value = Value::Object(shown.clone());
        serde_json::from_value(value).map_err(unwritable)?
    };
    let listed = members(&listed)?;
    let mut besides = shown;
    besides.retain(|name, _| !listed.contains_key(name));
    Ok(Parts {
        listed: packed(&listed)?,
        besides: packed(&besides)?,
    })
}

/// The members of an object that do not change while the row is the same.
fn members<T: Serialize>(value: &T) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(mut members) = serde_json::to_value(value).map_err(unwritable)? else {
        return Ok(Map::new());
    };
    members.retain(|name, _| !NOW.contains(&name.as_str()));
    Ok(members)
}

fn packed(members: &Map<String, Value>) -> Result<PackedText, ApiError> {
    let text = to_json(members)?;
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    Ok(PackedText::new(inner.unwrap_or_default()))
}

fn unwritable(source: serde_json::Error) -> ApiError {
    ApiError::Internal {
        act: "write a source server",
        source: source.into(),
    }
}

/// What follows from the row alone of what is shown (SMS, ShowServer). The list says a part of it
/// (SMS, ListServers).
fn shown(row: &SourceRow) -> Result<ShowServerResponse, ApiError> {
    let inventory = inventory(row)?;
    Ok(ShowServerResponse {
        checks: checks(row)?,
        init_target_server: Some(proposal(&inventory)),
        ip: Some(address(row)),
        id: Some(row.id.clone()),
        name: Some(row.name.clone()),
        hostname: inventory.hostname,
        enterprise_project_id: Some(row.enterprise_project.clone()),
        add_date: Some(row.add_date),
        os_type: inventory.os_type,
        os_version: inventory.os_version,
        oem_system: inventory.oem_system,
        state: Some(row.state.clone()),
        firmware: inventory.firmware,
        cpu_quantity: inventory.cpu_quantity,
        memory: inventory.memory,
        disks: inventory.disks.unwrap_or_default(),
        volume_groups: inventory.volume_groups.unwrap_or_default(),
        btrfs_list: inventory.btrfs_list.unwrap_or_default(),
        networks: inventory.networks.unwrap_or_default(),
        migration_cycle: Some(row.migration_cycle.clone()),
        state_action_time: Some(row.state_action_time),
        stage_action_time: Some(row.stage_action_time),
        agent_version: inventory.agent_version,
        has_tc: inventory.has_tc,
        start_type: inventory.start_type,
        adjust_disk: Some(false),
        ..ShowServerResponse::default()
    })
}

fn checks(row: &SourceRow) -> Result<Vec<EnvironmentCheck>, ApiError> {
    from_json(&row.checks, "list of checks")
}
