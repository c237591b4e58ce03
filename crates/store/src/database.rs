//! Opening the database: file, mode, connections, tables.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;

use crate::error::StoreError;

/// SQLite serialises writers anyway; readers profit from a few connections.
const MAX_CONNECTIONS: u32 = 8;

/// Run on every connection.
///
/// `synchronous = FULL` rather than NORMAL: in WAL mode NORMAL may lose the last commits in a power
/// cut. An answer of 200 is a promise to agents (a join token is used up, a cut-over is recorded),
/// and the control plane commits a few times a second at most, so one `fsync` a commit costs nothing
/// that matters.
const SQLITE_CONNECTION: &str = "PRAGMA busy_timeout = 10000; \
     PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// The database of a control plane. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: AnyPool,
}

impl Store {
    /// Opens the SQLite database at `path`, makes it (mode 0600) if there is none, and brings its
    /// tables up to date.
    ///
    /// The file holds access keys and the passphrases of task keys, hence its mode; SQLite gives
    /// the files beside it (`-wal`, `-shm`) the same one.
    ///
    /// # Errors
    /// [`StoreError::OpenFile`], [`StoreError::Connect`] or [`StoreError::Migrate`].
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        create_private(path).map_err(|source| StoreError::OpenFile {
            path: path.to_path_buf(),
            source,
        })?;
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(SQLITE_CONNECTION).execute(connection).await?;
                    Ok(())
                })
            })
            .connect(&sqlite_url(path))
            .await
            .map_err(|source| StoreError::Connect {
                path: path.to_path_buf(),
                source,
            })?;
        sqlx::migrate!("./migrations")
            .run(&pool)
            .await
            .map_err(StoreError::Migrate)?;
        Ok(Self { pool })
    }

    /// Closes all connections once their statements are through.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// The URL of a file, with everything escaped that means something in a URL.
fn sqlite_url(path: &Path) -> String {
    let mut url = String::from("sqlite:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}
