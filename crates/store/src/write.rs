//! Several changes in one transaction, all or none of them.

use std::sync::Arc;

use sqlx::AnyConnection;

use crate::counters::Counted;
use crate::database::Store;
use crate::error::StoreError;
use crate::notifications;
use crate::recent::{Follows as _, Recent};
use crate::sources::{self, SourceRow};
use crate::targets;
use crate::tasks::{self, TaskRow};

/// One change of a set that belongs together. Rows are replaced or removed only if they still are of
/// the generation that they were read with.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    /// Add a source; [`SourceRow::generation`] becomes 1.
    InsertSource(&'a SourceRow),
    /// Replace a source.
    UpdateSource(&'a SourceRow),
    /// Remove a source.
    DeleteSource(&'a SourceRow),
    /// Add a task with the JSON of its certificates.
    InsertTask(&'a TaskRow, &'a str),
    /// Replace a task.
    UpdateTask(&'a TaskRow),
    /// Remove a task and all that hangs on it.
    DeleteTask(&'a TaskRow),
    /// The list of tasks of the target with this id is another one now. With a generation, only if
    /// the target still is of it: what was decided depends on its other tasks.
    TargetChanged(&'a str, Option<i64>),
    /// Whoever waits at any replica for news of this source or target (see
    /// [`crate::Notification::Key`]) shall look again, once all of this is made.
    News(&'a str),
}

/// A [`Write`] that can wait in the writer's queue.
#[derive(Clone)]
enum Change {
    InsertSource(SourceRow),
    UpdateSource(SourceRow),
    DeleteSource(SourceRow),
    InsertTask(TaskRow, String),
    UpdateTask(TaskRow),
    DeleteTask(TaskRow),
    TargetChanged(String, Option<i64>),
    News(String),
}

impl From<&Write<'_>> for Change {
    fn from(write: &Write<'_>) -> Self {
        match *write {
            Write::InsertSource(row) => Self::InsertSource(row.clone()),
            Write::UpdateSource(row) => Self::UpdateSource(row.clone()),
            Write::DeleteSource(row) => Self::DeleteSource(row.clone()),
            Write::InsertTask(row, certificates) => {
                Self::InsertTask(row.clone(), certificates.to_owned())
            }
            Write::UpdateTask(row) => Self::UpdateTask(row.clone()),
            Write::DeleteTask(row) => Self::DeleteTask(row.clone()),
            Write::TargetChanged(id, seen) => Self::TargetChanged(id.to_owned(), seen),
            Write::News(id) => Self::News(id.to_owned()),
        }
    }
}

impl Change {
    /// What rows in memory have to know once it is made, or is not.
    fn noted(self, recent: &Recent, made: bool) {
        if let Some(directory) = recent.directory.as_ref().filter(|_| made) {
            match &self {
                Self::InsertSource(row) | Self::UpdateSource(row) => directory.put(row.into()),
                Self::DeleteSource(row) => directory.remove(row),
                _ => {}
            }
        }
        match self {
            Self::UpdateSource(row) if made => {
                let id = row.id.clone();
                let after = |before: Arc<SourceRow>| row.after(&before).map(Arc::new);
                recent.sources.changed(&id, after);
            }
            Self::InsertSource(row) | Self::UpdateSource(row) | Self::DeleteSource(row) => {
                recent.sources.forget(&row.id);
                recent.tasks.forget(&row.id);
            }
            Self::UpdateTask(row) if made => {
                let source_id = row.source_id.clone();
                let after = |before: Option<Arc<TaskRow>>| {
                    let after = row.after(&*before?)?;
                    Some(Some(Arc::new(after)))
                };
                recent.tasks.changed(&source_id, after);
            }
            Self::InsertTask(row, _) | Self::UpdateTask(row) | Self::DeleteTask(row) => {
                recent.tasks.forget(&row.source_id);
                recent.windows.forget(&row.id);
            }
            Self::TargetChanged(..) | Self::News(_) => {}
        }
    }

    async fn make(
        self,
        connection: &mut AnyConnection,
        counted: &mut Counted,
    ) -> Result<(), StoreError> {
        let (done, act) = match self {
            Self::InsertSource(row) => {
                sources::insert(connection, row, counted).await?;
                return Ok(());
            }
            Self::UpdateSource(row) => (
                sources::update(connection, row, counted).await?,
                "change a source",
            ),
            Self::DeleteSource(row) => (
                sources::delete(connection, row, counted).await?,
                "remove a source",
            ),
            Self::InsertTask(row, certificates) => {
                tasks::insert(connection, row, certificates, counted).await?;
                return Ok(());
            }
            Self::UpdateTask(row) => (
                tasks::update(connection, row, counted).await?,
                "change a task",
            ),
            Self::DeleteTask(row) => (
                tasks::delete(connection, row, counted).await?,
                "remove a task",
            ),
            Self::TargetChanged(id, seen) => (
                targets::changed(connection, id, seen).await?,
                "tell a target of a change",
            ),
            Self::News(id) => return notifications::tell(connection, id).await,
        };
        if done {
            Ok(())
        } else {
            Err(StoreError::Changed { act })
        }
    }
}

impl Store {
    /// Makes all the changes, or none.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if one of the rows is not what it was, [`StoreError::Exists`] if a
    /// task to be added is not the only one of its source, or the id or owner of a source to be added
    /// is taken; nothing has changed then.
    pub async fn write(&self, changes: &[Write<'_>]) -> Result<(), StoreError> {
        let changes: Vec<_> = changes.iter().map(Change::from).collect();
        let (recent, news) = (Arc::clone(&self.shared.recent), self.shared.news.clone());
        let of_rows = changes.clone();
        let after = move |done: &Result<(), StoreError>| {
            for change in of_rows {
                match change {
                    Change::News(id) if done.is_ok() => news.tell(id),
                    change => change.noted(&recent, done.is_ok()),
                }
            }
        };
        self.change_then(
            move |connection| {
                Box::pin(async move {
                    let mut counted = Counted::default();
                    for change in changes {
                        change.make(connection, &mut counted).await?;
                    }
                    counted.write(connection).await
                })
            },
            after,
        )
        .await
    }
}
