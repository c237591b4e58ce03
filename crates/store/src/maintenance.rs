//! Looking after a database: backup, check, and whether it answers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::any::AnyRow;
use sqlx::{AnyPool, FromRow};

use crate::database::{Store, connect};
use crate::error::{Act as _, StoreError};
use crate::lock::create_private;
use crate::sql::Sql;
use crate::url::Database;

impl Store {
    /// The version of the database, such as `SQLite 3.50.2` or `PostgreSQL 15.13`; asked of the
    /// database each time, so that an answer means that it works.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn server_version(&self) -> Result<String, StoreError> {
        let (product, text) = match self.shared.database {
            Database::Sqlite(_) => ("SQLite", "SELECT sqlite_version()"),
            Database::Postgres(_) => (
                "PostgreSQL",
                "SELECT split_part(current_setting('server_version'), ' ', 1)",
            ),
        };
        let version: String = sqlx::query_scalar(text)
            .fetch_one(self.pool())
            .await
            .act("ask for the version of the database")?;
        Ok(format!("{product} {version}"))
    }

    /// Writes a copy of the database, as it is at this moment, to a file that only its owner can read
    /// (mode 0600). The file is there when it is complete and not before. SQLite alone.
    ///
    /// # Errors
    /// [`StoreError::BackupByPgDump`] with PostgreSQL, [`StoreError::OpenFile`] if the file cannot be
    /// made, [`StoreError::Full`] if there is no space.
    pub async fn backup_to(&self, path: &Path) -> Result<(), StoreError> {
        const ACT: &str = "back the database up";
        if let Database::Postgres(_) = self.shared.database {
            return Err(StoreError::BackupByPgDump);
        }
        self.flush_visits().await?;
        let mut aside = path.as_os_str().to_owned();
        aside.push(".new");
        let aside = PathBuf::from(aside);
        let failed = |source| StoreError::OpenFile {
            path: aside.clone(),
            source,
        };
        // One that was left behind by a crash is worth nothing. SQLite fills an empty file, so that
        // the copy is private from its first byte.
        match std::fs::remove_file(&aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let file = create_private(&aside)?;
        // The connections of the pool may not write anything, not even another file.
        let mut connection = connect(&self.shared.database).await?;
        let copied = sqlx::query("VACUUM INTO $1")
            .bind(aside.to_string_lossy().into_owned())
            .execute(&mut connection)
            .await
            .act(ACT);
        let complete = || {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            file.sync_all()?;
            std::fs::rename(&aside, path)?;
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            std::fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
        };
        let done = copied.map(|_| ()).and_then(|()| complete().map_err(failed));
        if done.is_err() {
            let _ = std::fs::remove_file(&aside);
        }
        done
    }

    /// Checks that the database is whole: its pages and references (SQLite; PostgreSQL holds them
    /// itself), and that what is kept twice is the same twice.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] says what is wrong.
    pub async fn check(&self) -> Result<(), StoreError> {
        let pool = self.pool();
        if let Database::Sqlite(_) = self.shared.database {
            let found: Vec<(String,)> = all(pool, "PRAGMA integrity_check").await?;
            if let Some((found,)) = found.into_iter().find(|(found,)| found != "ok") {
                return Err(StoreError::Damaged { found });
            }
            let found: Vec<(String,)> =
                all(pool, "SELECT \"table\" FROM pragma_foreign_key_check").await?;
            if let Some((table,)) = found.into_iter().next() {
                let found = format!("a row of {table} refers to nothing");
                return Err(StoreError::Damaged { found });
            }
        }
        // One statement each, so that counters and rows are of the same moment.
        for (kind, text) in [("sources", COUNTED_SOURCES), ("tasks", COUNTED_TASKS)] {
            let found: Vec<(String, String, i64, i64)> = all(pool, text).await?;
            if let Some((domain, state, counted, number)) = found.into_iter().next() {
                let found = format!(
                    "{number} {kind} of domain {domain} are {state}, and counted are {counted}"
                );
                return Err(StoreError::Damaged { found });
            }
        }
        let without_visit: Vec<(String,)> = all(
            pool,
            "SELECT s.id FROM sources s LEFT JOIN source_visits v ON v.source_id = s.id \
             WHERE v.source_id IS NULL LIMIT 1",
        )
        .await?;
        if let Some((id,)) = without_visit.into_iter().next() {
            let found = format!("source {id} has no time of its last visit");
            return Err(StoreError::Damaged { found });
        }
        Ok(())
    }
}

macro_rules! compare_counters {
    ($table:literal, $kind:literal) => {
        concat!(
            "SELECT compared.domain_id, compared.state, CAST(SUM(compared.counted) AS BIGINT), \
             CAST(SUM(compared.number) AS BIGINT) FROM (SELECT domain_id, state, number AS counted, \
             0 AS number FROM counters WHERE kind = '",
            $kind,
            "' UNION ALL SELECT domain_id, state, 0 AS counted, COUNT(*) AS number FROM ",
            $table,
            " GROUP BY domain_id, state) AS compared GROUP BY compared.domain_id, compared.state \
             HAVING SUM(compared.counted) <> SUM(compared.number) LIMIT 1"
        )
    };
}
const COUNTED_SOURCES: &str = compare_counters!("sources", "source");
const COUNTED_TASKS: &str = compare_counters!("tasks", "task");

async fn all<T>(pool: &AnyPool, text: &'static str) -> Result<Vec<T>, StoreError>
where
    T: for<'r> FromRow<'r, AnyRow> + Send + Unpin,
{
    Sql::new(text).all(pool, "check the database").await
}
