//! Listing source servers (SMS, ListServers).

use rehost_migration::source::SourceState;
use rehost_sms_api::bodies::ListServersQuery;
use rehost_store::SourceFilter;

use super::show::unknown_word;
use super::written::push_listed;
use crate::app::list::{enterprise_project, given, page};
use crate::app::tasks;
use crate::app::{App, CONNECTED_MS};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;

/// What a listed source server takes, about, in bytes.
const ROOM: usize = 5 * 1024;

/// Source servers that fit (SMS, ListServers): the JSON of the answer.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: ListServersQuery,
) -> Result<Vec<u8>, ApiError> {
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
    let (rows, total) = app.store.sources(&filter, page).await?;
    let mut body = Vec::with_capacity((rows.len() + 1) * ROOM);
    body.extend_from_slice(format!("{{\"count\":{total},\"source_servers\":[").as_bytes());
    for (at, source) in rows.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        let task = source.task.as_ref();
        let task = task.map(|task| tasks::opened(app, task)).transpose()?;
        push_listed(&app.written, source, task.as_deref(), &mut body)?;
    }
    body.extend_from_slice(b"]}");
    Ok(body)
}
