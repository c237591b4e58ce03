//! Login tokens.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::database::Store;
use crate::error::StoreError;
use crate::sql::Sql;
use crate::users::{self, UserRow};

/// A login token, known by the hash of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A token and its user, side by side in one row.
struct WithUser(TokenRow, UserRow);

impl sqlx::FromRow<'_, AnyRow> for WithUser {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let token = TokenRow {
            token_hash: row.try_get(0)?,
            user_id: row.try_get(1)?,
            scope: row.try_get(2)?,
            issued_at: row.try_get(3)?,
            expires_at: row.try_get(4)?,
        };
        Ok(Self(token, UserRow::read(row, 5)?))
    }
}

impl Store {
    /// Keeps a login token.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is one with this text, [`StoreError::Changed`] if the person is
    /// gone.
    pub async fn insert_token(&self, row: &TokenRow) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO tokens (token_hash, user_id, scope, issued_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(row.token_hash.clone())
        .bind(row.user_id.clone())
        .bind(row.scope.clone())
        .bind(row.issued_at)
        .bind(row.expires_at);
        self.run("keep a login token", query).await?;
        Ok(())
    }

    /// The login token with this hash, whether or not it is still valid, and its user.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn token(&self, token_hash: &str) -> Result<Option<(TokenRow, UserRow)>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT t.token_hash, t.user_id, t.scope, t.issued_at, t.expires_at, ",
            users::columns!(),
            " FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.token_hash = "
        ));
        sql.bind(token_hash);
        let found: Option<WithUser> = sql.optional(self.pool(), "read a login token").await?;
        Ok(found.map(|WithUser(token, user)| (token, user)))
    }

    /// Forgets a login token. Says whether there was one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_token(&self, token_hash: &str) -> Result<bool, StoreError> {
        let query =
            sqlx::query("DELETE FROM tokens WHERE token_hash = $1").bind(token_hash.to_owned());
        Ok(self.run("forget a login token", query).await? == 1)
    }

    /// Forgets all login tokens that ended before `now`: how many there were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_expired_tokens(&self, now: i64) -> Result<u64, StoreError> {
        let query = sqlx::query("DELETE FROM tokens WHERE expires_at < $1").bind(now);
        self.run("forget old login tokens", query).await
    }

    /// Forgets all login tokens of a person: how many there were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_tokens_of_user(&self, user_id: &str) -> Result<u64, StoreError> {
        let query = sqlx::query("DELETE FROM tokens WHERE user_id = $1").bind(user_id.to_owned());
        self.run("forget the login tokens of a user", query).await
    }
}
