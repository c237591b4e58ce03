//! Heart-beats: noted in memory at once, written together about once a second.
//!
//! A heart-beat a minute of a hundred thousand agents is more than anybody wants to commit one by
//! one, and losing the last second of them in a crash costs nothing: the next heart-beat says the
//! same. What this replica noted itself is seen by its reads at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::database::Store;
use crate::error::StoreError;
use crate::sql::Sql;

/// Rows of one statement; SQLite permits 32,766 parameters, and a statement of a thousand rows is
/// over before anybody waits for it.
const ROWS_A_STATEMENT: usize = 1000;

/// Visits that are not written yet, by id, milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    pub(crate) sources: Noted,
    pub(crate) targets: Noted,
}

/// Visits of one kind.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<HashMap<String, i64>>);

impl Noted {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &str, time: i64) {
        let mut visits = self.lock();
        match visits.get_mut(id) {
            Some(noted) => *noted = time.max(*noted),
            None => {
                visits.insert(id.to_owned(), time);
            }
        }
    }

    /// The later of what is stored and what is noted.
    pub(crate) fn merge(&self, id: &str, stored: &mut i64) {
        if let Some(noted) = self.lock().get(id) {
            *stored = (*stored).max(*noted);
        }
    }

    fn waiting(&self) -> Vec<(String, i64)> {
        let visits = self.lock();
        let mut waiting: Vec<_> = visits
            .iter()
            .map(|(id, time)| (id.clone(), *time))
            .collect();
        // Rows are locked in the order of the list, and replicas must agree on that order.
        waiting.sort_unstable();
        waiting
    }

    /// Forgets what is written, unless there was another visit meanwhile.
    fn written(&self, rows: &[(String, i64)]) {
        let mut visits = self.lock();
        for (id, time) in rows {
            if visits.get(id) == Some(time) {
                visits.remove(id);
            }
        }
    }
}

impl Store {
    /// Remembers that the agent of a source was heard of. Outside the generation, so that a
    /// heart-beat never makes anybody's decision void.
    pub fn touch_source(&self, id: &str, now: i64) {
        self.shared.visits.sources.note(id, now);
    }

    /// Remembers that a target was heard of.
    pub fn touch_target(&self, id: &str, now: i64) {
        self.shared.visits.targets.note(id, now);
    }

    /// Writes all visits that were noted; those of sources and targets that are gone are dropped.
    ///
    /// # Errors
    /// Any of the database; what was not written is kept.
    pub async fn flush_visits(&self) -> Result<(), StoreError> {
        let sources = self.shared.visits.sources.waiting();
        for rows in sources.chunks(ROWS_A_STATEMENT) {
            self.write_visits(
                rows,
                " INSERT INTO source_visits (source_id, domain_id, last_visit_time) \
                 SELECT s.id, s.domain_id, seen.last_visit_time FROM seen \
                 JOIN sources s ON s.id = seen.id WHERE TRUE ORDER BY s.id \
                 ON CONFLICT (source_id) DO UPDATE SET last_visit_time = excluded.last_visit_time \
                 WHERE source_visits.last_visit_time < excluded.last_visit_time",
            )
            .await?;
            self.shared.recent.visited(rows);
            self.shared.visits.sources.written(rows);
        }
        let targets = self.shared.visits.targets.waiting();
        for rows in targets.chunks(ROWS_A_STATEMENT) {
            self.write_visits(
                rows,
                " INSERT INTO target_visits (target_id, last_visit_time) \
                 SELECT t.id, seen.last_visit_time FROM seen \
                 JOIN targets t ON t.id = seen.id WHERE TRUE ORDER BY t.id \
                 ON CONFLICT (target_id) DO UPDATE SET last_visit_time = excluded.last_visit_time \
                 WHERE target_visits.last_visit_time < excluded.last_visit_time",
            )
            .await?;
            self.shared.visits.targets.written(rows);
        }
        Ok(())
    }

    async fn write_visits(
        &self,
        rows: &[(String, i64)],
        insert: &'static str,
    ) -> Result<(), StoreError> {
        let mut sql = Sql::new("WITH seen (id, last_visit_time) AS (VALUES ");
        for (number, (id, time)) in rows.iter().enumerate() {
            sql.push(if number == 0 { "(" } else { ", (" });
            sql.bind(id).push(", ").bind(*time).push(")");
        }
        sql.push(")").push(insert);
        self.change(move |connection| {
            Box::pin(async move {
                sql.execute(connection, "note visits").await?;
                Ok(())
            })
        })
        .await
    }
}
