//! Tenants and their projects.

use crate::access_keys::{self, AccessKeyRow};
use crate::database::Store;
use crate::error::StoreError;
use crate::migprojects::{self, MigprojectRow};
use crate::sql::Sql;
use crate::users::{self, UserRow};

/// A tenant. Everything but other tenants' doings belongs to exactly one.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DomainRow {
    /// Its id.
    pub id: String,
    /// Its name, of which there is one.
    pub name: String,
    /// Made at, milliseconds since 1970.
    pub create_date: i64,
}

/// A project of a tenant, which tokens can be for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ProjectRow {
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub domain_id: String,
    /// Its name, of which the tenant has one.
    pub name: String,
}

/// A tenant that is about to be added, with what one has from the beginning.
#[derive(Clone, Debug)]
pub struct NewDomain {
    /// The tenant.
    pub domain: DomainRow,
    /// Its first project.
    pub project: ProjectRow,
    /// Its default migration project.
    pub migproject: MigprojectRow,
    /// Its first administrator; absent if its users are somebody else's to keep.
    pub administrator: Option<UserRow>,
    /// A first pair of keys of the administrator.
    pub key: Option<AccessKeyRow>,
}

impl Store {
    /// Adds a tenant with everything that one has from the beginning.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if an id or a name is taken; nothing is added then.
    pub async fn insert_domain(&self, new: &NewDomain) -> Result<(), StoreError> {
        const ACT: &str = "add a domain";
        let new = new.clone();
        self.change(move |connection| {
            Box::pin(async move {
                let mut sql = Sql::new("INSERT INTO domains (id, name, create_date) VALUES (");
                sql.bind(new.domain.id).push(", ");
                sql.bind(new.domain.name).push(", ");
                sql.bind(new.domain.create_date).push(")");
                sql.execute(connection, ACT).await?;
                let project = insert_project(new.project);
                project.execute(connection, ACT).await?;
                migprojects::insert(connection, new.migproject).await?;
                if let Some(administrator) = new.administrator {
                    users::insert(connection, administrator).await?;
                }
                if let Some(key) = new.key {
                    access_keys::insert(connection, key).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Adds a project.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the id or the name is taken, [`StoreError::Changed`] if there is no
    /// such domain.
    pub async fn insert_project(&self, project: &ProjectRow) -> Result<(), StoreError> {
        let sql = insert_project(project.clone());
        self.change(move |connection| {
            Box::pin(async move {
                sql.execute(connection, "add a project").await?;
                Ok(())
            })
        })
        .await
    }

    /// All domains, by name.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn domains(&self) -> Result<Vec<DomainRow>, StoreError> {
        Sql::new("SELECT id, name, create_date FROM domains ORDER BY name")
            .all(self.pool(), "list domains")
            .await
    }

    /// The domain with this id.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn domain(&self, id: &str) -> Result<Option<DomainRow>, StoreError> {
        let mut sql = Sql::new("SELECT id, name, create_date FROM domains WHERE id = ");
        sql.bind(id);
        sql.optional(self.pool(), "read a domain").await
    }

    /// The domain with this name.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn domain_by_name(&self, name: &str) -> Result<Option<DomainRow>, StoreError> {
        let mut sql = Sql::new("SELECT id, name, create_date FROM domains WHERE name = ");
        sql.bind(name);
        sql.optional(self.pool(), "read a domain").await
    }

    /// The projects of a domain, by name.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn projects(&self, domain_id: &str) -> Result<Vec<ProjectRow>, StoreError> {
        let mut sql = Sql::new("SELECT id, domain_id, name FROM projects WHERE domain_id = ");
        sql.bind(domain_id).push(" ORDER BY name");
        sql.all(self.pool(), "list projects").await
    }

    /// The project with this id, of whatever domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn project(&self, id: &str) -> Result<Option<ProjectRow>, StoreError> {
        let mut sql = Sql::new("SELECT id, domain_id, name FROM projects WHERE id = ");
        sql.bind(id);
        sql.optional(self.pool(), "read a project").await
    }

    /// The project of a domain with this name.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn project_by_name(
        &self,
        domain_id: &str,
        name: &str,
    ) -> Result<Option<ProjectRow>, StoreError> {
        let mut sql = Sql::new("SELECT id, domain_id, name FROM projects WHERE domain_id = ");
        sql.bind(domain_id).push(" AND name = ").bind(name);
        sql.optional(self.pool(), "read a project").await
    }
}

fn insert_project(project: ProjectRow) -> Sql {
    let mut sql = Sql::new("INSERT INTO projects (id, domain_id, name) VALUES (");
    sql.bind(project.id).push(", ").bind(project.domain_id);
    sql.push(", ").bind(project.name).push(")");
    sql
}
