//! People.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// A person.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Id.
    pub id: String,
    /// Its tenant.
    pub domain_id: String,
    /// Login name, of which the tenant has one.
    pub name: String,
    /// What they may do: `administrator`, `operator` or `readonly`.
    pub role: String,
    /// 1 if they may log in, else 0.
    pub enabled: i64,
    /// argon2 hash of the password, PHC form.
    pub password_hash: String,
    /// Wrong passwords in a row.
    pub failures: i64,
    /// Refused before this time, milliseconds since 1970; 0 if never locked.
    pub locked_until: i64,
    /// Tokens issued before this time are void, milliseconds since 1970.
    pub password_changed_at: i64,
    /// Made at, milliseconds since 1970.
    pub create_date: i64,
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRow")
            .field("id", &self.id)
            .field("domain_id", &self.domain_id)
            .finish_non_exhaustive()
    }
}

/// The columns that [`UserRow::read`] reads, in its order.
macro_rules! columns {
    () => {
        "u.id, u.domain_id, u.name, u.role, u.enabled, u.password_hash, u.failures, \
         u.locked_until, u.password_changed_at, u.create_date"
    };
}
pub(crate) use columns;

impl UserRow {
    /// Reads a user from the columns of a row that begin at `first`.
    pub(crate) fn read(row: &AnyRow, first: usize) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get(first)?,
            domain_id: row.try_get(first + 1)?,
            name: row.try_get(first + 2)?,
            role: row.try_get(first + 3)?,
            enabled: row.try_get(first + 4)?,
            password_hash: row.try_get(first + 5)?,
            failures: row.try_get(first + 6)?,
            locked_until: row.try_get(first + 7)?,
            password_changed_at: row.try_get(first + 8)?,
            create_date: row.try_get(first + 9)?,
        })
    }
}

impl sqlx::FromRow<'_, AnyRow> for UserRow {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Self::read(row, 0)
    }
}

impl Store {
    /// Adds a person.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is taken, [`StoreError::Changed`] if there is no such
    /// domain.
    pub async fn insert_user(&self, user: &UserRow) -> Result<(), StoreError> {
        let user = user.clone();
        self.change(move |connection| Box::pin(insert(connection, user)))
            .await
    }

    /// Replaces name, role, password and whether the person may log in; failures stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the person is gone, [`StoreError::Exists`] if the name is taken.
    pub async fn update_user(&self, user: &UserRow) -> Result<(), StoreError> {
        const ACT: &str = "change a user";
        let query = sqlx::query(
            "UPDATE users SET name = $2, role = $3, enabled = $4, password_hash = $5, \
             password_changed_at = $6 WHERE id = $1",
        )
        .bind(user.id.clone())
        .bind(user.name.clone())
        .bind(user.role.clone())
        .bind(user.enabled)
        .bind(user.password_hash.clone())
        .bind(user.password_changed_at);
        match self.run(ACT, query).await? {
            0 => Err(StoreError::Changed { act: ACT }),
            _ => Ok(()),
        }
    }

    /// Removes a person with all keys and tokens. Says whether there was one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_user(&self, id: &str) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM users WHERE id = $1").bind(id.to_owned());
        Ok(self.run("remove a user", query).await? == 1)
    }

    /// The people of a domain, by name.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn users(&self, domain_id: &str) -> Result<Vec<UserRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM users u WHERE u.domain_id = "
        ));
        sql.bind(domain_id).push(" ORDER BY u.name");
        sql.all(self.pool(), "list users").await
    }

    /// The person of a domain with this login name.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn user_by_name(
        &self,
        domain_id: &str,
        name: &str,
    ) -> Result<Option<UserRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM users u WHERE u.domain_id = "
        ));
        sql.bind(domain_id).push(" AND u.name = ").bind(name);
        sql.optional(self.pool(), "read a user").await
    }

    /// The person with this id, of whatever domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn user(&self, id: &str) -> Result<Option<UserRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM users u WHERE u.id = "
        ));
        sql.bind(id);
        sql.optional(self.pool(), "read a user").await
    }

    /// How many people there are in all domains; none before the first start is through.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn user_count(&self) -> Result<i64, StoreError> {
        Sql::new("SELECT COUNT(*) FROM users")
            .number(self.pool(), "count users")
            .await
    }

    /// Keeps the wrong passwords in a row of a person, and until when they lock: nothing is written
    /// if both are what they were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count_user_failures(
        &self,
        id: &str,
        (failures, locked_until): (i64, i64),
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE users SET failures = $2, locked_until = $3 \
             WHERE id = $1 AND (failures <> $2 OR locked_until <> $3)",
        )
        .bind(id.to_owned())
        .bind(failures)
        .bind(locked_until);
        self.run("count the failures of a user", query).await?;
        Ok(())
    }

    /// Counts one more wrong password. The one that makes it `max_failures` in a row locks until
    /// `locked_until` and begins a new row. Rivals are counted one by one, on all replicas.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_login_failure(
        &self,
        id: &str,
        max_failures: i64,
        locked_until: i64,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE users SET \
             locked_until = CASE WHEN failures + 1 >= $2 THEN $3 ELSE locked_until END, \
             failures = CASE WHEN failures + 1 >= $2 THEN 0 ELSE failures + 1 END WHERE id = $1",
        )
        .bind(id.to_owned())
        .bind(max_failures)
        .bind(locked_until);
        self.run("count a failure of a user", query).await?;
        Ok(())
    }

    /// Forgets the wrong passwords of a person who knew the right one; writes only if there are any.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_login_ok(&self, user: &UserRow) -> Result<(), StoreError> {
        match (user.failures, user.locked_until) {
            (0, 0) => Ok(()),
            _ => self.count_user_failures(&user.id, (0, 0)).await,
        }
    }
}

/// Adds a person.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    user: UserRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO users (id, domain_id, name, role, enabled, password_hash, failures, \
         locked_until, password_changed_at, create_date) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(user.id)
    .bind(user.domain_id)
    .bind(user.name)
    .bind(user.role)
    .bind(user.enabled)
    .bind(user.password_hash)
    .bind(user.failures)
    .bind(user.locked_until)
    .bind(user.password_changed_at)
    .bind(user.create_date)
    .execute(connection)
    .await
    .act("add a user")?;
    Ok(())
}
