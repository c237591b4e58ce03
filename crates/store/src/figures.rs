//! Figures of running tasks: what their agents tell, each of them every second or two.
//!
//! They make up nearly all changes, and nothing searches for them, so they have a way of their own: it
//! touches no index and no counter, and with SQLite all that wait for the next commit are written by
//! one statement.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use sqlx::AnyConnection;
use tokio::sync::oneshot;

use crate::database::Store;
use crate::error::StoreError;
use crate::recent::Recent;
use crate::sql::Sql;
use crate::tasks::TaskRow;
use crate::writer::Job;

const ACT: &str = "change the figures of a task";
/// Rows of one statement.
const ROWS_A_STATEMENT: usize = 64;

/// New figures of a task.
#[derive(Clone, Debug)]
pub struct TaskFigures {
    /// The task.
    pub task_id: String,
    /// Its source.
    pub source_id: String,
    /// The generation of the row that the figures were worked out from.
    pub generation: i64,
    /// JSON: subtasks.
    pub subtasks: String,
    /// JSON: figures of the last progress report.
    pub progress: String,
}

/// New figures of one task, on their way.
pub(crate) struct Figures {
    new: TaskFigures,
    recent: Arc<Recent>,
    tell: oneshot::Sender<Result<(), StoreError>>,
}

impl Figures {
    fn answer(self, written: Result<bool, StoreError>) {
        let made = matches!(written, Ok(true));
        let new = self.new;
        self.recent.tasks.changed(&new.source_id, |kept| {
            let follows =
                |kept: &TaskRow| kept.id == new.task_id && kept.generation == new.generation;
            let kept = kept.filter(|kept| made && follows(kept))?;
            Some(Some(Arc::new(TaskRow {
                subtasks: new.subtasks,
                progress: new.progress,
                generation: new.generation + 1,
                ..Arc::unwrap_or_clone(kept)
            })))
        });
        // A caller that went away meanwhile does not take its change back.
        let _ = self.tell.send(match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Changed { act: ACT }),
            Err(error) => Err(error),
        });
    }
}

impl Store {
    /// Replaces the subtasks and the progress of a task, and nothing else, if it still is of the
    /// generation of the figures.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not.
    pub async fn write_figures(&self, new: TaskFigures) -> Result<(), StoreError> {
        let writer = &self.shared.writer;
        let Some(queue) = writer.queue() else {
            let replaced = replace(&[&new]);
            let changed = replaced.all::<(String,)>(self.pool(), ACT).await?;
            return match changed.is_empty() {
                false => Ok(()),
                true => Err(StoreError::Changed { act: ACT }),
            };
        };
        let (tell, told) = oneshot::channel();
        let recent = Arc::clone(&self.shared.recent);
        let figures = Figures { new, recent, tell };
        queue
            .send(figures.into())
            .await
            .map_err(|_| StoreError::closed(ACT))?;
        told.await.unwrap_or_else(|_| Err(StoreError::closed(ACT)))
    }
}

/// Figures that are written together.
#[derive(Default)]
pub(crate) struct Batch {
    waiting: Vec<Figures>,
    written: Option<Result<HashSet<String>, StoreError>>,
}

impl Batch {
    pub(crate) fn add(&mut self, figures: Figures) {
        self.waiting.push(figures);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    async fn write(&self, connection: &mut AnyConnection) -> Result<HashSet<String>, StoreError> {
        // Of several for one task the first is written; the others were read before that.
        let mut tasks = HashSet::with_capacity(self.waiting.len());
        let rows = self.waiting.iter().map(|figures| &figures.new);
        let rows: Vec<_> = rows.filter(|row| tasks.insert(&row.task_id)).collect();
        let mut written = HashSet::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_A_STATEMENT) {
            let changed: Vec<(String,)> = replace(rows).all_within(connection, ACT).await?;
            written.extend(changed.into_iter().map(|(id,)| id));
        }
        Ok(written)
    }
}

impl Job for Batch {
    fn run<'c>(
        &'c mut self,
        connection: &'c mut AnyConnection,
    ) -> Pin<Box<dyn Future<Output = Option<StoreError>> + Send + 'c>> {
        Box::pin(async move {
            let written = self.write(connection).await;
            let doubt = written.as_ref().err().and_then(StoreError::shared);
            self.written = Some(written);
            doubt
        })
    }

    fn answer(self: Box<Self>, transaction: Result<(), StoreError>) {
        let shared = |error: &StoreError| {
            let shared = error.shared();
            Err(shared.unwrap_or_else(|| StoreError::closed(ACT)))
        };
        let mut written = match (self.written, &transaction) {
            (Some(Ok(written)), Ok(())) => Ok(written),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => shared(error).map(|()| HashSet::new()),
            (None, Ok(())) => Err(StoreError::closed(ACT)),
        };
        for figures in self.waiting {
            let own = match &mut written {
                Ok(written) => Ok(written.remove(&figures.new.task_id)),
                Err(error) => shared(error).map(|()| false),
            };
            figures.answer(own);
        }
    }
}

/// The statement that replaces the figures of all these tasks that are of the generation of their
/// rows, and names those that were. The number of rows is rounded up by repeating the last one, so
/// that few texts of statements have to be prepared and remembered.
fn replace(rows: &[&TaskFigures]) -> Sql {
    let mut sql = Sql::new("WITH new (id, generation, subtasks, progress) AS (VALUES ");
    let last = rows.last();
    for number in 0..rows.len().next_power_of_two() {
        let Some(row) = rows.get(number).or(last) else {
            continue;
        };
        sql.push(if number == 0 { "(" } else { ", (" });
        sql.bind(&row.task_id).push(", ").bind(row.generation);
        sql.push(", ").bind(&row.subtasks);
        sql.push(", ").bind(&row.progress).push(")");
    }
    sql.push(
        ") UPDATE tasks SET subtasks = new.subtasks, progress = new.progress, \
         generation = tasks.generation + 1 FROM new WHERE tasks.id = new.id \
         AND tasks.generation = new.generation RETURNING tasks.id",
    );
    sql
}
