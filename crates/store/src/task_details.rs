//! What hangs on a task: advanced options, speed windows, consistency results, the report.

use std::sync::Arc;

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// An advanced option of a task.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct OptionRow {
    /// Its key.
    pub config_key: String,
    /// Its value, opaque to the control plane.
    pub config_value: String,
    /// Echoed back to clients.
    pub config_status: String,
}

/// The result of one consistency check.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ConsistencyRow {
    /// Reported at, milliseconds since 1970.
    pub finished_time: i64,
    /// JSON: what was found.
    pub result: String,
}

impl Store {
    /// Adds or replaces options of a task; others stay.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn put_options(
        &self,
        task_id: &str,
        options: &[OptionRow],
    ) -> Result<(), StoreError> {
        let (task_id, options) = (task_id.to_owned(), options.to_vec());
        self.change(move |connection| {
            Box::pin(async move {
                for option in options {
                    sqlx::query(
                        "INSERT INTO task_options (task_id, config_key, config_value, \
                         config_status) VALUES ($1, $2, $3, $4) ON CONFLICT (task_id, config_key) \
                         DO UPDATE SET config_value = excluded.config_value, \
                         config_status = excluded.config_status",
                    )
                    .bind(task_id.clone())
                    .bind(option.config_key)
                    .bind(option.config_value)
                    .bind(option.config_status)
                    .execute(&mut *connection)
                    .await
                    .act("keep an option")?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Takes all options of a task away.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_options(&self, task_id: &str) -> Result<(), StoreError> {
        let query =
            sqlx::query("DELETE FROM task_options WHERE task_id = $1").bind(task_id.to_owned());
        self.run("remove options", query).await?;
        Ok(())
    }

    /// Options of a task, by key; one of them if `key` is given.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn options(
        &self,
        task_id: &str,
        key: Option<&str>,
    ) -> Result<Vec<OptionRow>, StoreError> {
        let mut sql = Sql::new(
            "SELECT config_key, config_value, config_status FROM task_options WHERE task_id = ",
        );
        sql.bind(task_id).and("config_key = ", key);
        sql.push(" ORDER BY config_key");
        sql.all(self.pool(), "list options").await
    }

    /// Options of several tasks, each with the id of its task, by key.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn options_of_tasks(
        &self,
        task_ids: &[String],
    ) -> Result<Vec<(String, OptionRow)>, StoreError> {
        let mut sql = Sql::new(
            "SELECT task_id, config_key, config_value, config_status FROM task_options \
             WHERE task_id IN ",
        );
        sql.bind_list(task_ids)
            .push(" ORDER BY task_id, config_key");
        let rows: Vec<(String, String, String, String)> =
            sql.all(self.pool(), "list the options of tasks").await?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|(task_id, config_key, config_value, config_status)| {
                let option = OptionRow {
                    config_key,
                    config_value,
                    config_status,
                };
                (task_id, option)
            })
            .collect())
    }

    /// Replaces the speed windows (JSON) of a task.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn put_speed_limits(&self, task_id: &str, windows: &str) -> Result<(), StoreError> {
        let (recent, id) = (Arc::clone(&self.shared.recent), task_id.to_owned());
        let query = sqlx::query(
            "INSERT INTO speed_limits (task_id, windows) VALUES ($1, $2) \
             ON CONFLICT (task_id) DO UPDATE SET windows = excluded.windows",
        )
        .bind(task_id.to_owned())
        .bind(windows.to_owned());
        let after = move |_: &Result<u64, StoreError>| recent.windows.forget(&id);
        let writer = &self.shared.writer;
        writer.run("keep speed windows", query, after).await?;
        Ok(())
    }

    /// The speed windows (JSON) of a task, if it ever had any.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn speed_limits(&self, task_id: &str) -> Result<Option<String>, StoreError> {
        let recent = &self.shared.recent.windows;
        if let Some(known) = recent.get(task_id) {
            return Ok(known);
        }
        let changes = recent.changes(task_id);
        let mut sql = Sql::new("SELECT windows FROM speed_limits WHERE task_id = ");
        sql.bind(task_id);
        let found: Option<String> = sql.value(self.pool(), "read speed windows").await?;
        recent.keep(task_id, || found.clone(), changes);
        Ok(found)
    }

    /// Adds the result of a consistency check; one reported twice in a millisecond is one.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn insert_consistency_result(
        &self,
        task_id: &str,
        row: &ConsistencyRow,
    ) -> Result<(), StoreError> {
        let (task_id, row) = (task_id.to_owned(), row.clone());
        let recent = Arc::clone(&self.shared.recent);
        let marked = self.change_then(
            move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO consistency_results (task_id, finished_time, result) \
                     VALUES ($1, $2, $3) \
                     ON CONFLICT (task_id, finished_time) DO UPDATE SET result = excluded.result",
                )
                .bind(task_id.clone())
                .bind(row.finished_time)
                .bind(row.result)
                .execute(&mut *connection)
                .await
                .act("keep a consistency result")?;
                let marked = sqlx::query_scalar(
                    "UPDATE tasks SET checked = 1 WHERE checked = 0 AND id = $1 RETURNING source_id",
                )
                .bind(task_id);
                let source_id = marked.fetch_optional(connection).await;
                source_id.act("mark a task as checked")
            })
        },
            move |source_id: &Result<Option<String>, StoreError>| {
                if let Ok(Some(source_id)) = source_id {
                    recent.tasks.forget(source_id);
                }
            },
        );
        marked.await.map(|_| ())
    }

    /// Results of the consistency checks of a task, newest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn consistency_results(
        &self,
        task_id: &str,
    ) -> Result<Vec<ConsistencyRow>, StoreError> {
        let mut sql =
            Sql::new("SELECT finished_time, result FROM consistency_results WHERE task_id = ");
        sql.bind(task_id)
            .push(" ORDER BY finished_time DESC LIMIT 100");
        sql.all(self.pool(), "list consistency results").await
    }

    /// Replaces the report (JSON) of a task.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn put_report(&self, task_id: &str, report: &str) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO reports (task_id, report) VALUES ($1, $2) \
             ON CONFLICT (task_id) DO UPDATE SET report = excluded.report",
        )
        .bind(task_id.to_owned())
        .bind(report.to_owned());
        self.run("keep a report", query).await?;
        Ok(())
    }

    /// The report (JSON) of a task.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn report(&self, task_id: &str) -> Result<Option<String>, StoreError> {
        let mut sql = Sql::new("SELECT report FROM reports WHERE task_id = ");
        sql.bind(task_id);
        sql.value(self.pool(), "read a report").await
    }
}
