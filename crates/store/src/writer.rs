//! How changes get into the database.
//!
//! SQLite has one writer at a time, and a durable commit waits for the disk. So there is one
//! connection for writing, and a task that owns it: it takes the jobs that are waiting, runs them in
//! one transaction, commits once, and only then answers all of them (group commit). A thousand
//! progress reports a second cost some dozen flushes of the disk, and still none is answered before
//! it is durable. A job of several statements runs within a savepoint, so one that fails takes back
//! its own statements and no others.
//!
//! PostgreSQL does all that itself: there every job is a transaction of its own, on any connection.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Act as _, StoreError};
use crate::figures::{Batch, Figures};

/// Jobs that wait at most; more callers wait for a place.
const MAX_WAITING: usize = 1024;
/// Jobs of one transaction at most, so that the first of them does not wait long for the last.
const MAX_BATCH: usize = 256;

/// What a job does with its connection.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// The way in for changes.
#[derive(Clone, Debug)]
pub(crate) enum Writer {
    /// SQLite: the queue of the writing task.
    Queue(mpsc::Sender<Message>),
    /// PostgreSQL: a connection for each job.
    Pool(AnyPool),
}

/// What the writing task is told.
pub(crate) enum Message {
    Run(Box<dyn Job>),
    Figures(Box<Figures>),
    Close(oneshot::Sender<()>),
}

impl From<Figures> for Message {
    fn from(figures: Figures) -> Self {
        Self::Figures(Box::new(figures))
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Run(_) => "Run",
            Self::Figures(_) => "Figures",
            Self::Close(_) => "Close",
        })
    }
}

impl Writer {
    /// Starts the writing task of a SQLite database.
    pub(crate) fn start(connection: AnyConnection) -> Self {
        let (jobs, queue) = mpsc::channel(MAX_WAITING);
        tokio::spawn(write_all(connection, queue));
        Self::Queue(jobs)
    }

    /// The queue of the writing task, if there is one.
    pub(crate) fn queue(&self) -> Option<&mpsc::Sender<Message>> {
        match self {
            Self::Queue(jobs) => Some(jobs),
            Self::Pool(_) => None,
        }
    }

    /// Runs one statement durably: how many rows it changed. With SQLite, `after` hears it after the
    /// commit and before the caller.
    pub(crate) async fn run(
        &self,
        act: &'static str,
        query: Query<'static, Any, AnyArguments>,
        after: impl FnOnce(&Result<u64, StoreError>) + Send + 'static,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Pool(pool) => Ok(query.execute(pool).await.act(act)?.rows_affected()),
            Self::Queue(jobs) => {
                enqueue(
                    jobs,
                    move |connection| {
                        Box::pin(async move {
                            Ok(query.execute(connection).await.act(act)?.rows_affected())
                        })
                    },
                    after,
                    false,
                )
                .await
            }
        }
    }

    /// Runs a job durably: all of it or nothing. With SQLite, `after` hears how it ended, after the
    /// commit and before the caller.
    pub(crate) async fn change<T, J, A>(&self, job: J, after: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        J: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
        A: FnOnce(&Result<T, StoreError>) + Send + 'static,
    {
        match self {
            Self::Pool(pool) => {
                let mut transaction = pool.begin().await.act("begin a change")?;
                match job(&mut transaction).await {
                    Ok(value) => {
                        transaction.commit().await.act("commit a change")?;
                        Ok(value)
                    }
                    Err(error) => {
                        // Whether or not this gets through, the server forgets what is not committed.
                        let _ = transaction.rollback().await;
                        Err(error)
                    }
                }
            }
            Self::Queue(jobs) => enqueue(jobs, job, after, true).await,
        }
    }

    /// Lets the jobs that wait run, and closes the connection.
    pub(crate) async fn close(&self) {
        if let Self::Queue(jobs) = self {
            let (tell, told) = oneshot::channel();
            if jobs.send(Message::Close(tell)).await.is_ok() {
                let _ = told.await;
            }
        }
    }
}

async fn enqueue<T, J, A>(
    jobs: &mpsc::Sender<Message>,
    job: J,
    after: A,
    several: bool,
) -> Result<T, StoreError>
where
    T: Send + 'static,
    J: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    A: FnOnce(&Result<T, StoreError>) + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let waiting = Waiting {
        job: Some(job),
        after,
        result: None,
        several,
        tell,
    };
    jobs.send(Message::Run(Box::new(waiting)))
        .await
        .map_err(|_| StoreError::closed("make a change"))?;
    told.await
        .unwrap_or_else(|_| Err(StoreError::closed("make a change")))
}

/// A job in the queue.
pub(crate) trait Job: Send {
    /// Runs it within the transaction at hand. A failure of the database itself is answered, because
    /// it may have ended the transaction.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut AnyConnection,
    ) -> Pin<Box<dyn Future<Output = Option<StoreError>> + Send + 'c>>;

    /// Tells the caller how it ended: by its own failure, or as its transaction did.
    fn answer(self: Box<Self>, transaction: Result<(), StoreError>);
}

struct Waiting<T, J, A> {
    job: Option<J>,
    after: A,
    result: Option<Result<T, StoreError>>,
    several: bool,
    tell: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, J, A> Job for Waiting<T, J, A>
where
    T: Send + 'static,
    J: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    A: FnOnce(&Result<T, StoreError>) + Send + 'static,
{
    fn run<'c>(
        &'c mut self,
        connection: &'c mut AnyConnection,
    ) -> Pin<Box<dyn Future<Output = Option<StoreError>> + Send + 'c>> {
        Box::pin(async move {
            let job = self.job.take()?;
            let result = if self.several {
                within_savepoint(connection, job).await
            } else {
                job(connection).await
            };
            let doubt = result.as_ref().err().and_then(StoreError::shared);
            self.result = Some(result);
            doubt
        })
    }

    fn answer(self: Box<Self>, transaction: Result<(), StoreError>) {
        let result = match (self.result, transaction) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error),
            (Some(result), Ok(())) => result,
            (None, Ok(())) => Err(StoreError::closed("make a change")),
        };
        (self.after)(&result);
        // A caller that went away meanwhile does not take its change back.
        let _ = self.tell.send(result);
    }
}

async fn within_savepoint<T, J>(connection: &mut AnyConnection, job: J) -> Result<T, StoreError>
where
    J: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T>,
{
    statement(connection, "SAVEPOINT job").await?;
    match job(connection).await {
        Ok(value) => {
            statement(connection, "RELEASE job").await?;
            Ok(value)
        }
        Err(error) => {
            // If the transaction is over, so is the savepoint; that is found out afterwards.
            let _ = statement(connection, "ROLLBACK TO job").await;
            let _ = statement(connection, "RELEASE job").await;
            Err(error)
        }
    }
}

async fn statement(connection: &mut AnyConnection, text: &'static str) -> Result<(), StoreError> {
    let done = sqlx::query(text).execute(connection).await;
    done.act("commit a change").map(|_| ())
}

/// The writing task.
async fn write_all(mut connection: AnyConnection, mut queue: mpsc::Receiver<Message>) {
    let mut messages = Vec::with_capacity(MAX_BATCH);
    while queue.recv_many(&mut messages, MAX_BATCH).await > 0 {
        let mut jobs = VecDeque::with_capacity(messages.len());
        let mut batch = Box::<Batch>::default();
        let mut closing = None;
        for message in messages.drain(..) {
            match message {
                Message::Run(job) => jobs.push_back(job),
                Message::Figures(figures) => batch.add(*figures),
                Message::Close(tell) => closing = Some(tell),
            }
        }
        if !batch.is_empty() {
            jobs.push_back(batch);
        }
        while !jobs.is_empty() {
            transaction(&mut connection, &mut jobs).await;
        }
        if let Some(tell) = closing {
            let _ = connection.close().await;
            let _ = tell.send(());
            return;
        }
    }
    let _ = connection.close().await;
}

/// Runs jobs in one transaction and answers them. Jobs stay behind if the transaction ended early.
async fn transaction(connection: &mut AnyConnection, jobs: &mut VecDeque<Box<dyn Job>>) {
    if let Err(error) = begin(connection).await {
        let _ = statement(connection, "ROLLBACK").await;
        answer(jobs.drain(..), &error);
        return;
    }
    let mut ran = Vec::with_capacity(jobs.len());
    while let Some(mut job) = jobs.pop_front() {
        let doubt = job.run(connection).await;
        ran.push(job);
        if let Some(error) = doubt
            && !still_open(connection).await
        {
            // SQLite took everything back, as it may when the disk is full or broken.
            let _ = statement(connection, "ROLLBACK").await;
            answer(ran, &error);
            return;
        }
    }
    match statement(connection, "COMMIT").await {
        Ok(()) => ran.into_iter().for_each(|job| job.answer(Ok(()))),
        Err(error) => {
            let _ = statement(connection, "ROLLBACK").await;
            answer(ran, &error);
        }
    }
}

async fn begin(connection: &mut AnyConnection) -> Result<(), StoreError> {
    statement(connection, "BEGIN IMMEDIATE").await?;
    statement(connection, "SAVEPOINT batch").await
}

/// Whether the transaction still is the one that was begun: only then its mark is there.
async fn still_open(connection: &mut AnyConnection) -> bool {
    statement(connection, "RELEASE batch").await.is_ok()
        && statement(connection, "SAVEPOINT batch").await.is_ok()
}

fn answer(jobs: impl IntoIterator<Item = Box<dyn Job>>, error: &StoreError) {
    for job in jobs {
        let shared = error.shared();
        job.answer(Err(
            shared.unwrap_or_else(|| StoreError::closed("commit a change"))
        ));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Database, Store, StoreError};

    /// Bytes that fill the database of the test.
    const BIG: i64 = 400_000;

    async fn put(store: &Store, name: &'static str, size_bytes: i64) -> Result<u64, StoreError> {
        let query =
            sqlx::query("INSERT INTO settings (name, value) VALUES ($1, hex(zeroblob($2)))")
                .bind(name)
                .bind(size_bytes);
        store.run("keep a setting", query).await
    }

    async fn limit_pages(store: &Store, pages: &'static str) -> Result<(), StoreError> {
        store.run("limit the database", sqlx::query(pages)).await?;
        Ok(())
    }

    #[tokio::test]
    async fn a_full_disk_fails_those_it_hits_and_the_writer_goes_on()
    -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let database = Database::Sqlite(directory.path().join("rehost.db"));
        let store = Store::open(&database).await?;
        limit_pages(&store, "PRAGMA max_page_count = 120").await?;
        let (small, big, later) = tokio::join!(
            put(&store, "small", 1),
            put(&store, "big", BIG),
            put(&store, "later", 1)
        );
        assert!(matches!(big, Err(StoreError::Full { .. })), "{big:?}");
        // Whether SQLite took the whole transaction back or one statement: what was answered is true.
        for (name, done) in [("small", small), ("later", later)] {
            let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM settings WHERE name = $1")
                .bind(name)
                .fetch_one(store.pool())
                .await?;
            assert_eq!(u64::from(done.is_ok()), u64::try_from(kept)?);
        }
        limit_pages(&store, "PRAGMA max_page_count = 100000").await?;
        put(&store, "big", BIG).await?;
        store.check().await?;
        store.close().await;
        Ok(())
    }
}
