//! What a control plane is called, made once and kept.

use crate::database::Store;
use crate::error::StoreError;
use crate::sql::Sql;

impl Store {
    /// The value of a setting; `make` fills it in the first time, and never again.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn setting_or(
        &self,
        name: &str,
        make: impl FnOnce() -> String + Send,
    ) -> Result<String, StoreError> {
        if let Some(value) = self.setting(name).await? {
            return Ok(value);
        }
        let value = make();
        let query = sqlx::query(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name.to_owned())
        .bind(value.clone());
        self.run("keep a setting", query).await?;
        // Whoever was first, everybody uses what is stored.
        Ok(self.setting(name).await?.unwrap_or(value))
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut sql = Sql::new("SELECT value FROM settings WHERE name = ");
        sql.bind(name);
        sql.value(self.pool(), "read a setting").await
    }
}
