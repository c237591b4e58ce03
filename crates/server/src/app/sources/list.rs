//! Listing source servers (SMS, ListServers).
//!
//! A console asks for the same pages again and again, and nearly everything in them follows from the
//! inventories, which are long and seldom change. So the JSON of each listed source server has two
//! parts: what follows from its row alone is written once for each generation of the row and kept,
//! what depends on its task and on the time is written each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rehost_migration::source::SourceState;
use rehost_sms_api::bodies::{ListServersQuery, SourceServersResponseBody, TaskByServerSources};
use rehost_store::{SourceFilter, SourceRow};
use serde::Serialize;
use serde_json::Value;

use super::inventory::{inventory, proposal};
use super::is_connected;
use super::show::{address, checks, unknown_word};
use crate::app::list::{enterprise_project, given, page};
use crate::app::stored::to_json;
use crate::app::tasks::{self, Task};
use crate::app::{App, CONNECTED_MS};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;

/// Source servers that are kept in each of two generations, with some kilobytes each.
const MAX_KEPT: usize = 8192;

/// Source servers that fit (SMS, ListServers): the JSON of the answer.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: ListServersQuery,
) -> Result<String, ApiError> {
    let page = page(query.limit, query.offset, 200, 200)?;
    let state = match given(query.state) {
        Some(word) => {
            let state: SourceState = word.parse().map_err(|_| unknown_word("state"))?;
            Some(state.as_str().to_owned())
        }
        None => None,
    };
    let connected_since = now_ms().saturating_sub(CONNECTED_MS).saturating_add(1);
    let ip = given(query.ip);
    let filter = SourceFilter {
        domain_id: caller.domain_id.clone(),
        state,
        name: given(query.name),
        id: given(query.id),
        // SMS: ip has precedence over ipv6.
        ipv6: given(query.ipv6).filter(|_| ip.is_none()),
        ip,
        migproject: given(query.migproject),
        migration_cycle: given(query.migration_cycle).map(|word| word.to_lowercase()),
        enterprise_project: enterprise_project(query.enterprise_project_id),
        seen_since: (query.connected == Some(true)).then_some(connected_since),
        unseen_since: (query.connected == Some(false)).then_some(connected_since),
        has_consistency_result: query.is_consistency_result_exist,
        target_id: given(query.vm_id),
        owner: None,
    };
    let (rows, total) = app.store.sources_with_tasks(&filter, page).await?;
    let mut body = format!("{{\"count\":{total},\"source_servers\":[");
    for (at, (row, task)) in rows.into_iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        let task = task.map(Task::open).transpose()?;
        body.push_str(&app.listed.fixed(&row)?);
        push_now(&mut body, &row, task.as_ref())?;
    }
    body.push_str("]}");
    Ok(body)
}

/// What [`SourceServersResponseBody`] has beyond the row.
#[derive(Debug, Serialize)]
struct Now {
    connected: bool,
    last_visit_time: i64,
    current_task: Option<TaskByServerSources>,
    replicatesize: u64,
    totalsize: u64,
    is_consistency_result_exist: bool,
}

/// The members of [`Now`], which must not be in the part that is kept.
const NOW: [&str; 6] = [
    "connected",
    "last_visit_time",
    "current_task",
    "replicatesize",
    "totalsize",
    "is_consistency_result_exist",
];

/// Ends the object of a source server with what is so now.
fn push_now(body: &mut String, row: &SourceRow, task: Option<&Task>) -> Result<(), ApiError> {
    let figures = task.map(|task| &task.figures);
    let now = to_json(&Now {
        connected: is_connected(row, now_ms()),
        last_visit_time: row.last_visit_time,
        current_task: task.map(tasks::listed_in_source),
        replicatesize: figures.and_then(|it| it.replicatesize).unwrap_or(0),
        totalsize: figures.and_then(|it| it.totalsize).unwrap_or(0),
        is_consistency_result_exist: task.is_some_and(|task| task.row.checked != 0),
    })?;
    body.push(',');
    body.push_str(now.strip_prefix('{').unwrap_or_default());
    Ok(())
}

/// What follows from the row alone, as an object without its end.
fn fixed(row: &SourceRow) -> Result<String, ApiError> {
    let inventory = inventory(row)?;
    let listed = SourceServersResponseBody {
        checks: checks(row)?,
        init_target_server: Some(proposal(&inventory)),
        ip: Some(address(row)),
        id: Some(row.id.clone()),
        name: Some(row.name.clone()),
        enterprise_project_id: Some(row.enterprise_project.clone()),
        add_date: Some(row.add_date),
        os_type: inventory.os_type,
        os_version: inventory.os_version,
        oem_system: inventory.oem_system,
        state: Some(row.state.clone()),
        cpu_quantity: inventory.cpu_quantity,
        memory: inventory.memory,
        stage_action_time: Some(row.stage_action_time),
        migration_cycle: Some(row.migration_cycle.clone()),
        state_action_time: Some(row.state_action_time),
        has_tc: inventory.has_tc,
        start_type: inventory.start_type,
        agent_version: inventory.agent_version,
        ..SourceServersResponseBody::default()
    };
    let mut listed = serde_json::to_value(listed).map_err(|source| ApiError::Internal {
        act: "write a source server",
        source: source.into(),
    })?;
    if let Value::Object(members) = &mut listed {
        members.retain(|name, _| !NOW.contains(&name.as_str()));
    }
    let mut text = to_json(&listed)?;
    text.pop();
    Ok(text)
}

type Kept = HashMap<String, (i64, Arc<str>)>;

/// Parts that are kept: those that were asked for lately, and those before them.
#[derive(Debug, Default)]
pub(crate) struct Listed(Mutex<(Kept, Kept)>);

impl Listed {
    /// What follows from this row alone, as an object without its end.
    fn fixed(&self, row: &SourceRow) -> Result<Arc<str>, ApiError> {
        if let Some(known) = self.recall(row) {
            return Ok(known);
        }
        let text: Arc<str> = fixed(row)?.into();
        self.keep(row, Arc::clone(&text));
        Ok(text)
    }

    fn recall(&self, row: &SourceRow) -> Option<Arc<str>> {
        let text = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((generation, text)) = kept.0.get(&row.id) {
                return (*generation == row.generation).then(|| Arc::clone(text));
            }
            kept.1.remove(&row.id)
        };
        let (_, text) = text.filter(|(generation, _)| *generation == row.generation)?;
        self.keep(row, Arc::clone(&text));
        Some(text)
    }

    fn keep(&self, row: &SourceRow, text: Arc<str>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0.len() >= MAX_KEPT {
            kept.1 = std::mem::take(&mut kept.0);
        }
        kept.0.insert(row.id.clone(), (row.generation, text));
    }
}
