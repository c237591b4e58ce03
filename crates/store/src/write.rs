//! Several changes in one transaction, all or none of them.

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sources::{self, SourceRow};
use crate::targets;
use crate::tasks::{self, TaskRow};

/// One change of a set that belongs together. Rows are replaced or removed only if they still are of
/// the generation that they were read with.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
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
}

impl Store {
    /// Makes all the changes, or none.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if one of the rows is not what it was, [`StoreError::Exists`] if a
    /// task to be added is not the only one of its source; nothing has changed then.
    pub async fn write(&self, changes: &[Write<'_>]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.act("begin a change")?;
        for change in changes {
            let connection = &mut *transaction;
            let (done, act) = match *change {
                Write::UpdateSource(row) => {
                    (sources::update(connection, row).await?, "change a source")
                }
                Write::DeleteSource(row) => {
                    (sources::delete(connection, row).await?, "remove a source")
                }
                Write::InsertTask(row, certificates) => {
                    tasks::insert(connection, row, certificates).await?;
                    (true, "add a task")
                }
                Write::UpdateTask(row) => (tasks::update(connection, row).await?, "change a task"),
                Write::DeleteTask(row) => (tasks::delete(connection, row).await?, "remove a task"),
                Write::TargetChanged(id, seen) => (
                    targets::changed(connection, id, seen).await?,
                    "tell a target of a change",
                ),
            };
            if !done {
                transaction.rollback().await.act("take a change back")?;
                return Err(StoreError::Changed { act });
            }
        }
        transaction.commit().await.act("commit a change")
    }
}
