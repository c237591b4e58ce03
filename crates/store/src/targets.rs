//! Target servers that announced themselves.

use sqlx::AnyConnection;

use crate::database::Store;
use crate::error::{Act as _, StoreError};

/// A target server as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TargetRow {
    /// Its id, which is the id of its identity.
    pub id: String,
    /// Name shown to people.
    pub name: String,
    /// JSON: what it offers.
    pub registration: String,
    /// First announced at, milliseconds since 1970.
    pub create_date: i64,
    /// Last heard of, milliseconds since 1970.
    pub last_visit_time: i64,
    /// Changes whenever its list of tasks does.
    pub generation: i64,
}

impl Store {
    /// Adds a target, or replaces what it offers.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn put_target(
        &self,
        id: &str,
        name: &str,
        registration: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO targets (id, name, registration, create_date, last_visit_time, generation) \
             VALUES ($1, $2, $3, $4, $4, 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
             registration = excluded.registration, last_visit_time = excluded.last_visit_time",
        )
        .bind(id.to_owned())
        .bind(name.to_owned())
        .bind(registration.to_owned())
        .bind(now)
        .execute(&self.pool)
        .await
        .act("keep a target")?;
        Ok(())
    }

    /// The target with this id.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn target(&self, id: &str) -> Result<Option<TargetRow>, StoreError> {
        sqlx::query_as(
            "SELECT id, name, registration, create_date, last_visit_time, generation \
             FROM targets WHERE id = $1",
        )
        .bind(id.to_owned())
        .fetch_optional(&self.pool)
        .await
        .act("read a target")
    }

    /// All targets, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn targets(&self) -> Result<Vec<TargetRow>, StoreError> {
        sqlx::query_as(
            "SELECT id, name, registration, create_date, last_visit_time, generation \
             FROM targets ORDER BY create_date, id",
        )
        .fetch_all(&self.pool)
        .await
        .act("list targets")
    }

    /// Remembers that a target was heard of.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn touch_target(&self, id: &str, now: i64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE targets SET last_visit_time = $2 WHERE id = $1 AND last_visit_time < $2",
        )
        .bind(id.to_owned())
        .bind(now)
        .execute(&self.pool)
        .await
        .act("note a target's visit")?;
        Ok(())
    }

    /// Removes a target and its identity, so that its certificate opens nothing any more. Says
    /// whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if tasks are bound to it.
    pub async fn delete_target(&self, id: &str) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.act("begin a change")?;
        let target = sqlx::query("DELETE FROM targets WHERE id = $1")
            .bind(id.to_owned())
            .execute(&mut *transaction)
            .await
            .act("remove a target")?;
        let identity = sqlx::query("DELETE FROM identities WHERE id = $1 AND role = 'target'")
            .bind(id.to_owned())
            .execute(&mut *transaction)
            .await
            .act("remove a target's identity")?;
        transaction.commit().await.act("commit a change")?;
        Ok(target.rows_affected() + identity.rows_affected() > 0)
    }
}

/// Marks the list of tasks of a target as changed, if it still is of the generation `seen`.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    id: &str,
    seen: Option<i64>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE targets SET generation = generation + 1 \
         WHERE id = $1 AND (CAST($2 AS BIGINT) IS NULL OR generation = $2)",
    )
    .bind(id.to_owned())
    .bind(seen)
    .execute(connection)
    .await
    .act("tell a target of a change")?;
    Ok(done.rows_affected() == 1)
}
