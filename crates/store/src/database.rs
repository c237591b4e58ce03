//! Opening the database: file or server, connections, tables.

use std::sync::{Arc, Weak};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions, AnyQueryResult};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions as _};
use tokio::task::JoinHandle;

use crate::error::{Act as _, StoreError};
use crate::lock::FileLock;
use crate::notifications::News;
use crate::recent::Recent;
use crate::url::Database;
use crate::visits::Visits;
use crate::writer::{Work, Writer};

/// Connections of a replica to PostgreSQL; a server permits 100 in all unless it is told otherwise.
const MAX_POSTGRES_CONNECTIONS: u32 = 16;
/// Connections that read from SQLite; beside them there is one that writes.
const MAX_SQLITE_READERS: u32 = 8;
/// How long to wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Run on every connection to SQLite.
///
/// `synchronous = FULL` rather than NORMAL: in WAL mode NORMAL may lose the last commits in a power
/// cut, and an answer of 200 is a promise to agents (a join token is used up, a cut-over is
/// recorded). Group commit makes one `fsync` serve many of them.
///
/// `wal_autocheckpoint`: the log may grow to 32 MiB before it is copied into the file, because rows
/// of running tasks are written again and again and only the last version of a page is copied.
const SQLITE_CONNECTION: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 8192;";
/// Run on connections that only read, so that no change can get past the writer.
const SQLITE_READER: &str = "PRAGMA query_only = ON;";

/// How a store works.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// How often heart-beats that were noted in memory are written.
    pub flush_interval: Duration,
    /// Whether a SQLite file is refused if another store has it open. Only tools that work beside a
    /// running control plane (a backup) say no.
    pub exclusive: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_secs(1),
            exclusive: true,
        }
    }
}

/// The database of a control plane. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) database: Database,
    /// Connections for reading; with PostgreSQL for writing, too.
    pub(crate) pool: AnyPool,
    pub(crate) writer: Writer,
    pub(crate) visits: Visits,
    pub(crate) recent: Arc<Recent>,
    pub(crate) news: News,
    lock: Option<FileLock>,
    flusher: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the database, makes it if it is a file that does not exist (mode 0600), and brings its
    /// tables up to date. Any number of replicas may do that to one PostgreSQL at the same time.
    ///
    /// # Errors
    /// [`StoreError::OpenFile`], [`StoreError::InUse`], [`StoreError::Connect`] or
    /// [`StoreError::Migrate`].
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        Self::open_with(database, StoreOptions::default()).await
    }

    /// As [`Store::open`], with other options.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(database: &Database, options: StoreOptions) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (lock, pool, writer) = match database {
            Database::Sqlite(path) => {
                let lock = match options.exclusive {
                    true => Some(FileLock::take(path)?),
                    false => None,
                };
                crate::lock::create_private(path)?;
                let mut connection = connect(database).await?;
                execute(&mut connection, SQLITE_CONNECTION)
                    .await
                    .act("set a connection up")?;
                migrate(&mut connection).await?;
                let pool = pool(database, MAX_SQLITE_READERS).await?;
                (lock, pool, Writer::start(connection))
            }
            Database::Postgres(_) => {
                let mut connection = connect(database).await?;
                migrate(&mut connection).await?;
                let pool = pool(database, MAX_POSTGRES_CONNECTIONS).await?;
                (None, pool.clone(), Writer::Pool(pool))
            }
        };
        // A second store beside the one that has the lock does not know what that one changes.
        let keeps_rows = lock.is_some();
        let shared = Arc::new(Shared {
            database: database.clone(),
            pool,
            writer,
            visits: Visits::default(),
            recent: Arc::new(Recent::new(keeps_rows)),
            news: News::default(),
            lock,
            flusher: std::sync::Mutex::new(None),
        });
        Self {
            shared: Arc::clone(&shared),
        }
        .fill_directory()
        .await?;
        let flusher = tokio::spawn(flush_regularly(
            Arc::downgrade(&shared),
            options.flush_interval,
        ));
        if let Ok(mut place) = shared.flusher.lock() {
            *place = Some(flusher);
        }
        Ok(Self { shared })
    }

    /// Writes what is only in memory, waits for the changes under way, and closes all connections.
    pub async fn close(&self) {
        let flusher = self
            .shared
            .flusher
            .lock()
            .ok()
            .and_then(|mut place| place.take());
        if let Some(flusher) = flusher {
            flusher.abort();
        }
        if let Err(error) = self.flush_visits().await {
            tracing::warn!(?error, "the last heart-beats could not be written");
        }
        self.shared.writer.close().await;
        self.shared.pool.close().await;
        if let Some(lock) = &self.shared.lock {
            lock.release();
        }
    }

    /// Connections for reading.
    pub(crate) fn pool(&self) -> &AnyPool {
        &self.shared.pool
    }

    /// Runs one statement durably: how many rows it changed.
    pub(crate) async fn run(
        &self,
        act: &'static str,
        query: Query<'static, Any, AnyArguments>,
    ) -> Result<u64, StoreError> {
        self.shared.writer.run(act, query, |_| {}).await
    }

    /// Runs several statements durably: all of them or none.
    pub(crate) async fn change<T, J>(&self, job: J) -> Result<T, StoreError>
    where
        T: Send + 'static,
        J: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    {
        self.shared.writer.change(job, |_| {}).await
    }

    /// As [`Store::change`]; `after` hears how it ended, after the commit and before the caller, even
    /// if the caller is gone.
    pub(crate) async fn change_then<T, J, A>(&self, job: J, after: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        J: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
        A: FnOnce(&Result<T, StoreError>) + Send + 'static,
    {
        self.shared.writer.change(job, after).await
    }
}

/// A connection of its own.
pub(crate) async fn connect(database: &Database) -> Result<AnyConnection, StoreError> {
    driver_options(database)?
        .connect()
        .await
        .map_err(|source| refused(database, source))
}

async fn pool(database: &Database, max_connections: u32) -> Result<AnyPool, StoreError> {
    let reads_only = matches!(database, Database::Sqlite(_));
    AnyPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if reads_only {
                    execute(connection, SQLITE_CONNECTION).await?;
                    execute(connection, SQLITE_READER).await?;
                }
                Ok(())
            })
        })
        .connect_with(driver_options(database)?)
        .await
        .map_err(|source| refused(database, source))
}

fn driver_options(database: &Database) -> Result<AnyConnectOptions, StoreError> {
    let url = database.driver_url();
    url.expose_secret()
        .parse()
        .map_err(|source| refused(database, source))
}

fn refused(database: &Database, source: sqlx::Error) -> StoreError {
    StoreError::Connect {
        database: database.to_string(),
        source,
    }
}

async fn execute(
    connection: &mut AnyConnection,
    statements: &'static str,
) -> Result<AnyQueryResult, sqlx::Error> {
    sqlx::raw_sql(statements).execute(connection).await
}

/// With PostgreSQL under a lock of the database, so that of several replicas one does it.
async fn migrate(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::migrate!("./migrations")
        .run_direct(None, connection, false)
        .await
        .map_err(StoreError::Migrate)
}

/// Writes heart-beats for as long as anybody has the store.
async fn flush_regularly(shared: Weak<Shared>, interval: Duration) {
    let mut failed = false;
    loop {
        tokio::time::sleep(interval).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let flushed = Store { shared }.flush_visits().await;
        // Said once and not every second.
        if let Err(error) = &flushed
            && !failed
        {
            tracing::warn!(?error, "heart-beats could not be written; they are kept");
        }
        failed = flushed.is_err();
    }
}
