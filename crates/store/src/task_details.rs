//! What hangs on a task: advanced options, speed windows, consistency results, the report.

use crate::database::Store;
use crate::error::{Act as _, StoreError};

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
        let mut transaction = self.pool.begin().await.act("begin a change")?;
        for option in options {
            sqlx::query(
                "INSERT INTO task_options (task_id, config_key, config_value, config_status) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (task_id, config_key) DO UPDATE \
                 SET config_value = excluded.config_value, config_status = excluded.config_status",
            )
            .bind(task_id.to_owned())
            .bind(option.config_key.clone())
            .bind(option.config_value.clone())
            .bind(option.config_status.clone())
            .execute(&mut *transaction)
            .await
            .act("keep an option")?;
        }
        transaction.commit().await.act("commit a change")
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
        sqlx::query_as(
            "SELECT config_key, config_value, config_status FROM task_options \
             WHERE task_id = $1 AND (CAST($2 AS TEXT) IS NULL OR config_key = $2) \
             ORDER BY config_key",
        )
        .bind(task_id.to_owned())
        .bind(key.map(str::to_owned))
        .fetch_all(&self.pool)
        .await
        .act("list options")
    }

    /// Replaces the speed windows (JSON) of a task.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn put_speed_limits(&self, task_id: &str, windows: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO speed_limits (task_id, windows) VALUES ($1, $2) \
             ON CONFLICT (task_id) DO UPDATE SET windows = excluded.windows",
        )
        .bind(task_id.to_owned())
        .bind(windows.to_owned())
        .execute(&self.pool)
        .await
        .act("keep speed windows")?;
        Ok(())
    }

    /// The speed windows (JSON) of a task, if it ever had any.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn speed_limits(&self, task_id: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT windows FROM speed_limits WHERE task_id = $1")
            .bind(task_id.to_owned())
            .fetch_optional(&self.pool)
            .await
            .act("read speed windows")
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
        sqlx::query(
            "INSERT INTO consistency_results (task_id, finished_time, result) VALUES ($1, $2, $3) \
             ON CONFLICT (task_id, finished_time) DO UPDATE SET result = excluded.result",
        )
        .bind(task_id.to_owned())
        .bind(row.finished_time)
        .bind(row.result.clone())
        .execute(&self.pool)
        .await
        .act("keep a consistency result")?;
        Ok(())
    }

    /// Results of the consistency checks of a task, newest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn consistency_results(
        &self,
        task_id: &str,
    ) -> Result<Vec<ConsistencyRow>, StoreError> {
        sqlx::query_as(
            "SELECT finished_time, result FROM consistency_results WHERE task_id = $1 \
             ORDER BY finished_time DESC LIMIT 100",
        )
        .bind(task_id.to_owned())
        .fetch_all(&self.pool)
        .await
        .act("list consistency results")
    }

    /// Replaces the report (JSON) of a task.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn put_report(&self, task_id: &str, report: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO reports (task_id, report) VALUES ($1, $2) \
             ON CONFLICT (task_id) DO UPDATE SET report = excluded.report",
        )
        .bind(task_id.to_owned())
        .bind(report.to_owned())
        .execute(&self.pool)
        .await
        .act("keep a report")?;
        Ok(())
    }

    /// The report (JSON) of a task.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn report(&self, task_id: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT report FROM reports WHERE task_id = $1")
            .bind(task_id.to_owned())
            .fetch_optional(&self.pool)
            .await
            .act("read a report")
    }
}
