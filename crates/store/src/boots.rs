//! What came of starting what a target has received: rehearsals, and starts that ended a cut-over.

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// A boot that ended.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct BootRow {
    /// Its id.
    pub boot_id: String,
    /// JSON: what came of it.
    pub report: String,
}

impl Store {
    /// Keeps what came of a boot, and of the latest `most` boots of the task alone. Told again, it
    /// changes nothing; whether it was new is the answer. `summary` is what lists show of it.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn insert_boot(
        &self,
        task_id: &str,
        boot: &BootRow,
        summary: &str,
        ended_at: i64,
        most: i64,
    ) -> Result<bool, StoreError> {
        const ACT: &str = "keep what came of a boot";
        let (task_id, boot, summary) = (task_id.to_owned(), boot.clone(), summary.to_owned());
        self.change(move |connection| {
            Box::pin(async move {
                let inserted = sqlx::query(
                    "INSERT INTO boots (task_id, boot_id, ended_at, summary, report) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (task_id, boot_id) DO NOTHING",
                )
                .bind(task_id.clone())
                .bind(boot.boot_id)
                .bind(ended_at)
                .bind(summary)
                .bind(boot.report)
                .execute(&mut *connection)
                .await
                .act(ACT)?;
                let mut sql = Sql::new("DELETE FROM boots WHERE task_id = ");
                sql.bind(&task_id)
                    .push(" AND boot_id NOT IN (SELECT boot_id FROM boots WHERE task_id = ")
                    .bind(&task_id)
                    .push(" ORDER BY ended_at DESC, boot_id DESC LIMIT ")
                    .bind(most)
                    .push(")");
                sql.execute(connection, ACT).await?;
                Ok(inserted.rows_affected() > 0)
            })
        })
        .await
    }

    /// Boots of a task that ended, the latest first, with what lists show of them.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn boots(&self, task_id: &str) -> Result<Vec<BootRow>, StoreError> {
        let mut sql = Sql::new("SELECT boot_id, summary AS report FROM boots WHERE task_id = ");
        sql.bind(task_id)
            .push(" ORDER BY ended_at DESC, boot_id DESC");
        sql.all(self.pool(), "list boots").await
    }

    /// A boot of a task that ended, with everything.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn boot(&self, task_id: &str, boot_id: &str) -> Result<Option<BootRow>, StoreError> {
        let mut sql = Sql::new("SELECT boot_id, report FROM boots WHERE task_id = ");
        sql.bind(task_id).push(" AND boot_id = ").bind(boot_id);
        sql.optional(self.pool(), "read a boot").await
    }
}
