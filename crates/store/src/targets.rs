//! Target servers that announced themselves.

use sqlx::AnyConnection;

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// A target server as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TargetRow {
    /// Its id, which is the id of its identity.
    pub id: String,
    /// Its tenant.
    pub domain_id: String,
    /// Name shown to people.
    pub name: String,
    /// JSON: what it offers.
    pub registration: String,
    /// First announced at, milliseconds since 1970.
    pub create_date: i64,
    /// Last heard of, milliseconds since 1970.
    pub last_visit_time: i64,
    /// Changes whenever its list of tasks does.
    pub generation: i64,
}

macro_rules! select {
    () => {
        "SELECT t.id, t.domain_id, t.name, t.registration, t.create_date, \
         (SELECT v.last_visit_time FROM target_visits v WHERE v.target_id = t.id) \
         AS last_visit_time, t.generation FROM targets t"
    };
}

impl Store {
    /// Adds a target, or replaces what it offers.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_target(
        &self,
        domain_id: &str,
        id: &str,
        name: &str,
        registration: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        const ACT: &str = "keep a target";
        let (domain_id, id) = (domain_id.to_owned(), id.to_owned());
        let (name, registration) = (name.to_owned(), registration.to_owned());
        self.change(move |connection| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO targets (id, domain_id, name, registration, create_date, \
                     generation) VALUES ($1, $2, $3, $4, $5, 1) ON CONFLICT (id) DO UPDATE \
                     SET name = excluded.name, registration = excluded.registration",
                )
                .bind(id.clone())
                .bind(domain_id)
                .bind(name)
                .bind(registration)
                .bind(now)
                .execute(&mut *connection)
                .await
                .act(ACT)?;
                sqlx::query(
                    "INSERT INTO target_visits (target_id, last_visit_time) VALUES ($1, $2) \
                     ON CONFLICT (target_id) DO UPDATE SET last_visit_time = \
                     excluded.last_visit_time WHERE target_visits.last_visit_time < \
                     excluded.last_visit_time",
                )
                .bind(id)
                .bind(now)
                .execute(connection)
                .await
                .act(ACT)?;
                Ok(())
            })
        })
        .await
    }

    /// The target with this id, of whatever domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn target(&self, id: &str) -> Result<Option<TargetRow>, StoreError> {
        let mut sql = Sql::new(concat!(select!(), " WHERE t.id = "));
        sql.bind(id);
        Ok(self.visited_targets(sql.optional(self.pool(), "read a target").await?))
    }

    /// All targets of a domain, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn targets(&self, domain_id: &str) -> Result<Vec<TargetRow>, StoreError> {
        let mut sql = Sql::new(concat!(select!(), " WHERE t.domain_id = "));
        sql.bind(domain_id).push(" ORDER BY t.create_date, t.id");
        Ok(self.visited_targets(sql.all(self.pool(), "list targets").await?))
    }

    /// The targets with these ids, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn targets_by_ids(&self, ids: &[String]) -> Result<Vec<TargetRow>, StoreError> {
        let mut sql = Sql::new(concat!(select!(), " WHERE t.id IN "));
        sql.bind_list(ids);
        Ok(self.visited_targets(sql.all(self.pool(), "read targets").await?))
    }

    /// Removes a target and its identity, so that its certificate opens nothing any more. Says
    /// whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if tasks are bound to it.
    pub async fn delete_target(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.change(move |connection| {
            Box::pin(async move {
                let mut sql = Sql::new("DELETE FROM targets WHERE id = ");
                sql.bind(&id);
                let target = sql.execute(connection, "remove a target").await?;
                let mut sql = Sql::new("DELETE FROM identities WHERE role = 'target' AND id = ");
                sql.bind(&id);
                let identity = sql
                    .execute(connection, "remove a target's identity")
                    .await?;
                Ok(target + identity > 0)
            })
        })
        .await
    }

    fn visited_targets<R>(&self, mut rows: R) -> R
    where
        for<'r> &'r mut R: IntoIterator<Item = &'r mut TargetRow>,
    {
        for row in &mut rows {
            let visits = &self.shared.visits.targets;
            visits.merge(&row.id, &mut row.last_visit_time);
        }
        rows
    }
}

/// Marks the list of tasks of a target as changed, if it still is of the generation `seen`.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    id: String,
    seen: Option<i64>,
) -> Result<bool, StoreError> {
    let mut sql = Sql::new("UPDATE targets SET generation = generation + 1 WHERE id = ");
    sql.bind(id).and("generation = ", seen);
    Ok(sql.execute(connection, "tell a target of a change").await? == 1)
}
