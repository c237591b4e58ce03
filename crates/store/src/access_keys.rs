//! Signing keys of people.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;
use crate::users::{self, UserRow};

/// A pair of keys for signing requests.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKeyRow {
    /// The public half.
    pub access_key: String,
    /// The secret half; verifying a signature needs it as it is.
    pub secret_key: String,
    /// Whose it is.
    pub user_id: String,
    /// What its owner calls it.
    pub description: String,
    /// 1 if it is good for anything, else 0.
    pub enabled: i64,
    /// Wrong signatures in a row.
    pub failures: i64,
    /// Refused before this time, milliseconds since 1970; 0 if never locked.
    pub locked_until: i64,
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

/// How many columns `columns!` names.
const COLUMNS: usize = 8;

macro_rules! columns {
    () => {
        "k.access_key, k.secret_key, k.user_id, k.description, k.enabled, k.failures, \
         k.locked_until, k.create_date"
    };
}

impl sqlx::FromRow<'_, AnyRow> for AccessKeyRow {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            access_key: row.try_get(0)?,
            secret_key: row.try_get(1)?,
            user_id: row.try_get(2)?,
            description: row.try_get(3)?,
            enabled: row.try_get(4)?,
            failures: row.try_get(5)?,
            locked_until: row.try_get(6)?,
            create_date: row.try_get(7)?,
        })
    }
}

/// A key and its user, side by side in one row.
struct WithUser(AccessKeyRow, UserRow);

impl sqlx::FromRow<'_, AnyRow> for WithUser {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self(
            AccessKeyRow::from_row(row)?,
            UserRow::read(row, COLUMNS)?,
        ))
    }
}

impl Store {
    /// The pair of keys with this public half, and its user.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn access_key(
        &self,
        access_key: &str,
    ) -> Result<Option<(AccessKeyRow, UserRow)>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            ", ",
            users::columns!(),
            " FROM access_keys k JOIN users u ON u.id = k.user_id WHERE k.access_key = "
        ));
        sql.bind(access_key);
        let found: Option<WithUser> = sql.optional(self.pool(), "read an access key").await?;
        Ok(found.map(|WithUser(key, user)| (key, user)))
    }

    /// The keys of a person, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn access_keys(&self, user_id: &str) -> Result<Vec<AccessKeyRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM access_keys k WHERE k.user_id = "
        ));
        sql.bind(user_id)
            .push(" ORDER BY k.create_date, k.access_key");
        sql.all(self.pool(), "list access keys").await
    }

    /// Adds a pair of keys.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the public half is taken, [`StoreError::Changed`] if there is no such
    /// person.
    pub async fn insert_access_key(&self, key: &AccessKeyRow) -> Result<(), StoreError> {
        let key = key.clone();
        self.change(move |connection| Box::pin(insert(connection, key)))
            .await
    }

    /// Changes description and whether the key is good; says whether the person has such a key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn update_access_key(&self, key: &AccessKeyRow) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE access_keys SET description = $3, enabled = $4 \
             WHERE access_key = $1 AND user_id = $2",
        )
        .bind(key.access_key.clone())
        .bind(key.user_id.clone())
        .bind(key.description.clone())
        .bind(key.enabled);
        Ok(self.run("change an access key", query).await? == 1)
    }

    /// Removes a pair of keys; says whether the person had it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_access_key(
        &self,
        user_id: &str,
        access_key: &str,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM access_keys WHERE access_key = $1 AND user_id = $2")
            .bind(access_key.to_owned())
            .bind(user_id.to_owned());
        Ok(self.run("remove an access key", query).await? == 1)
    }

    /// Keeps the wrong signatures in a row of a key, and until when they lock: nothing is written if
    /// both are what they were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_key_failures(
        &self,
        access_key: &str,
        (failures, locked_until): (i64, i64),
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE access_keys SET failures = $2, locked_until = $3 \
             WHERE access_key = $1 AND (failures <> $2 OR locked_until <> $3)",
        )
        .bind(access_key.to_owned())
        .bind(failures)
        .bind(locked_until);
        self.run("count the failures of an access key", query)
            .await?;
        Ok(())
    }

    /// Counts one more wrong signature. The one that makes it `max_failures` in a row locks until
    /// `locked_until` and begins a new row. Rivals are counted one by one, on all replicas.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_key_failure(
        &self,
        access_key: &str,
        max_failures: i64,
        locked_until: i64,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE access_keys SET \
             locked_until = CASE WHEN failures + 1 >= $2 THEN $3 ELSE locked_until END, \
             failures = CASE WHEN failures + 1 >= $2 THEN 0 ELSE failures + 1 END \
             WHERE access_key = $1",
        )
        .bind(access_key.to_owned())
        .bind(max_failures)
        .bind(locked_until);
        self.run("count a failure of an access key", query).await?;
        Ok(())
    }

    /// Forgets the wrong signatures of a key after a right one; writes only if there are any.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_key_ok(&self, key: &AccessKeyRow) -> Result<(), StoreError> {
        match (key.failures, key.locked_until) {
            (0, 0) => Ok(()),
            _ => self.count_key_failures(&key.access_key, (0, 0)).await,
        }
    }
}

/// Adds a pair of keys.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    key: AccessKeyRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO access_keys (access_key, secret_key, user_id, description, enabled, failures, \
         locked_until, create_date) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(key.access_key)
    .bind(key.secret_key)
    .bind(key.user_id)
    .bind(key.description)
    .bind(key.enabled)
    .bind(key.failures)
    .bind(key.locked_until)
    .bind(key.create_date)
    .execute(connection)
    .await
    .act("add an access key")?;
    Ok(())
}
