//! Lists of migration tasks.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Page;
use crate::counters::Kind;
use crate::database::Store;
use crate::error::StoreError;
use crate::sql::{Sql, contains};
use crate::tasks::{TaskRow, columns};

/// Which tasks of a domain to list. Absent means any; the domain is always meant.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Their tenant.
    pub domain_id: String,
    /// One of these states, exactly; empty means any.
    pub states: Vec<String>,
    /// Part of the name, without regard to case.
    pub name: Option<String>,
    /// Exact id.
    pub id: Option<String>,
    /// Exact source.
    pub source_id: Option<String>,
    /// Enterprise project of the source.
    pub enterprise_project: Option<String>,
    /// Migration project of the source.
    pub migproject: Option<String>,
}

impl TaskFilter {
    /// All tasks of a domain.
    #[must_use]
    pub fn of(domain_id: &str) -> Self {
        Self {
            domain_id: domain_id.to_owned(),
            ..Self::default()
        }
    }

    /// Whether nothing but the domain, and perhaps states, is asked for.
    fn is_counted(&self) -> bool {
        let texts = [
            &self.name,
            &self.id,
            &self.source_id,
            &self.enterprise_project,
            &self.migproject,
        ];
        texts.into_iter().all(Option::is_none)
    }

    fn push(&self, sql: &mut Sql) {
        sql.push(" WHERE t.domain_id = ").bind(&self.domain_id);
        sql.and("t.id = ", self.id.as_ref());
        sql.and("t.source_id = ", self.source_id.as_ref());
        match self.states.as_slice() {
            [] => {}
            [state] => {
                sql.and("t.state = ", Some(state));
            }
            states => {
                sql.push(" AND t.state IN ").bind_list(states);
            }
        }
        if let Some(name) = &self.name {
            sql.and("t.name_folded LIKE ", Some(contains(name)));
            sql.push(" ESCAPE '\\'");
        }
        if self.enterprise_project.is_some() || self.migproject.is_some() {
            sql.push(" AND EXISTS (SELECT 1 FROM sources s WHERE s.id = t.source_id");
            sql.and("s.domain_id = ", Some(&self.domain_id));
            sql.and("s.enterprise_project = ", self.enterprise_project.as_ref());
            sql.and("s.migproject = ", self.migproject.as_ref());
            sql.push(")");
        }
    }

    /// One page of rows. The ids are found in an index first, so that rows that are skipped are never
    /// read.
    fn page(&self, page: Page) -> Sql {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM (SELECT t.id FROM tasks t"
        ));
        self.push(&mut sql);
        sql.push(" ORDER BY t.create_date, t.id LIMIT ")
            .bind(page.limit);
        sql.push(" OFFSET ").bind(page.offset);
        sql.push(") AS page JOIN tasks t ON t.id = page.id ORDER BY t.create_date, t.id");
        sql
    }

    fn count(&self) -> Sql {
        let mut sql = Sql::new("SELECT COUNT(*) FROM tasks t");
        self.push(&mut sql);
        sql
    }
}

impl Store {
    /// Tasks that fit, oldest first, and how many fit in all.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn tasks(
        &self,
        filter: &TaskFilter,
        page: Page,
    ) -> Result<(Vec<TaskRow>, i64), StoreError> {
        let count = if filter.is_counted() {
            let domain_id = &filter.domain_id;
            self.counted(domain_id, Kind::Task, &filter.states).await?
        } else {
            filter.count().number(self.pool(), "count tasks").await?
        };
        let rows = filter.page(page).all(self.pool(), "list tasks").await?;
        Ok((rows, count))
    }

    /// The tasks of these sources, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn tasks_of_sources(&self, ids: &[String]) -> Result<Vec<Arc<TaskRow>>, StoreError> {
        let recent = &self.shared.recent;
        let (mut tasks, mut unknown) = (Vec::new(), Vec::new());
        for id in ids {
            match recent.tasks.get(id) {
                Some(known) => tasks.extend(known),
                None => unknown.push((id.clone(), recent.tasks.changes(id))),
            }
        }
        if unknown.is_empty() {
            return Ok(tasks);
        }
        let ids: Vec<_> = unknown.iter().map(|(id, _)| id.clone()).collect();
        let read = self.read_tasks_of_sources(&ids).await?;
        let read: Vec<_> = read.into_iter().map(Arc::new).collect();
        let by_source: HashMap<_, _> = read.iter().map(|row| (&row.source_id, row)).collect();
        for (id, changes) in &unknown {
            let task = || by_source.get(id).map(|task| Arc::clone(task));
            recent.tasks.keep(id, task, *changes);
        }
        tasks.extend(read);
        Ok(tasks)
    }

    async fn read_tasks_of_sources(&self, ids: &[String]) -> Result<Vec<TaskRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks t WHERE t.source_id IN "
        ));
        sql.bind_list(ids);
        sql.all(self.pool(), "read the tasks of sources").await
    }

    /// All tasks whose target servers are made from a template, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn tasks_of_template(&self, template_id: &str) -> Result<Vec<TaskRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks t WHERE t.template_id = "
        ));
        sql.bind(template_id).push(" ORDER BY t.create_date, t.id");
        sql.all(self.pool(), "list the tasks of a template").await
    }

    /// All tasks bound to a target, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn tasks_of_target(&self, target_id: &str) -> Result<Vec<TaskRow>, StoreError> {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks t WHERE t.target_id = "
        ));
        sql.bind(target_id).push(" ORDER BY t.create_date, t.id");
        sql.all(self.pool(), "list the tasks of a target").await
    }
}
