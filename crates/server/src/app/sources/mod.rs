//! Source servers: registration, showing, changing, removing.

mod change;
mod delete;
mod inventory;
mod list;
mod register;
mod show;
mod written;

pub(crate) use change::{change_state, update, update_disks};
pub(crate) use delete::delete;
pub(crate) use inventory::{inventory, rules_inventory};
pub(crate) use list::list;
pub(crate) use register::register;
pub(crate) use show::{address, errors, overview, show};
pub(crate) use written::Written;

use rehost_migration::source::{MigrationCycle, SourceState};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::SourceRow;

use super::{App, CONNECTED_MS};
use crate::errors::ApiError;
use crate::identity::Caller;

/// A source server that the caller may touch.
pub(crate) async fn load(app: &App, caller: &Caller, id: &str) -> Result<SourceRow, ApiError> {
    let row = app
        .store
        .source(id)
        .await?
        .ok_or(ErrorCode::SourceUnknown)?;
    caller.check_source(&row)?;
    Ok(row)
}

/// Whether its agent was heard of lately.
pub(crate) fn is_connected(row: &SourceRow, now: i64) -> bool {
    is_heard_of(row.last_visit_time, now)
}

fn is_heard_of(last_visit_time: i64, now: i64) -> bool {
    now.saturating_sub(last_visit_time) < CONNECTED_MS
}

/// The state and the cycle of a row.
pub(crate) fn words(row: &SourceRow) -> Result<(SourceState, MigrationCycle), ApiError> {
    let damaged = |source| ApiError::Stored {
        what: "source server state",
        source,
    };
    let state = row
        .state
        .parse()
        .map_err(|error| damaged(Box::new(error)))?;
    let cycle = row
        .migration_cycle
        .parse()
        .map_err(|error| damaged(Box::new(error)))?;
    Ok((state, cycle))
}

/// Gives a row a state and a cycle, and the time of what is new.
pub(crate) fn set_words(row: &mut SourceRow, state: SourceState, cycle: MigrationCycle, now: i64) {
    if row.state != state.as_str() {
        row.state = state.as_str().to_owned();
        row.state_action_time = now;
    }
    if row.migration_cycle != cycle.as_str() {
        row.migration_cycle = cycle.as_str().to_owned();
        row.stage_action_time = now;
    }
}
