//! Source servers and their mailboxes: one at a time. Lists are in `source_lists`.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::AnyConnection;

use crate::counters::{Counted, Kind};
use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::packed::PackedText;
use crate::sql::Sql;
use crate::write::Write;

/// A source server as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SourceRow {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub domain_id: String,
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
    #[sqlx(try_from = "String")]
    pub inventory: PackedText,
    /// JSON: results of the feasibility checks.
    pub checks: String,
    /// Registered at, milliseconds since 1970.
    pub add_date: i64,
    /// `state` changed at, milliseconds since 1970.
    pub state_action_time: i64,
    /// `migration_cycle` changed at, milliseconds since 1970.
    pub stage_action_time: i64,
    /// The agent was last heard of, milliseconds since 1970. Written by [`Store::touch_source`]
    /// alone, once the source is there.
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

macro_rules! columns {
    () => {
        "s.id, s.domain_id, s.owner, s.name, s.ip, s.ipv6, s.state, s.migration_cycle, \
         s.migproject, s.enterprise_project, s.inventory, s.checks, s.add_date, \
         s.state_action_time, s.stage_action_time, (SELECT v.last_visit_time FROM source_visits v \
         WHERE v.source_id = s.id) AS last_visit_time, s.command_name, s.command_param, \
         s.command_generation, s.generation"
    };
}
pub(crate) use columns;

/// A source and how many tasks it has: one or none.
#[derive(sqlx::FromRow)]
struct WithTasks {
    #[sqlx(flatten)]
    row: SourceRow,
    tasks: i64,
}

impl Store {
    /// Adds a source; [`SourceRow::generation`] becomes 1.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id or the owner is taken.
    pub async fn insert_source(&self, row: &SourceRow) -> Result<(), StoreError> {
        self.write(&[Write::InsertSource(row)]).await
    }

    /// The source with this id, of whatever domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn source(&self, id: &str) -> Result<Option<SourceRow>, StoreError> {
        let recent = &self.shared.recent.sources;
        if let Some(row) = recent.get(id) {
            return Ok(self.visited(Some(Arc::unwrap_or_clone(row))));
        }
        let (changes, tasks) = (recent.changes(id), &self.shared.recent.tasks);
        let changes_of_task = tasks.changes(id);
        // Most sources have no task, and whoever asks for the source asks for that next.
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            ", (SELECT COUNT(*) FROM tasks t WHERE t.source_id = s.id) AS tasks \
             FROM sources s WHERE s.id = "
        ));
        sql.bind(id);
        let found: Option<WithTasks> = sql.optional(self.pool(), "read a source").await?;
        let row = found.map(|found| {
            if found.tasks == 0 {
                tasks.keep(id, || None, changes_of_task);
            }
            recent.keep(id, || Arc::new(found.row.clone()), changes);
            found.row
        });
        Ok(self.visited(row))
    }

    /// Ids of sources, of all domains, whose mailbox holds this command; 1000 of them at most.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn sources_with_command(&self, command: &str) -> Result<Vec<String>, StoreError> {
        let mut sql = Sql::new("SELECT id FROM sources WHERE command_name = ");
        sql.bind(command).push(" ORDER BY id LIMIT 1000");
        let rows: Vec<(String,)> = sql.all(self.pool(), "list pending commands").await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The source that an identity registered.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn source_of_owner(&self, owner: &str) -> Result<Option<SourceRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM sources s WHERE s.owner = "
        ));
        sql.bind(owner);
        Ok(self.visited(sql.optional(self.pool(), "read a source").await?))
    }

    /// The sources with these ids, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn sources_by_ids(&self, ids: &[String]) -> Result<Vec<SourceRow>, StoreError> {
        let rows = self.shared_sources(ids).await?;
        let rows: Vec<_> = rows.into_iter().map(Arc::unwrap_or_clone).collect();
        Ok(self.visited(rows))
    }

    /// As [`Store::sources_by_ids`], without the visits that are not written yet.
    pub(crate) async fn shared_sources(
        &self,
        ids: &[String],
    ) -> Result<Vec<Arc<SourceRow>>, StoreError> {
        let recent = &self.shared.recent.sources;
        let (mut rows, mut unknown) = (Vec::with_capacity(ids.len()), Vec::new());
        for id in ids {
            match recent.get(id) {
                Some(row) => rows.push(row),
                None => unknown.push((id.clone(), recent.changes(id))),
            }
        }
        let changes: HashMap<_, _> = unknown.into_iter().collect();
        if !changes.is_empty() {
            let ids: Vec<_> = changes.keys().cloned().collect();
            for row in self.read_sources(&ids).await? {
                let row = Arc::new(row);
                if let Some(changes) = changes.get(&row.id) {
                    recent.keep(&row.id, || Arc::clone(&row), *changes);
                }
                rows.push(row);
            }
        }
        Ok(rows)
    }

    async fn read_sources(&self, ids: &[String]) -> Result<Vec<SourceRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM sources s WHERE s.id IN "
        ));
        sql.bind_list(ids);
        sql.all(self.pool(), "read sources").await
    }

    /// Rows with the visits that this replica noted and did not write yet.
    pub(crate) fn visited<R>(&self, mut rows: R) -> R
    where
        for<'r> &'r mut R: IntoIterator<Item = &'r mut SourceRow>,
    {
        for row in &mut rows {
            let visits = &self.shared.visits.sources;
            visits.merge(&row.id, &mut row.last_visit_time);
        }
        rows
    }
}

/// Adds a source of generation 1.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    row: SourceRow,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    const ACT: &str = "add a source";
    counted.add(&row.domain_id, Kind::Source, &row.state, 1);
    sqlx::query(
        "INSERT INTO sources (id, domain_id, owner, name, name_folded, ip, ipv6, state, \
         migration_cycle, migproject, enterprise_project, inventory, checks, add_date, \
         state_action_time, stage_action_time, command_name, command_param, command_generation, \
         generation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
         $16, $17, $18, $19, 1)",
    )
    .bind(row.id.clone())
    .bind(row.domain_id.clone())
    .bind(row.owner)
    .bind(row.name.clone())
    .bind(row.name.to_lowercase())
    .bind(row.ip)
    .bind(row.ipv6)
    .bind(row.state)
    .bind(row.migration_cycle)
    .bind(row.migproject)
    .bind(row.enterprise_project)
    .bind(row.inventory.text())
    .bind(row.checks)
    .bind(row.add_date)
    .bind(row.state_action_time)
    .bind(row.stage_action_time)
    .bind(row.command_name)
    .bind(row.command_param)
    .bind(row.command_generation)
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    sqlx::query(
        "INSERT INTO source_visits (source_id, domain_id, last_visit_time) VALUES ($1, $2, $3)",
    )
    .bind(row.id)
    .bind(row.domain_id)
    .bind(row.last_visit_time)
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}

/// Replaces a source that is still of the generation that `row` was read with.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    row: SourceRow,
    counted: &mut Counted,
) -> Result<bool, StoreError> {
    const ACT: &str = "change a source";
    let Some(before) = state(connection, &row, ACT).await? else {
        return Ok(false);
    };
    counted.moved(&row.domain_id, Kind::Source, &before, &row.state);
    let done = sqlx::query(
        "UPDATE sources SET owner = $3, name = $4, name_folded = $5, ip = $6, ipv6 = $7, \
         state = $8, migration_cycle = $9, migproject = $10, enterprise_project = $11, \
         inventory = $12, checks = $13, state_action_time = $14, stage_action_time = $15, \
         command_name = $16, command_param = $17, command_generation = $18, \
         generation = generation + 1 WHERE id = $1 AND generation = $2",
    )
    .bind(row.id)
    .bind(row.generation)
    .bind(row.owner)
    .bind(row.name.clone())
    .bind(row.name.to_lowercase())
    .bind(row.ip)
    .bind(row.ipv6)
    .bind(row.state)
    .bind(row.migration_cycle)
    .bind(row.migproject)
    .bind(row.enterprise_project)
    .bind(row.inventory.text())
    .bind(row.checks)
    .bind(row.state_action_time)
    .bind(row.stage_action_time)
    .bind(row.command_name)
    .bind(row.command_param)
    .bind(row.command_generation)
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(done.rows_affected() == 1)
}

/// Removes a source that is still of the generation that `row` was read with.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    row: SourceRow,
    counted: &mut Counted,
) -> Result<bool, StoreError> {
    const ACT: &str = "remove a source";
    let Some(before) = state(connection, &row, ACT).await? else {
        return Ok(false);
    };
    counted.add(&row.domain_id, Kind::Source, &before, -1);
    let done = sqlx::query("DELETE FROM sources WHERE id = $1 AND generation = $2")
        .bind(row.id)
        .bind(row.generation)
        .execute(connection)
        .await
        .act(ACT)?;
    Ok(done.rows_affected() == 1)
}

/// The stored state of a source that still is of the generation that `row` was read with. What is
/// done next holds on to that generation, so the answer stays true until then.
async fn state(
    connection: &mut AnyConnection,
    row: &SourceRow,
    act: &'static str,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT state FROM sources WHERE id = $1 AND generation = $2")
        .bind(row.id.clone())
        .bind(row.generation)
        .fetch_optional(connection)
        .await
        .act(act)
}
