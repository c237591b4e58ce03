//! The audit log: who did what, to which object, and how it ended.

use crate::Page;
use crate::database::Store;
use crate::error::StoreError;
use crate::sql::Sql;

/// Rows of one statement, with 14 parameters each; SQLite permits 32,766 of them.
const ROWS_A_STATEMENT: usize = 500;
/// Rows that are removed in one transaction, so that other writers get their turn.
const ROWS_REMOVED_AT_ONCE: i64 = 5000;

/// An entry. Nothing in it refers to a row: it outlives users and objects.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditRow {
    /// Its id, a UUID of version 7 as text.
    pub id: String,
    /// Ended at, milliseconds since 1970.
    pub time: i64,
    /// The tenant it happened in.
    pub domain_id: String,
    /// Who did it: id of a user, an agent or a receiver; or empty.
    pub user_id: String,
    /// How that is called.
    pub user_name: String,
    /// What they may do.
    pub role: String,
    /// Name of the operation.
    pub trace: String,
    /// HTTP method.
    pub method: String,
    /// Path of the request, without its query.
    pub path: String,
    /// Id of the object, or empty.
    pub object_id: String,
    /// HTTP status of the answer.
    pub status: i64,
    /// Error code of the answer, or empty.
    pub error_code: String,
    /// Id of the request.
    pub request_id: String,
    /// Address of the caller.
    pub address: String,
}

/// Which entries of a domain to list. Absent means any; the domain is always meant.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Their tenant.
    pub domain_id: String,
    /// At this time or later, milliseconds since 1970.
    pub from: Option<i64>,
    /// Before this time, milliseconds since 1970.
    pub to: Option<i64>,
    /// Exact user id.
    pub user: Option<String>,
    /// Exact name of a user; no index knows it, so ask for the id first.
    pub user_name: Option<String>,
    /// Exact operation.
    pub trace: Option<String>,
    /// Exact object.
    pub object_id: Option<String>,
}

impl AuditFilter {
    /// All entries of a domain.
    #[must_use]
    pub fn of(domain_id: &str) -> Self {
        Self {
            domain_id: domain_id.to_owned(),
            ..Self::default()
        }
    }

    fn push(&self, sql: &mut Sql) {
        sql.push(" FROM audit a WHERE a.domain_id = ")
            .bind(&self.domain_id);
        sql.and("a.object_id = ", self.object_id.as_ref());
        sql.and("a.user_id = ", self.user.as_ref());
        sql.and("a.user_name = ", self.user_name.as_ref());
        sql.and("a.trace = ", self.trace.as_ref());
        sql.and("a.time >= ", self.from);
        sql.and("a.time < ", self.to);
    }

    /// One page of rows, newest first; the ids are found in an index first.
    pub(crate) fn page(&self, page: Page) -> Sql {
        let mut sql = Sql::new(concat!("SELECT ", columns!(), " FROM (SELECT a.id"));
        self.push(&mut sql);
        sql.push(" ORDER BY a.time DESC, a.id DESC LIMIT ")
            .bind(page.limit);
        sql.push(" OFFSET ").bind(page.offset);
        sql.push(") AS page JOIN audit a ON a.id = page.id ORDER BY a.time DESC, a.id DESC");
        sql
    }

    pub(crate) fn count(&self) -> Sql {
        let mut sql = Sql::new("SELECT COUNT(*)");
        self.push(&mut sql);
        sql
    }

    /// The next rows after an id, oldest first: the ids are in the order of time.
    pub(crate) fn after(&self, after: &str, limit: i64) -> Sql {
        let mut sql = Sql::new(concat!("SELECT ", columns!()));
        self.push(&mut sql);
        sql.push(" AND a.id > ").bind(after);
        sql.push(" ORDER BY a.id LIMIT ").bind(limit);
        sql
    }
}

macro_rules! columns {
    () => {
        "a.id, a.time, a.domain_id, a.user_id, a.user_name, a.role, a.trace, a.method, a.path, \
         a.object_id, a.status, a.error_code, a.request_id, a.address"
    };
}
use columns;

impl Store {
    /// Adds entries, durably; those of one call are added together or not at all.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if an id is taken.
    pub async fn insert_audit(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let statements: Vec<_> = rows.chunks(ROWS_A_STATEMENT).map(insert).collect();
        self.change(move |connection| {
            Box::pin(async move {
                for sql in statements {
                    sql.execute(connection, "add to the audit log").await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Entries that fit, newest first, and how many fit in all.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<(Vec<AuditRow>, i64), StoreError> {
        let count = filter
            .count()
            .number(self.pool(), "count the audit log")
            .await?;
        let rows = filter
            .page(page)
            .all(self.pool(), "list the audit log")
            .await?;
        Ok((rows, count))
    }

    /// The next entries that fit, oldest first, after the one with this id (from the beginning if it
    /// is empty); for an export, which goes on with the last row that it got.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn audit_after(
        &self,
        filter: &AuditFilter,
        after: &str,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        filter
            .after(after, limit)
            .all(self.pool(), "export the audit log")
            .await
    }

    /// Removes all entries from before a time (milliseconds since 1970): how many there were.
    ///
    /// # Errors
    /// Those of the database; what was removed until then stays so.
    pub async fn delete_audit_before(&self, time: i64) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let query = sqlx::query(
                "DELETE FROM audit WHERE id IN \
                 (SELECT id FROM audit WHERE time < $1 ORDER BY time LIMIT $2)",
            )
            .bind(time)
            .bind(ROWS_REMOVED_AT_ONCE);
            match self.run("shorten the audit log", query).await? {
                0 => return Ok(removed),
                number => removed += number,
            }
        }
    }
}

fn insert(rows: &[AuditRow]) -> Sql {
    let mut sql = Sql::new(
        "INSERT INTO audit (id, time, domain_id, user_id, user_name, role, trace, method, path, \
         object_id, status, error_code, request_id, address) VALUES ",
    );
    for (number, row) in rows.iter().enumerate() {
        sql.push(if number == 0 { "(" } else { ", (" });
        sql.bind(&row.id).push(", ").bind(row.time);
        for text in [
            &row.domain_id,
            &row.user_id,
            &row.user_name,
            &row.role,
            &row.trace,
            &row.method,
            &row.path,
            &row.object_id,
        ] {
            sql.push(", ").bind(text);
        }
        sql.push(", ").bind(row.status);
        for text in [&row.error_code, &row.request_id, &row.address] {
            sql.push(", ").bind(text);
        }
        sql.push(")");
    }
    sql
}
