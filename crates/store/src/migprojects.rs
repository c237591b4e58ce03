//! Migration projects (SMS, CreateMigproject): groups of source servers.

use sqlx::AnyConnection;

use crate::Page;
use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// A migration project as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MigprojectRow {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub domain_id: String,
    /// Its name, of which the tenant has one.
    pub name: String,
    /// 1 if sources that name no project get this one, else 0. The tenant has one such.
    pub is_default: i64,
    /// JSON: the project as clients wrote it.
    pub body: String,
    /// Made at, milliseconds since 1970.
    pub create_date: i64,
    /// Counts changes of this row; set by the store.
    pub generation: i64,
}

macro_rules! select {
    () => {
        "SELECT id, domain_id, name, is_default, body, create_date, generation FROM migprojects"
    };
}

impl Store {
    /// Adds a project; [`MigprojectRow::generation`] becomes 1. If it is the default, the one before
    /// is none any more.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id or the name is taken.
    pub async fn insert_migproject(&self, row: &MigprojectRow) -> Result<(), StoreError> {
        let row = row.clone();
        self.change(move |connection| {
            Box::pin(async move {
                if row.is_default == 1 {
                    let sql = no_default(&row.domain_id);
                    sql.execute(connection, "unset the default project").await?;
                }
                insert(connection, row).await
            })
        })
        .await
    }

    /// The project with this id, of whatever domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn migproject(&self, id: &str) -> Result<Option<MigprojectRow>, StoreError> {
        let mut sql = Sql::new(concat!(select!(), " WHERE id = "));
        sql.bind(id);
        sql.optional(self.pool(), "read a migration project").await
    }

    /// The default project of a domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn default_migproject(
        &self,
        domain_id: &str,
    ) -> Result<Option<MigprojectRow>, StoreError> {
        let mut sql = Sql::new(concat!(select!(), " WHERE is_default = 1 AND domain_id = "));
        sql.bind(domain_id);
        sql.optional(self.pool(), "read a migration project").await
    }

    /// Projects of a domain, oldest first, and how many there are in all.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn migprojects(
        &self,
        domain_id: &str,
        page: Page,
    ) -> Result<(Vec<MigprojectRow>, i64), StoreError> {
        let mut sql = Sql::new("SELECT COUNT(*) FROM migprojects WHERE domain_id = ");
        sql.bind(domain_id);
        let count = sql.number(self.pool(), "count migration projects").await?;
        let mut sql = Sql::new(concat!(select!(), " WHERE domain_id = "));
        sql.bind(domain_id).push(" ORDER BY create_date, id LIMIT ");
        sql.bind(page.limit).push(" OFFSET ").bind(page.offset);
        Ok((
            sql.all(self.pool(), "list migration projects").await?,
            count,
        ))
    }

    /// Replaces name and body of a project that is still of the generation it was read with.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not, [`StoreError::Exists`] if the name is taken.
    pub async fn update_migproject(&self, row: &MigprojectRow) -> Result<(), StoreError> {
        const ACT: &str = "change a migration project";
        let query = sqlx::query(
            "UPDATE migprojects SET name = $3, body = $4, generation = generation + 1 \
             WHERE id = $1 AND generation = $2",
        )
        .bind(row.id.clone())
        .bind(row.generation)
        .bind(row.name.clone())
        .bind(row.body.clone());
        match self.run(ACT, query).await? {
            0 => Err(StoreError::Changed { act: ACT }),
            _ => Ok(()),
        }
    }

    /// Makes a project the default of its domain, instead of the one that is.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the domain has no such project (any more), or if somebody else sets
    /// a default at the same time; nothing has changed then.
    pub async fn set_default_migproject(
        &self,
        domain_id: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        const ACT: &str = "set the default project";
        let (domain_id, id) = (domain_id.to_owned(), id.to_owned());
        let done = self
            .change(move |connection| {
                Box::pin(async move {
                    let sql = no_default(&domain_id);
                    sql.execute(connection, ACT).await?;
                    let mut sql = Sql::new(
                        "UPDATE migprojects SET is_default = 1, generation = generation + 1 \
                         WHERE id = ",
                    );
                    sql.bind(id).push(" AND domain_id = ").bind(domain_id);
                    match sql.execute(connection, ACT).await? {
                        0 => Err(StoreError::Changed { act: ACT }),
                        _ => Ok(()),
                    }
                })
            })
            .await;
        match done {
            Err(StoreError::Exists { act }) => Err(StoreError::Changed { act }),
            done => done,
        }
    }

    /// Removes a project that is still of the generation it was read with, that is not the default,
    /// and that no source is in.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if one of these is not so.
    pub async fn delete_migproject(&self, row: &MigprojectRow) -> Result<(), StoreError> {
        const ACT: &str = "remove a migration project";
        let query = sqlx::query(
            "DELETE FROM migprojects WHERE id = $1 AND generation = $2 AND is_default = 0 \
             AND NOT EXISTS (SELECT 1 FROM sources WHERE domain_id = $3 AND migproject = $1)",
        )
        .bind(row.id.clone())
        .bind(row.generation)
        .bind(row.domain_id.clone());
        match self.run(ACT, query).await? {
            0 => Err(StoreError::Changed { act: ACT }),
            _ => Ok(()),
        }
    }

    /// How many sources are in a project.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn sources_in_migproject(
        &self,
        domain_id: &str,
        id: &str,
    ) -> Result<i64, StoreError> {
        let mut sql = Sql::new("SELECT COUNT(*) FROM sources WHERE domain_id = ");
        sql.bind(domain_id).push(" AND migproject = ").bind(id);
        sql.number(self.pool(), "count the sources of a project")
            .await
    }
}

/// Adds a project of generation 1.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    row: MigprojectRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO migprojects (id, domain_id, name, is_default, body, create_date, generation) \
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(row.id)
    .bind(row.domain_id)
    .bind(row.name)
    .bind(row.is_default)
    .bind(row.body)
    .bind(row.create_date)
    .execute(connection)
    .await
    .act("add a migration project")?;
    Ok(())
}

fn no_default(domain_id: &str) -> Sql {
    let mut sql = Sql::new(
        "UPDATE migprojects SET is_default = 0, generation = generation + 1 \
         WHERE is_default = 1 AND domain_id = ",
    );
    sql.bind(domain_id);
    sql
}
