//! What is told to those who wait: "look at this again".
//!
//! With PostgreSQL it goes to all replicas (`LISTEN`, `NOTIFY`), and with the commit of the
//! transaction that it is part of: a replica that dies has told of all that it has changed. A SQLite
//! file has one process, and there the writer tells as soon as a change is committed, whether or not
//! whoever asked for it is still there. A replica may be cut off from what it is told, and so whoever
//! waits looks now and then anyway.

use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::SQLITE;
use crate::url::{Database, PostgresUrl};

const CHANNEL: &str = "rehost";
const ACT: &str = "notify the other replicas";
/// How long to wait between attempts to listen again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Keys that wait to be heard within one process; whoever is behind by more looks at everything.
const MAX_WAITING: usize = 1024;

/// What another replica, or this one, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// What this key stands for is another now.
    Key(String),
    /// Some were lost; anything may be another now.
    Everything,
}

/// The notifications of all replicas, this one included.
#[derive(Debug)]
pub struct Notifications(Way);

#[derive(Debug)]
enum Way {
    /// From a PostgreSQL server.
    Server {
        url: PostgresUrl,
        /// Absent while the database is not listened to.
        listener: Option<PgListener>,
    },
    /// Within the one process that has a SQLite file.
    Process {
        keys: broadcast::Receiver<String>,
        begun: bool,
    },
}

/// The telling end within one process.
#[derive(Clone, Debug)]
pub(crate) struct News(broadcast::Sender<String>);

impl Default for News {
    fn default() -> Self {
        Self(broadcast::Sender::new(MAX_WAITING))
    }
}

impl News {
    /// Tells of a change that is committed.
    pub(crate) fn tell(&self, key: String) {
        // Perhaps nobody listens.
        let _ = self.0.send(key);
    }
}

impl Store {
    /// Tells all replicas that what `key` stands for (up to 1,000 characters) is another now, apart
    /// from any change. What sources and targets wait for is told by [`crate::Write::News`].
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn notify(&self, key: &str) -> Result<(), StoreError> {
        match self.shared.database {
            Database::Sqlite(_) => self.shared.news.tell(key.to_owned()),
            Database::Postgres(_) => {
                let mut connection = self.pool().acquire().await.act(ACT)?;
                tell(&mut connection, key.to_owned()).await?;
            }
        }
        Ok(())
    }

    /// What is told from now on.
    #[must_use]
    pub fn notifications(&self) -> Notifications {
        Notifications(match &self.shared.database {
            Database::Sqlite(_) => Way::Process {
                keys: self.shared.news.0.subscribe(),
                begun: false,
            },
            Database::Postgres(url) => Way::Server {
                url: url.clone(),
                listener: None,
            },
        })
    }
}

impl Notifications {
    /// Waits for the next one. The first is [`Notification::Everything`]: all that is told from then
    /// on is heard. May be dropped and called again.
    pub async fn next(&mut self) -> Notification {
        match &mut self.0 {
            Way::Server { url, listener } => from_server(url, listener).await,
            Way::Process {
                begun: begun @ false,
                ..
            } => {
                *begun = true;
                Notification::Everything
            }
            Way::Process { keys, .. } => match keys.recv().await {
                Ok(key) => Notification::Key(key),
                Err(RecvError::Lagged(_)) => Notification::Everything,
                // The store is gone, and nobody tells anything any more.
                Err(RecvError::Closed) => std::future::pending().await,
            },
        }
    }
}

async fn from_server(url: &PostgresUrl, place: &mut Option<PgListener>) -> Notification {
    loop {
        if let Some(listener) = place {
            match listener.try_recv().await {
                Ok(Some(told)) => return Notification::Key(told.payload().to_owned()),
                // The connection was lost, and is there again.
                Ok(None) => return Notification::Everything,
                Err(error) => {
                    tracing::warn!(?error, "the other replicas are not heard");
                    *place = None;
                }
            }
        }
        match listen(url).await {
            Ok(listener) => {
                *place = Some(listener);
                return Notification::Everything;
            }
            Err(_) => tokio::time::sleep(RETRY_AFTER).await,
        }
    }
}

/// Tells all replicas of PostgreSQL when the transaction of this connection is committed.
pub(crate) async fn tell(connection: &mut AnyConnection, key: String) -> Result<(), StoreError> {
    if connection.backend_name() != SQLITE {
        sqlx::query("SELECT CAST(pg_notify($1, $2) AS TEXT)")
            .bind(CHANNEL)
            .bind(key)
            .execute(connection)
            .await
            .act(ACT)?;
    }
    Ok(())
}

async fn listen(url: &PostgresUrl) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect(url.expose()).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
