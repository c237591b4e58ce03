//! How many sources and tasks of a domain are in each state.
//!
//! Whoever changes a source or a task notes here what that does to the numbers, and writes it at the
//! end of the same transaction, in the order of the keys: every transaction takes the counters last
//! and in one order, so no two can wait for each other.

use std::collections::BTreeMap;

use sqlx::AnyConnection;

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Source,
    Task,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Task => "task",
        }
    }
}

/// Changes of counters that a transaction has to write.
#[derive(Debug, Default)]
pub(crate) struct Counted(BTreeMap<(String, Kind, String), i64>);

impl Counted {
    /// Notes `number` more in a state.
    pub(crate) fn add(&mut self, domain_id: &str, kind: Kind, state: &str, number: i64) {
        let key = (domain_id.to_owned(), kind, state.to_owned());
        *self.0.entry(key).or_default() += number;
    }

    /// Notes that one went from a state to another.
    pub(crate) fn moved(&mut self, domain_id: &str, kind: Kind, before: &str, after: &str) {
        if before != after {
            self.add(domain_id, kind, before, -1);
            self.add(domain_id, kind, after, 1);
        }
    }

    /// Writes what was noted.
    pub(crate) async fn write(self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        for ((domain_id, kind, state), number) in self.0 {
            if number == 0 {
                continue;
            }
            sqlx::query(
                "INSERT INTO counters (domain_id, kind, state, number) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (domain_id, kind, state) \
                 DO UPDATE SET number = counters.number + excluded.number",
            )
            .bind(domain_id)
            .bind(kind.as_str())
            .bind(state)
            .bind(number)
            .execute(&mut *connection)
            .await
            .act("count a change")?;
        }
        Ok(())
    }
}

/// The sources of a domain in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// How many are in each state; states that none is in may be missing.
    pub states: Vec<(String, i64)>,
    /// How many have no task.
    pub unconfigured: i64,
}

impl Store {
    /// The sources of a domain in numbers.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn overview(&self, domain_id: &str) -> Result<Overview, StoreError> {
        let mut sql = Sql::new("SELECT kind, state, number FROM counters WHERE domain_id = ");
        sql.bind(domain_id).push(" ORDER BY kind, state");
        let rows: Vec<(String, String, i64)> = sql.all(self.pool(), "count sources").await?;
        let mut overview = Overview::default();
        for (kind, state, number) in rows {
            if kind == Kind::Source.as_str() {
                overview.unconfigured += number;
                overview.states.push((state, number));
            } else {
                overview.unconfigured -= number;
            }
        }
        Ok(overview)
    }

    /// How many of a kind there are, in these states or in any.
    pub(crate) async fn counted(
        &self,
        domain_id: &str,
        kind: Kind,
        states: &[String],
    ) -> Result<i64, StoreError> {
        let mut sql = Sql::new(
            "SELECT CAST(COALESCE(SUM(number), 0) AS BIGINT) FROM counters WHERE domain_id = ",
        );
        sql.bind(domain_id).push(" AND kind = ").bind(kind.as_str());
        if !states.is_empty() {
            sql.push(" AND state IN ").bind_list(states);
        }
        sql.number(self.pool(), "count rows").await
    }
}
