//! Agents and receivers that joined, and the tokens by which they may.

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// An agent or a receiver that joined.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct IdentityRow {
    /// Its id.
    pub id: String,
    /// Its tenant: that of the token it joined with.
    pub domain_id: String,
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
    /// The tenant that the holder joins.
    pub domain_id: String,
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
        let row = row.clone();
        self.change(move |connection| {
            Box::pin(async move {
                let mut sql = Sql::new("DELETE FROM join_tokens WHERE expires_at < ");
                sql.bind(now);
                sql.execute(connection, "forget old join tokens").await?;
                let mut sql = Sql::new(
                    "INSERT INTO join_tokens (secret_hash, domain_id, role, expires_at) VALUES (",
                );
                sql.bind(row.secret_hash).push(", ").bind(row.domain_id);
                sql.push(", ").bind(row.role).push(", ");
                sql.bind(row.expires_at).push(")");
                sql.execute(connection, "keep a join token").await?;
                Ok(())
            })
        })
        .await
    }

    /// The join token with this hash.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn join_token(&self, secret_hash: &str) -> Result<Option<JoinTokenRow>, StoreError> {
        let mut sql = Sql::new(
            "SELECT secret_hash, domain_id, role, expires_at, used_by FROM join_tokens \
             WHERE secret_hash = ",
        );
        sql.bind(secret_hash);
        sql.optional(self.pool(), "read a join token").await
    }

    /// Uses a join token up for `identity` and keeps the identity. Of any number of holders of one
    /// token exactly one gets through.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the token is used, over at `now`, unknown, of another role or of
    /// another domain.
    pub async fn join(
        &self,
        secret_hash: &str,
        identity: &IdentityRow,
        now: i64,
    ) -> Result<(), StoreError> {
        const ACT: &str = "use a join token";
        let (secret_hash, identity) = (secret_hash.to_owned(), identity.clone());
        self.change(move |connection| {
            Box::pin(async move {
                let claimed = sqlx::query(
                    "UPDATE join_tokens SET used_by = $4 WHERE secret_hash = $1 AND role = $2 \
                     AND domain_id = $3 AND used_by IS NULL AND expires_at > $5",
                )
                .bind(secret_hash)
                .bind(identity.role.clone())
                .bind(identity.domain_id.clone())
                .bind(identity.id.clone())
                .bind(now)
                .execute(&mut *connection)
                .await
                .act(ACT)?;
                if claimed.rows_affected() != 1 {
                    return Err(StoreError::Changed { act: ACT });
                }
                sqlx::query(
                    "INSERT INTO identities (id, domain_id, role, name, fingerprint, create_date) \
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(identity.id)
                .bind(identity.domain_id)
                .bind(identity.role)
                .bind(identity.name)
                .bind(identity.fingerprint)
                .bind(identity.create_date)
                .execute(connection)
                .await
                .act("keep an identity")?;
                Ok(())
            })
        })
        .await
    }

    /// Whose certificate this is.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn identity_by_fingerprint(
        &self,
        fingerprint: &str,
    ) -> Result<Option<IdentityRow>, StoreError> {
        let mut sql = Sql::new(
            "SELECT id, domain_id, role, name, fingerprint, create_date FROM identities \
             WHERE fingerprint = ",
        );
        sql.bind(fingerprint);
        sql.optional(self.pool(), "read an identity").await
    }

    /// Removes an identity, so that its certificate opens nothing any more. Says whether there was
    /// one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_identity(&self, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM identities WHERE id = $1").bind(id.to_owned());
        Ok(self.run("remove an identity", query).await? == 1)
    }
}
