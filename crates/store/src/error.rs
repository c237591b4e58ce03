//! What can go wrong with the database, by what a caller can do about it.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::error::{DatabaseError, ErrorKind};

/// Why the store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file of the database could not be made or opened.
    #[error("open {}; check the directory's owner and free space", path.display())]
    OpenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process serves from this database file.
    #[error("{} is in use by another control plane; stop that one first, or use PostgreSQL for several", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The database could not be connected to.
    #[error("connect to {database}; check that it runs and that its URL is right")]
    Connect {
        /// The database, without its password.
        database: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date.
    #[error("bring the tables up to date; the database may be of another version of Rehost")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// Somebody else changed or removed a row in between: read again and decide again.
    #[error("{act}: somebody else was faster")]
    Changed {
        /// What was being done.
        act: &'static str,
    },
    /// A row with this key exists already.
    #[error("{act}: it exists already")]
    Exists {
        /// What was being done.
        act: &'static str,
    },
    /// There is no space left for the database; nothing was changed.
    #[error("{act}: no space is left for the database; make room, nothing was changed")]
    Full {
        /// What was being done.
        act: &'static str,
        /// What the driver said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// A statement failed for a reason that no caller can mend.
    #[error("{act}")]
    Statement {
        /// What was being done.
        act: &'static str,
        /// What the driver said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The database is not what it should be.
    #[error("the database is damaged: {found}; restore a backup")]
    Damaged {
        /// What was found.
        found: String,
    },
    /// This kind of database is backed up by its own tools.
    #[error("back PostgreSQL up with pg_dump (and restore it with pg_restore)")]
    BackupByPgDump,
}

impl StoreError {
    /// Sorts a driver's error by what a caller can do about it.
    pub(crate) fn of(act: &'static str, source: sqlx::Error) -> Self {
        match source.as_database_error() {
            Some(error) if is_full(error) => Self::Full {
                act,
                source: Arc::new(source),
            },
            Some(error) if is_lost_race(error) => Self::Changed { act },
            Some(error) => match error.kind() {
                ErrorKind::UniqueViolation => Self::Exists { act },
                // The row that this one refers to, or that refers to this one, came or went.
                ErrorKind::ForeignKeyViolation => Self::Changed { act },
                _ => Self::Statement {
                    act,
                    source: Arc::new(source),
                },
            },
            None => Self::Statement {
                act,
                source: Arc::new(source),
            },
        }
    }

    /// The same failure for another caller whom it hits, too. Only failures of the database itself
    /// hit several; of others there is nothing to tell.
    pub(crate) fn shared(&self) -> Option<Self> {
        match self {
            Self::Full { act, source } => Some(Self::Full {
                act,
                source: Arc::clone(source),
            }),
            Self::Statement { act, source } => Some(Self::Statement {
                act,
                source: Arc::clone(source),
            }),
            _ => None,
        }
    }

    /// The store is closed.
    pub(crate) fn closed(act: &'static str) -> Self {
        Self::Statement {
            act,
            source: Arc::new(sqlx::Error::PoolClosed),
        }
    }
}

/// SQLite: `SQLITE_FULL`, and no space for its shared memory file. PostgreSQL: `disk_full`. The
/// codes of SQLite are numbers below five digits, those of PostgreSQL have five characters.
fn is_full(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("13" | "4874" | "53100"))
}

/// PostgreSQL: `serialization_failure`, `deadlock_detected`.
fn is_lost_race(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("40001" | "40P01"))
}

/// Names the act that a statement is part of.
pub(crate) trait Act<T> {
    /// Sorts a driver's error by what a caller can do about it.
    fn act(self, act: &'static str) -> Result<T, StoreError>;
}

impl<T> Act<T> for Result<T, sqlx::Error> {
    fn act(self, act: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::of(act, source))
    }
}
