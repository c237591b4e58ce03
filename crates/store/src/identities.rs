//! Agents and receivers that joined, and the tokens by which they may.

use crate::database::Store;
use crate::error::{Act as _, StoreError};

/// An agent or a receiver that joined.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct IdentityRow {
    /// Its id.
    pub id: String,
    /// What it joined as: `source` or `target`.
    pub role: String,
    /// Name shown to people.
    pub name: String,
    /// SHA-256 of its certificate, hexadecimal.
    pub fingerprint: String,
    /// Joined at, milliseconds since 1970.
    pub create_date: i64,
}

/// A right to join. The secret itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct JoinTokenRow {
    /// SHA-256 of the secret, hexadecimal.
    pub secret_hash: String,
    /// What the holder may join as: `source` or `target`.
    pub role: String,
    /// May be used before, milliseconds since 1970.
    pub expires_at: i64,
    /// Identity that joined with it.
    pub used_by: Option<String>,
}

impl Store {
    /// Keeps a new join token, and forgets those that ended before `now`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one with this secret.
    pub async fn insert_join_token(&self, row: &JoinTokenRow, now: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM join_tokens WHERE expires_at < $1")
            .bind(now)
            .execute(&self.pool)
            .await
            .act("forget old join tokens")?;
        sqlx::query("INSERT INTO join_tokens (secret_hash, role, expires_at) VALUES ($1, $2, $3)")
            .bind(row.secret_hash.clone())
            .bind(row.role.clone())
            .bind(row.expires_at)
            .execute(&self.pool)
            .await
            .act("keep a join token")?;
        Ok(())
    }

    /// The join token with this hash.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn join_token(&self, secret_hash: &str) -> Result<Option<JoinTokenRow>, StoreError> {
        sqlx::query_as(
            "SELECT secret_hash, role, expires_at, used_by FROM join_tokens WHERE secret_hash = $1",
        )
        .bind(secret_hash.to_owned())
        .fetch_optional(&self.pool)
        .await
        .act("read a join token")
    }

    /// Uses a join token up for `identity` and keeps the identity. Of any number of holders of one
    /// token exactly one gets through.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the token is used, over at `now`, unknown or of another role.
    pub async fn join(
        &self,
        secret_hash: &str,
        identity: &IdentityRow,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.act("begin a change")?;
        let claimed = sqlx::query(
            "UPDATE join_tokens SET used_by = $3 \
             WHERE secret_hash = $1 AND role = $2 AND used_by IS NULL AND expires_at > $4",
        )
        .bind(secret_hash.to_owned())
        .bind(identity.role.clone())
        .bind(identity.id.clone())
        .bind(now)
        .execute(&mut *transaction)
        .await
        .act("use a join token")?;
        if claimed.rows_affected() != 1 {
            transaction.rollback().await.act("take a change back")?;
            return Err(StoreError::Changed {
                act: "use a join token",
            });
        }
        sqlx::query(
            "INSERT INTO identities (id, role, name, fingerprint, create_date) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(identity.id.clone())
        .bind(identity.role.clone())
        .bind(identity.name.clone())
        .bind(identity.fingerprint.clone())
        .bind(identity.create_date)
        .execute(&mut *transaction)
        .await
        .act("keep an identity")?;
        transaction.commit().await.act("commit a change")
    }

    /// Whose certificate this is.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn identity_by_fingerprint(
        &self,
        fingerprint: &str,
    ) -> Result<Option<IdentityRow>, StoreError> {
        sqlx::query_as(
            "SELECT id, role, name, fingerprint, create_date FROM identities \
             WHERE fingerprint = $1",
        )
        .bind(fingerprint.to_owned())
        .fetch_optional(&self.pool)
        .await
        .act("read an identity")
    }

    /// Removes an identity, so that its certificate opens nothing any more.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn delete_identity(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM identities WHERE id = $1")
            .bind(id.to_owned())
            .execute(&self.pool)
            .await
            .act("remove an identity")?;
        Ok(())
    }
}
