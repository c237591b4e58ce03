//! Templates of target servers (SMS, CreateTemplate).

use crate::Page;
use crate::database::Store;
use crate::error::StoreError;
use crate::sql::{Sql, contains};

/// A template as stored.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TemplateRow {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub domain_id: String,
    /// Its name, of which the tenant has one.
    pub name: String,
    /// Region, or empty.
    pub region: String,
    /// Availability zone, or empty.
    pub availability_zone: String,
    /// 1 if it is meant for several uses, else 0.
    pub is_template: i64,
    /// JSON: the template as clients wrote it.
    pub body: String,
    /// Password of the servers made from it.
    pub target_password: Option<String>,
    /// Made at, milliseconds since 1970.
    pub create_date: i64,
    /// Counts changes of this row; set by the store.
    pub generation: i64,
}

impl std::fmt::Debug for TemplateRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemplateRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Which templates of a domain to list. Absent means any; the domain is always meant.
#[derive(Clone, Debug, Default)]
pub struct TemplateFilter {
    /// Their tenant.
    pub domain_id: String,
    /// Part of the name, without regard to case.
    pub name: Option<String>,
    /// Exact availability zone.
    pub availability_zone: Option<String>,
    /// Exact region.
    pub region: Option<String>,
    /// Exact id.
    pub id: Option<String>,
}

impl TemplateFilter {
    /// All templates of a domain.
    #[must_use]
    pub fn of(domain_id: &str) -> Self {
        Self {
            domain_id: domain_id.to_owned(),
            ..Self::default()
        }
    }

    fn push(&self, sql: &mut Sql) {
        sql.push(" FROM templates WHERE domain_id = ")
            .bind(&self.domain_id);
        sql.and("id = ", self.id.as_ref());
        sql.and("region = ", self.region.as_ref());
        sql.and("availability_zone = ", self.availability_zone.as_ref());
        if let Some(name) = &self.name {
            sql.and("name_folded LIKE ", Some(contains(name)));
            sql.push(" ESCAPE '\\'");
        }
    }
}

macro_rules! columns {
    () => {
        "SELECT id, domain_id, name, region, availability_zone, is_template, body, \
         target_password, create_date, generation"
    };
}

impl Store {
    /// Adds a template; [`TemplateRow::generation`] becomes 1.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id or the name is taken.
    pub async fn insert_template(&self, row: &TemplateRow) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO templates (id, domain_id, name, name_folded, region, availability_zone, \
             is_template, body, target_password, create_date, generation) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)",
        )
        .bind(row.id.clone())
        .bind(row.domain_id.clone())
        .bind(row.name.clone())
        .bind(row.name.to_lowercase())
        .bind(row.region.clone())
        .bind(row.availability_zone.clone())
        .bind(row.is_template)
        .bind(row.body.clone())
        .bind(row.target_password.clone())
        .bind(row.create_date);
        self.run("add a template", query).await?;
        Ok(())
    }

    /// The template with this id, of whatever domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn template(&self, id: &str) -> Result<Option<TemplateRow>, StoreError> {
        let mut sql = Sql::new(concat!(columns!(), " FROM templates WHERE id = "));
        sql.bind(id);
        sql.optional(self.pool(), "read a template").await
    }

    /// Templates that fit, oldest first, and how many fit in all.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn templates(
        &self,
        filter: &TemplateFilter,
        page: Page,
    ) -> Result<(Vec<TemplateRow>, i64), StoreError> {
        let mut sql = Sql::new("SELECT COUNT(*)");
        filter.push(&mut sql);
        let count = sql.number(self.pool(), "count templates").await?;
        let mut sql = Sql::new(columns!());
        filter.push(&mut sql);
        sql.push(" ORDER BY create_date, id LIMIT ")
            .bind(page.limit);
        sql.push(" OFFSET ").bind(page.offset);
        Ok((sql.all(self.pool(), "list templates").await?, count))
    }

    /// Replaces a template that is still of the generation it was read with.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not, [`StoreError::Exists`] if the name is taken.
    pub async fn update_template(&self, row: &TemplateRow) -> Result<(), StoreError> {
        const ACT: &str = "change a template";
        let query = sqlx::query(
            "UPDATE templates SET name = $3, name_folded = $4, region = $5, \
             availability_zone = $6, is_template = $7, body = $8, target_password = $9, \
             generation = generation + 1 WHERE id = $1 AND generation = $2",
        )
        .bind(row.id.clone())
        .bind(row.generation)
        .bind(row.name.clone())
        .bind(row.name.to_lowercase())
        .bind(row.region.clone())
        .bind(row.availability_zone.clone())
        .bind(row.is_template)
        .bind(row.body.clone())
        .bind(row.target_password.clone());
        match self.run(ACT, query).await? {
            0 => Err(StoreError::Changed { act: ACT }),
            _ => Ok(()),
        }
    }

    /// Whether a task refers to a template.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn is_template_in_use(&self, id: &str) -> Result<bool, StoreError> {
        let mut sql = Sql::new("SELECT COUNT(*) FROM tasks WHERE template_id = ");
        sql.bind(id).push(" OR clone_template_id = ").bind(id);
        let number = sql
            .number(self.pool(), "look for tasks of a template")
            .await?;
        Ok(number > 0)
    }

    /// Removes a template that is still of the generation it was read with, and that no task refers
    /// to.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not, or if one does.
    pub async fn delete_template(&self, row: &TemplateRow) -> Result<(), StoreError> {
        const ACT: &str = "remove a template";
        let query = sqlx::query(
            "DELETE FROM templates WHERE id = $1 AND generation = $2 \
             AND NOT EXISTS (SELECT 1 FROM tasks WHERE template_id = $1 OR clone_template_id = $1)",
        )
        .bind(row.id.clone())
        .bind(row.generation);
        match self.run(ACT, query).await? {
            0 => Err(StoreError::Changed { act: ACT }),
            _ => Ok(()),
        }
    }
}
