//! Migration tasks. A source has one at most; the database holds that.

use sqlx::AnyConnection;

use crate::Page;
use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sources::contains;

/// A migration task as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TaskRow {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source_id: String,
    /// Its target, if that is one of ours.
    pub target_id: Option<String>,
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

/// Which tasks to list. Absent means any.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Exact state.
    pub state: Option<String>,
    /// Part of the name, without regard to case.
    pub name: Option<String>,
    /// Exact id.
    pub id: Option<String>,
    /// Exact source.
    pub source_id: Option<String>,
    /// Enterprise project of the source.
    pub enterprise_project: Option<String>,
}

macro_rules! columns {
    () => {
        "id, source_id, target_id, name, state, phase, continuous, launched, body, plan, subtasks, \
         progress, error_json, target_report, create_date, start_date, finish_date, generation"
    };
}

macro_rules! filter {
    () => {
        " FROM tasks WHERE (CAST($1 AS TEXT) IS NULL OR state = $1) \
         AND (CAST($2 AS TEXT) IS NULL OR LOWER(name) LIKE $2 ESCAPE '\\') \
         AND (CAST($3 AS TEXT) IS NULL OR id = $3) \
         AND (CAST($4 AS TEXT) IS NULL OR source_id = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM sources s \
              WHERE s.id = tasks.source_id AND s.enterprise_project = $5))"
    };
}

/// Binds the five parameters of [`filter!`], in its order.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind($filter.state.clone())
            .bind($filter.name.as_deref().map(contains))
            .bind($filter.id.clone())
            .bind($filter.source_id.clone())
            .bind($filter.enterprise_project.clone())
    };
}

impl Store {
    /// The task with this id.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        sqlx::query_as(concat!("SELECT ", columns!(), " FROM tasks WHERE id = $1"))
            .bind(id.to_owned())
            .fetch_optional(&self.pool)
            .await
            .act("read a task")
    }

    /// The task of a source.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn task_of_source(&self, source_id: &str) -> Result<Option<TaskRow>, StoreError> {
        sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks WHERE source_id = $1"
        ))
        .bind(source_id.to_owned())
        .fetch_optional(&self.pool)
        .await
        .act("read the task of a source")
    }

    /// All tasks bound to a target, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn tasks_of_target(&self, target_id: &str) -> Result<Vec<TaskRow>, StoreError> {
        sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks WHERE target_id = $1 ORDER BY create_date, id"
        ))
        .bind(target_id.to_owned())
        .fetch_all(&self.pool)
        .await
        .act("list the tasks of a target")
    }

    /// Tasks that fit, oldest first, and how many fit in all.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn tasks(
        &self,
        filter: &TaskFilter,
        page: Page,
    ) -> Result<(Vec<TaskRow>, i64), StoreError> {
        let count: i64 = bind_filter!(
            sqlx::query_scalar(concat!("SELECT COUNT(*)", filter!())),
            filter
        )
        .fetch_one(&self.pool)
        .await
        .act("count tasks")?;
        let rows = bind_filter!(
            sqlx::query_as(concat!(
                "SELECT ",
                columns!(),
                filter!(),
                " ORDER BY create_date, id LIMIT $6 OFFSET $7"
            )),
            filter
        )
        .bind(page.limit)
        .bind(page.offset)
        .fetch_all(&self.pool)
        .await
        .act("list tasks")?;
        Ok((rows, count))
    }

    /// JSON of the certificates of a task's data path.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn task_certificates(&self, task_id: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT certificates FROM task_certificates WHERE task_id = $1")
            .bind(task_id.to_owned())
            .fetch_optional(&self.pool)
            .await
            .act("read the certificates of a task")
    }
}

/// Adds a task of generation 1, with its certificates.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    row: &TaskRow,
    certificates: &str,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "INSERT INTO tasks (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
         1)"
    ))
    .bind(row.id.clone())
    .bind(row.source_id.clone())
    .bind(row.target_id.clone())
    .bind(row.name.clone())
    .bind(row.state.clone())
    .bind(row.phase.clone())
    .bind(row.continuous)
    .bind(row.launched)
    .bind(row.body.clone())
    .bind(row.plan.clone())
    .bind(row.subtasks.clone())
    .bind(row.progress.clone())
    .bind(row.error_json.clone())
    .bind(row.target_report.clone())
    .bind(row.create_date)
    .bind(row.start_date)
    .bind(row.finish_date)
    .execute(&mut *connection)
    .await
    .act("add a task")?;
    sqlx::query("INSERT INTO task_certificates (task_id, certificates) VALUES ($1, $2)")
        .bind(row.id.clone())
        .bind(certificates.to_owned())
        .execute(connection)
        .await
        .act("keep the certificates of a task")?;
    Ok(())
}

/// Replaces a task that is still of the generation that `row` was read with.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    row: &TaskRow,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE tasks SET target_id = $3, name = $4, state = $5, phase = $6, continuous = $7, \
         launched = $8, body = $9, plan = $10, subtasks = $11, progress = $12, error_json = $13, \
         target_report = $14, start_date = $15, finish_date = $16, generation = generation + 1 \
         WHERE id = $1 AND generation = $2",
    )
    .bind(row.id.clone())
    .bind(row.generation)
    .bind(row.target_id.clone())
    .bind(row.name.clone())
    .bind(row.state.clone())
    .bind(row.phase.clone())
    .bind(row.continuous)
    .bind(row.launched)
    .bind(row.body.clone())
    .bind(row.plan.clone())
    .bind(row.subtasks.clone())
    .bind(row.progress.clone())
    .bind(row.error_json.clone())
    .bind(row.target_report.clone())
    .bind(row.start_date)
    .bind(row.finish_date)
    .execute(connection)
    .await
    .act("change a task")?;
    Ok(done.rows_affected() == 1)
}

/// Removes a task that is still of the generation that `row` was read with, and all that hangs on it.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    row: &TaskRow,
) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM tasks WHERE id = $1 AND generation = $2")
        .bind(row.id.clone())
        .bind(row.generation)
        .execute(connection)
        .await
        .act("remove a task")?;
    Ok(done.rows_affected() == 1)
}
