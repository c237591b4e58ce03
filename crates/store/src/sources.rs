//! Source servers and their mailboxes.

use sqlx::AnyConnection;

use crate::Page;
use crate::database::Store;
use crate::error::{Act as _, StoreError};

/// A source server as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SourceRow {
    /// Its id.
    pub id: String,
    /// Identity that registered it; absent if account credentials did.
    pub owner: Option<String>,
    /// Name shown to people.
    pub name: String,
    /// IPv4 address, or empty.
    pub ip: String,
    /// IPv6 address, or empty.
    pub ipv6: String,
    /// State, as the API writes it.
    pub state: String,
    /// Stage, as the API writes it.
    pub migration_cycle: String,
    /// Migration project, or empty.
    pub migproject: String,
    /// Enterprise project.
    pub enterprise_project: String,
    /// JSON: the registration.
    pub inventory: String,
    /// JSON: results of the feasibility checks.
    pub checks: String,
    /// Registered at, milliseconds since 1970.
    pub add_date: i64,
    /// `state` changed at, milliseconds since 1970.
    pub state_action_time: i64,
    /// `migration_cycle` changed at, milliseconds since 1970.
    pub stage_action_time: i64,
    /// The agent was last heard of, milliseconds since 1970. Written by [`Store::touch_source`]
    /// alone.
    pub last_visit_time: i64,
    /// Pending command, if any.
    pub command_name: Option<String>,
    /// JSON: arguments of the pending command.
    pub command_param: Option<String>,
    /// Counts commands put into the mailbox.
    pub command_generation: i64,
    /// Counts changes of this row; set by the store.
    pub generation: i64,
}

/// Which sources to list. Absent means any.
#[derive(Clone, Debug, Default)]
pub struct SourceFilter {
    /// Exact state.
    pub state: Option<String>,
    /// Part of the name, without regard to case.
    pub name: Option<String>,
    /// Exact id.
    pub id: Option<String>,
    /// Exact IPv4 address.
    pub ip: Option<String>,
    /// Exact IPv6 address.
    pub ipv6: Option<String>,
    /// Exact migration project.
    pub migproject: Option<String>,
    /// Exact stage.
    pub migration_cycle: Option<String>,
    /// Exact enterprise project.
    pub enterprise_project: Option<String>,
    /// Heard of at this time or later, milliseconds since 1970.
    pub seen_since: Option<i64>,
    /// Last heard of before this time, milliseconds since 1970.
    pub unseen_since: Option<i64>,
    /// Whether its task has a consistency result.
    pub has_consistency_result: Option<bool>,
    /// Target of its task.
    pub target_id: Option<String>,
    /// Registered by this identity.
    pub owner: Option<String>,
}

macro_rules! columns {
    () => {
        "id, owner, name, ip, ipv6, state, migration_cycle, migproject, enterprise_project, \
         inventory, checks, add_date, state_action_time, stage_action_time, last_visit_time, \
         command_name, command_param, command_generation, generation"
    };
}

macro_rules! filter {
    () => {
        " FROM sources WHERE (CAST($1 AS TEXT) IS NULL OR state = $1) \
         AND (CAST($2 AS TEXT) IS NULL OR LOWER(name) LIKE $2 ESCAPE '\\') \
         AND (CAST($3 AS TEXT) IS NULL OR id = $3) \
         AND (CAST($4 AS TEXT) IS NULL OR ip = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR ipv6 = $5) \
         AND (CAST($6 AS TEXT) IS NULL OR migproject = $6) \
         AND (CAST($7 AS TEXT) IS NULL OR migration_cycle = $7) \
         AND (CAST($8 AS TEXT) IS NULL OR enterprise_project = $8) \
         AND (CAST($9 AS BIGINT) IS NULL OR last_visit_time >= $9) \
         AND (CAST($10 AS BIGINT) IS NULL OR last_visit_time < $10) \
         AND (CAST($11 AS BIGINT) IS NULL OR $11 = (SELECT COUNT(*) FROM (SELECT 1 FROM tasks t \
              JOIN consistency_results r ON r.task_id = t.id WHERE t.source_id = sources.id \
              LIMIT 1) AS found)) \
         AND (CAST($12 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM tasks t \
              WHERE t.source_id = sources.id AND t.target_id = $12)) \
         AND (CAST($13 AS TEXT) IS NULL OR owner = $13)"
    };
}

/// Binds the thirteen parameters of [`filter!`], in its order.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind($filter.state.clone())
            .bind($filter.name.as_deref().map(contains))
            .bind($filter.id.clone())
            .bind($filter.ip.clone())
            .bind($filter.ipv6.clone())
            .bind($filter.migproject.clone())
            .bind($filter.migration_cycle.clone())
            .bind($filter.enterprise_project.clone())
            .bind($filter.seen_since)
            .bind($filter.unseen_since)
            .bind($filter.has_consistency_result.map(i64::from))
            .bind($filter.target_id.clone())
            .bind($filter.owner.clone())
    };
}

impl Store {
    /// Adds a source; [`SourceRow::generation`] becomes 1.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id is taken.
    pub async fn insert_source(&self, row: &SourceRow) -> Result<(), StoreError> {
        sqlx::query(concat!(
            "INSERT INTO sources (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, 1)"
        ))
        .bind(row.id.clone())
        .bind(row.owner.clone())
        .bind(row.name.clone())
        .bind(row.ip.clone())
        .bind(row.ipv6.clone())
        .bind(row.state.clone())
        .bind(row.migration_cycle.clone())
        .bind(row.migproject.clone())
        .bind(row.enterprise_project.clone())
        .bind(row.inventory.clone())
        .bind(row.checks.clone())
        .bind(row.add_date)
        .bind(row.state_action_time)
        .bind(row.stage_action_time)
        .bind(row.last_visit_time)
        .bind(row.command_name.clone())
        .bind(row.command_param.clone())
        .bind(row.command_generation)
        .execute(&self.pool)
        .await
        .act("add a source")?;
        Ok(())
    }

    /// The source with this id.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn source(&self, id: &str) -> Result<Option<SourceRow>, StoreError> {
        sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM sources WHERE id = $1"
        ))
        .bind(id.to_owned())
        .fetch_optional(&self.pool)
        .await
        .act("read a source")
    }

    /// Sources that fit, oldest first, and how many fit in all.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn sources(
        &self,
        filter: &SourceFilter,
        page: Page,
    ) -> Result<(Vec<SourceRow>, i64), StoreError> {
        let count: i64 = bind_filter!(
            sqlx::query_scalar(concat!("SELECT COUNT(*)", filter!())),
            filter
        )
        .fetch_one(&self.pool)
        .await
        .act("count sources")?;
        let rows = bind_filter!(
            sqlx::query_as(concat!(
                "SELECT ",
                columns!(),
                filter!(),
                " ORDER BY add_date, id LIMIT $14 OFFSET $15"
            )),
            filter
        )
        .bind(page.limit)
        .bind(page.offset)
        .fetch_all(&self.pool)
        .await
        .act("list sources")?;
        Ok((rows, count))
    }

    /// Remembers that the agent of a source was heard of. Outside the generation, so that a
    /// heart-beat never makes anybody's decision void.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn touch_source(&self, id: &str, now: i64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE sources SET last_visit_time = $2 WHERE id = $1 AND last_visit_time < $2",
        )
        .bind(id.to_owned())
        .bind(now)
        .execute(&self.pool)
        .await
        .act("note a source's visit")?;
        Ok(())
    }
}

/// Replaces a source that is still of the generation that `row` was read with.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    row: &SourceRow,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE sources SET owner = $3, name = $4, ip = $5, ipv6 = $6, state = $7, \
         migration_cycle = $8, migproject = $9, enterprise_project = $10, inventory = $11, \
         checks = $12, state_action_time = $13, stage_action_time = $14, command_name = $15, \
         command_param = $16, command_generation = $17, generation = generation + 1 \
         WHERE id = $1 AND generation = $2",
    )
    .bind(row.id.clone())
    .bind(row.generation)
    .bind(row.owner.clone())
    .bind(row.name.clone())
    .bind(row.ip.clone())
    .bind(row.ipv6.clone())
    .bind(row.state.clone())
    .bind(row.migration_cycle.clone())
    .bind(row.migproject.clone())
    .bind(row.enterprise_project.clone())
    .bind(row.inventory.clone())
    .bind(row.checks.clone())
    .bind(row.state_action_time)
    .bind(row.stage_action_time)
    .bind(row.command_name.clone())
    .bind(row.command_param.clone())
    .bind(row.command_generation)
    .execute(connection)
    .await
    .act("change a source")?;
    Ok(done.rows_affected() == 1)
}

/// Removes a source that is still of the generation that `row` was read with.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    row: &SourceRow,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM sources WHERE id = $1 AND generation = $2")
        .bind(row.id.clone())
        .bind(row.generation)
        .execute(connection)
        .await
        .act("remove a source")?;
    Ok(done.rows_affected() == 1)
}

/// LIKE pattern for "contains this text", without regard to case.
pub(crate) fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
