//! Migration tasks, one at a time. A source has one at most; the database holds that. Lists are in
//! `task_lists`.

use std::sync::Arc;

use sqlx::AnyConnection;

use crate::counters::{Counted, Kind};
use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// A migration task as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TaskRow {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub domain_id: String,
    /// Its source.
    pub source_id: String,
    /// Its target, if that is one of ours.
    pub target_id: Option<String>,
    /// Template that its target server is made from, if any.
    pub template_id: Option<String>,
    /// Template that clones of its target server are made from, if any.
    pub clone_template_id: Option<String>,
    /// Name shown to people.
    pub name: String,
    /// State, as the API writes it.
    pub state: String,
    /// How far the work has come, as the rules write it.
    pub phase: String,
    /// 1 if it keeps synchronising until the cut-over, else 0.
    pub continuous: i64,
    /// 1 if the migration ended well at least once, so that the target keeps its volumes, else 0.
    pub launched: i64,
    /// 1 if it has a consistency result, else 0. Written by
    /// [`Store::insert_consistency_result`] alone.
    pub checked: i64,
    /// JSON: the task as created, and as updated since.
    pub body: String,
    /// JSON: which disk goes where.
    pub plan: String,
    /// JSON: subtasks.
    pub subtasks: String,
    /// JSON: figures of the last progress report.
    pub progress: String,
    /// JSON: why it failed.
    pub error_json: Option<String>,
    /// JSON: where the target is with it.
    pub target_report: String,
    /// Created at, milliseconds since 1970.
    pub create_date: i64,
    /// First started at, milliseconds since 1970.
    pub start_date: Option<i64>,
    /// Ended at, milliseconds since 1970.
    pub finish_date: Option<i64>,
    /// Counts changes of this row; set by the store.
    pub generation: i64,
}

macro_rules! columns {
    () => {
        "t.id, t.domain_id, t.source_id, t.target_id, t.template_id, t.clone_template_id, t.name, \
         t.state, t.phase, t.continuous, t.launched, t.checked, t.body, t.plan, t.subtasks, t.progress, \
         t.error_json, t.target_report, t.create_date, t.start_date, t.finish_date, t.generation"
    };
}
pub(crate) use columns;

impl Store {
    /// The task with this id, of whatever domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        Ok(self.shared_task(id).await?.map(Arc::unwrap_or_clone))
    }

    /// As [`Store::task`], for those who only look at it.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn shared_task(&self, id: &str) -> Result<Option<Arc<TaskRow>>, StoreError> {
        if self.shared.recent.keeps() {
            return self.recent_task(id).await;
        }
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks t WHERE t.id = "
        ));
        sql.bind(id);
        let found: Option<TaskRow> = sql.optional(self.pool(), "read a task").await?;
        Ok(found.map(Arc::new))
    }

    /// The task with this id, by way of its source: tasks are remembered by their sources.
    async fn recent_task(&self, id: &str) -> Result<Option<Arc<TaskRow>>, StoreError> {
        let known = &self.shared.recent.sources_of_tasks;
        let source_id = match known.get(id) {
            Some(source_id) => Some(source_id),
            None => {
                let mut sql = Sql::new("SELECT source_id FROM tasks WHERE id = ");
                sql.bind(id);
                let found = sql.value(self.pool(), "find the source of a task").await?;
                if let Some(source_id) = &found {
                    known.keep(id, || String::clone(source_id), known.changes(id));
                }
                found
            }
        };
        let Some(source_id) = source_id else {
            return Ok(None);
        };
        let task = self.shared_task_of_source(&source_id).await?;
        Ok(task.filter(|task| task.id == id))
    }

    /// The task of a source.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn task_of_source(&self, source_id: &str) -> Result<Option<TaskRow>, StoreError> {
        let task = self.shared_task_of_source(source_id).await?;
        Ok(task.map(Arc::unwrap_or_clone))
    }

    /// As [`Store::task_of_source`], for those who only look at it.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn shared_task_of_source(
        &self,
        source_id: &str,
    ) -> Result<Option<Arc<TaskRow>>, StoreError> {
        let recent = &self.shared.recent;
        if let Some(known) = recent.tasks.get(source_id) {
            return Ok(known);
        }
        let changes = recent.tasks.changes(source_id);
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks t WHERE t.source_id = "
        ));
        sql.bind(source_id);
        let found: Option<TaskRow> = sql
            .optional(self.pool(), "read the task of a source")
            .await?;
        let found = found.map(Arc::new);
        recent.tasks.keep(source_id, || found.clone(), changes);
        Ok(found)
    }

    /// JSON of the certificates of a task's data path.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn task_certificates(&self, task_id: &str) -> Result<Option<String>, StoreError> {
        let mut sql = Sql::new("SELECT certificates FROM task_certificates WHERE task_id = ");
        sql.bind(task_id);
        sql.value(self.pool(), "read the certificates of a task")
            .await
    }
}

/// Adds a task of generation 1, with its certificates.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    row: TaskRow,
    certificates: String,
    counted: &mut Counted,
) -> Result<(), StoreError> {
    counted.add(&row.domain_id, Kind::Task, &row.state, 1);
    sqlx::query(
        "INSERT INTO tasks (id, domain_id, source_id, target_id, name, name_folded, state, phase, \
         continuous, launched, checked, body, plan, subtasks, progress, error_json, \
         target_report, create_date, start_date, finish_date, template_id, \
         clone_template_id, generation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, \
         $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, 1)",
    )
    .bind(row.id.clone())
    .bind(row.domain_id)
    .bind(row.source_id)
    .bind(row.target_id)
    .bind(row.name.clone())
    .bind(row.name.to_lowercase())
    .bind(row.state)
    .bind(row.phase)
    .bind(row.continuous)
    .bind(row.launched)
    .bind(row.body)
    .bind(row.plan)
    .bind(row.subtasks)
    .bind(row.progress)
    .bind(row.error_json)
    .bind(row.target_report)
    .bind(row.create_date)
    .bind(row.start_date)
    .bind(row.finish_date)
    .bind(row.template_id)
    .bind(row.clone_template_id)
    .execute(&mut *connection)
    .await
    .act("add a task")?;
    sqlx::query("INSERT INTO task_certificates (task_id, certificates) VALUES ($1, $2)")
        .bind(row.id)
        .bind(certificates)
        .execute(connection)
        .await
        .act("keep the certificates of a task")?;
    Ok(())
}

/// Replaces a task that is still of the generation that `row` was read with.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    row: TaskRow,
    counted: &mut Counted,
) -> Result<bool, StoreError> {
    const ACT: &str = "change a task";
    let Some(before) = state(connection, &row, ACT).await? else {
        return Ok(false);
    };
    counted.moved(&row.domain_id, Kind::Task, &before, &row.state);
    let done = sqlx::query(
        "UPDATE tasks SET target_id = $3, name = $4, name_folded = $5, state = $6, phase = $7, \
         continuous = $8, launched = $9, body = $10, plan = $11, subtasks = $12, progress = $13, \
         error_json = $14, target_report = $15, start_date = $16, finish_date = $17, \
         template_id = $18, clone_template_id = $19, generation = generation + 1 \
         WHERE id = $1 AND generation = $2",
    )
    .bind(row.id)
    .bind(row.generation)
    .bind(row.target_id)
    .bind(row.name.clone())
    .bind(row.name.to_lowercase())
    .bind(row.state)
    .bind(row.phase)
    .bind(row.continuous)
    .bind(row.launched)
    .bind(row.body)
    .bind(row.plan)
    .bind(row.subtasks)
    .bind(row.progress)
    .bind(row.error_json)
    .bind(row.target_report)
    .bind(row.start_date)
    .bind(row.finish_date)
    .bind(row.template_id)
    .bind(row.clone_template_id)
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(done.rows_affected() == 1)
}

/// Removes a task that is still of the generation that `row` was read with, and all that hangs on it.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    row: TaskRow,
    counted: &mut Counted,
) -> Result<bool, StoreError> {
    const ACT: &str = "remove a task";
    let Some(before) = state(connection, &row, ACT).await? else {
        return Ok(false);
    };
    counted.add(&row.domain_id, Kind::Task, &before, -1);
    let done = sqlx::query("DELETE FROM tasks WHERE id = $1 AND generation = $2")
        .bind(row.id)
        .bind(row.generation)
        .execute(connection)
        .await
        .act(ACT)?;
    Ok(done.rows_affected() == 1)
}

/// The stored state of a task that still is of the generation that `row` was read with.
async fn state(
    connection: &mut AnyConnection,
    row: &TaskRow,
    act: &'static str,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT state FROM tasks WHERE id = $1 AND generation = $2")
        .bind(row.id.clone())
        .bind(row.generation)
        .fetch_optional(connection)
        .await
        .act(act)
}
