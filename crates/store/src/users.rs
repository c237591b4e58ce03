//! People, their signing keys and their login tokens.

use crate::database::Store;
use crate::error::{Act as _, StoreError};

/// A person.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UserRow {
    /// Id.
    pub id: String,
    /// Login name.
    pub name: String,
    /// argon2 hash of the password, PHC form.
    pub password_hash: String,
    /// Made at, milliseconds since 1970.
    pub create_date: i64,
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRow")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A pair of keys for signing requests.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AccessKeyRow {
    /// The public half.
    pub access_key: String,
    /// The secret half; verifying a signature needs it as it is.
    pub secret_key: String,
    /// Whose it is.
    pub user_id: String,
    /// Made at, milliseconds since 1970.
    pub create_date: i64,
}

impl std::fmt::Debug for AccessKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKeyRow")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// A login token, known by the hash of its text.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TokenRow {
    /// SHA-256 of the token, hexadecimal.
    pub token_hash: String,
    /// Whose it is.
    pub user_id: String,
    /// JSON: what it was asked for.
    pub scope: String,
    /// Issued at, milliseconds since 1970.
    pub issued_at: i64,
    /// Valid before, milliseconds since 1970.
    pub expires_at: i64,
}

impl Store {
    /// Adds a person with a first pair of keys.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name or the key is taken.
    pub async fn insert_user(&self, user: &UserRow, key: &AccessKeyRow) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.act("begin a change")?;
        sqlx::query(
            "INSERT INTO users (id, name, password_hash, create_date) VALUES ($1, $2, $3, $4)",
        )
        .bind(user.id.clone())
        .bind(user.name.clone())
        .bind(user.password_hash.clone())
        .bind(user.create_date)
        .execute(&mut *transaction)
        .await
        .act("add a user")?;
        sqlx::query(
            "INSERT INTO access_keys (access_key, secret_key, user_id, create_date) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(key.access_key.clone())
        .bind(key.secret_key.clone())
        .bind(key.user_id.clone())
        .bind(key.create_date)
        .execute(&mut *transaction)
        .await
        .act("add an access key")?;
        transaction.commit().await.act("commit a change")
    }

    /// The person with this login name.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn user_by_name(&self, name: &str) -> Result<Option<UserRow>, StoreError> {
        sqlx::query_as("SELECT id, name, password_hash, create_date FROM users WHERE name = $1")
            .bind(name.to_owned())
            .fetch_optional(&self.pool)
            .await
            .act("read a user")
    }

    /// The person with this id.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn user(&self, id: &str) -> Result<Option<UserRow>, StoreError> {
        sqlx::query_as("SELECT id, name, password_hash, create_date FROM users WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(&self.pool)
            .await
            .act("read a user")
    }

    /// How many people there are; none before the first start is through.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn user_count(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&self.pool)
            .await
            .act("count users")
    }

    /// The pair of keys with this public half.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn access_key(&self, access_key: &str) -> Result<Option<AccessKeyRow>, StoreError> {
        sqlx::query_as(
            "SELECT access_key, secret_key, user_id, create_date FROM access_keys \
             WHERE access_key = $1",
        )
        .bind(access_key.to_owned())
        .fetch_optional(&self.pool)
        .await
        .act("read an access key")
    }

    /// Keeps a login token, and forgets those that ended before it was issued.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one with this text.
    pub async fn insert_token(&self, row: &TokenRow) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM tokens WHERE expires_at < $1")
            .bind(row.issued_at)
            .execute(&self.pool)
            .await
            .act("forget old login tokens")?;
        sqlx::query(
            "INSERT INTO tokens (token_hash, user_id, scope, issued_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(row.token_hash.clone())
        .bind(row.user_id.clone())
        .bind(row.scope.clone())
        .bind(row.issued_at)
        .bind(row.expires_at)
        .execute(&self.pool)
        .await
        .act("keep a login token")?;
        Ok(())
    }

    /// The login token with this hash, whether or not it is still valid.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn token(&self, token_hash: &str) -> Result<Option<TokenRow>, StoreError> {
        sqlx::query_as(
            "SELECT token_hash, user_id, scope, issued_at, expires_at FROM tokens \
             WHERE token_hash = $1",
        )
        .bind(token_hash.to_owned())
        .fetch_optional(&self.pool)
        .await
        .act("read a login token")
    }

    /// Forgets a login token. Says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn delete_token(&self, token_hash: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM tokens WHERE token_hash = $1")
            .bind(token_hash.to_owned())
            .execute(&self.pool)
            .await
            .act("forget a login token")?;
        Ok(done.rows_affected() == 1)
    }
}
