//! How the disks of source servers are going to be copied. Apart from the sources, because agents say it
//! anew without anything about the source having changed.

use crate::database::Store;
use crate::error::StoreError;
use crate::sql::Sql;

impl Store {
    /// Replaces the copy plan (JSON) of a source.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the source is gone.
    pub async fn put_copy_plan(&self, source_id: &str, plan: &str) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO copy_plans (source_id, plan) VALUES ($1, $2) \
             ON CONFLICT (source_id) DO UPDATE SET plan = excluded.plan",
        )
        .bind(source_id.to_owned())
        .bind(plan.to_owned());
        self.run("keep a copy plan", query).await?;
        Ok(())
    }

    /// The copy plan (JSON) of a source, if it ever had one.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn copy_plan(&self, source_id: &str) -> Result<Option<String>, StoreError> {
        let mut sql = Sql::new("SELECT plan FROM copy_plans WHERE source_id = ");
        sql.bind(source_id);
        sql.value(self.pool(), "read a copy plan").await
    }
}
