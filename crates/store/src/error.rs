//! What can go wrong with the database, by what a caller can do about it.

use std::path::PathBuf;

use sqlx::error::ErrorKind;

/// Why the store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file could not be made or opened.
    #[error("open the database {}; check the directory's owner and free space", path.display())]
    OpenFile {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The database could not be connected to.
    #[error("connect to the database {}", path.display())]
    Connect {
        /// The database file.
        path: PathBuf,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date.
    #[error("bring the tables up to date; the database may be of a newer version of Rehost")]
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
    /// A statement failed for a reason that no caller can mend.
    #[error("{act}")]
    Statement {
        /// What was being done.
        act: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
}

/// Names the act that a statement is part of.
pub(crate) trait Act<T> {
    /// Sorts a driver's error by what a caller can do about it.
    fn act(self, act: &'static str) -> Result<T, StoreError>;
}

impl<T> Act<T> for Result<T, sqlx::Error> {
    fn act(self, act: &'static str) -> Result<T, StoreError> {
        self.map_err(
            |source| match source.as_database_error().map(|error| error.kind()) {
                Some(ErrorKind::UniqueViolation) => StoreError::Exists { act },
                // The row that this one refers to, or that refers to this one, came or went meanwhile.
                Some(ErrorKind::ForeignKeyViolation) => StoreError::Changed { act },
                _ => StoreError::Statement { act, source },
            },
        )
    }
}
