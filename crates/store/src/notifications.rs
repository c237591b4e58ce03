//! What one replica tells the others: "look at this again".
//!
//! PostgreSQL carries it (`LISTEN`, `NOTIFY`). A SQLite file has one process, which knows everything
//! already. A notification is a hint and not a promise: whoever waits looks now and then anyway.

use std::time::Duration;

use sqlx::postgres::PgListener;

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::url::{Database, PostgresUrl};

const CHANNEL: &str = "rehost";
/// How long to wait between attempts to listen again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
pub struct Notifications {
    url: PostgresUrl,
    /// Absent while the database is not listened to.
    listener: Option<PgListener>,
}

impl Store {
    /// Tells all replicas that what `key` stands for (up to 1,000 characters) is another now.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn notify(&self, key: &str) -> Result<(), StoreError> {
        if let Database::Postgres(_) = self.shared.database {
            sqlx::query("SELECT CAST(pg_notify($1, $2) AS TEXT)")
                .bind(CHANNEL.to_owned())
                .bind(key.to_owned())
                .execute(self.pool())
                .await
                .act("notify the other replicas")?;
        }
        Ok(())
    }

    /// What replicas tell each other; none with SQLite, where there are no others.
    #[must_use]
    pub fn notifications(&self) -> Option<Notifications> {
        match &self.shared.database {
            Database::Sqlite(_) => None,
            Database::Postgres(url) => Some(Notifications {
                url: url.clone(),
                listener: None,
            }),
        }
    }
}

impl Notifications {
    /// Waits for the next one. The first is [`Notification::Everything`]: all that is told from then
    /// on is heard. May be dropped and called again.
    pub async fn next(&mut self) -> Notification {
        loop {
            if let Some(listener) = &mut self.listener {
                match listener.try_recv().await {
                    Ok(Some(told)) => return Notification::Key(told.payload().to_owned()),
                    // The connection was lost, and is there again.
                    Ok(None) => return Notification::Everything,
                    Err(error) => {
                        tracing::warn!(?error, "the other replicas are not heard");
                        self.listener = None;
                    }
                }
            }
            match listen(&self.url).await {
                Ok(listener) => {
                    self.listener = Some(listener);
                    return Notification::Everything;
                }
                Err(_) => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
    }
}

async fn listen(url: &PostgresUrl) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect(url.expose()).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
