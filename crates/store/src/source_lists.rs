//! Lists of source servers, and how many there are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Page;
use crate::counters::Kind;
use crate::database::Store;
use crate::directory::{Entry, Search};
use crate::error::StoreError;
use crate::sources::{SourceRow, columns};
use crate::sql::{Sql, contains};
use crate::tasks::TaskRow;

/// A source in a list.
#[derive(Clone, Debug)]
pub struct ListedSource {
    /// The source; its last visit may be older than it was.
    pub row: Arc<SourceRow>,
    /// Its agent was last heard of, milliseconds since 1970.
    pub last_visit_time: i64,
    /// Its task, if it has one.
    pub task: Option<Arc<TaskRow>>,
}

/// Which sources of a domain to list. Absent means any; the domain is always meant.
#[derive(Clone, Debug, Default)]
pub struct SourceFilter {
    /// Their tenant.
    pub domain_id: String,
    /// Exact state.
    pub state: Option<String>,
    /// Part of the name, without regard to case.
    pub name: Option<String>,
    /// Exact id.
    pub id: Option<String>,
    /// Exact IPv4 address.
    pub ip: Option<String>,
    /// Exact IPv6 address.
    pub ipv6: Option<String>,
    /// Exact migration project.
    pub migproject: Option<String>,
    /// Exact stage.
    pub migration_cycle: Option<String>,
    /// Exact enterprise project.
    pub enterprise_project: Option<String>,
    /// Heard of at this time or later, milliseconds since 1970.
    pub seen_since: Option<i64>,
    /// Last heard of before this time, milliseconds since 1970.
    pub unseen_since: Option<i64>,
    /// Whether its task has a consistency result.
    pub has_consistency_result: Option<bool>,
    /// Target of its task.
    pub target_id: Option<String>,
    /// Registered by this identity.
    pub owner: Option<String>,
}

impl SourceFilter {
    /// All sources of a domain.
    #[must_use]
    pub fn of(domain_id: &str) -> Self {
        Self {
            domain_id: domain_id.to_owned(),
            ..Self::default()
        }
    }

    /// What is asked for, if that is nothing but the domain, and perhaps the state and the name.
    fn as_search(&self) -> Option<Search<'_>> {
        let unnamed = Self {
            name: None,
            ..self.clone()
        };
        unnamed.is_counted().then_some(Search {
            domain_id: &self.domain_id,
            state: self.state.as_deref(),
            name: self.name.as_deref(),
        })
    }

    /// Whether nothing but the domain, and perhaps the state, is asked for.
    fn is_counted(&self) -> bool {
        self.is_about_visits() && self.seen_since.is_none() && self.unseen_since.is_none()
    }

    /// Whether nothing but the domain, perhaps the state, and when they were heard of is asked for.
    fn is_about_visits(&self) -> bool {
        let texts = [
            &self.name,
            &self.id,
            &self.ip,
            &self.ipv6,
            &self.migproject,
            &self.migration_cycle,
            &self.enterprise_project,
            &self.target_id,
            &self.owner,
        ];
        texts.into_iter().all(Option::is_none) && self.has_consistency_result.is_none()
    }

    fn push(&self, sql: &mut Sql) {
        sql.push(" WHERE s.domain_id = ").bind(&self.domain_id);
        sql.and("s.id = ", self.id.as_ref());
        sql.and("s.owner = ", self.owner.as_ref());
        sql.and("s.state = ", self.state.as_ref());
        sql.and("s.migration_cycle = ", self.migration_cycle.as_ref());
        sql.and("s.migproject = ", self.migproject.as_ref());
        sql.and("s.enterprise_project = ", self.enterprise_project.as_ref());
        sql.and("s.ip = ", self.ip.as_ref());
        sql.and("s.ipv6 = ", self.ipv6.as_ref());
        if let Some(name) = &self.name {
            sql.and("s.name_folded LIKE ", Some(contains(name)));
            sql.push(" ESCAPE '\\'");
        }
        if self.seen_since.is_some() || self.unseen_since.is_some() {
            sql.push(" AND EXISTS (SELECT 1 FROM source_visits v WHERE v.source_id = s.id");
            sql.and("v.domain_id = ", Some(&self.domain_id));
            sql.and("v.last_visit_time >= ", self.seen_since);
            sql.and("v.last_visit_time < ", self.unseen_since);
            sql.push(")");
        }
        if let Some(target_id) = &self.target_id {
            sql.push(" AND s.id IN (SELECT t.source_id FROM tasks t WHERE t.target_id = ");
            sql.bind(target_id).push(")");
        }
        match self.has_consistency_result {
            Some(true) => {
                sql.push(" AND s.id IN (SELECT t.source_id FROM tasks t WHERE t.domain_id = ");
                sql.bind(&self.domain_id).push(" AND t.checked = 1)");
            }
            Some(false) => {
                sql.push(" AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.source_id = s.id");
                sql.and("t.domain_id = ", Some(&self.domain_id));
                sql.push(" AND t.checked = 1)");
            }
            None => {}
        }
    }

    /// One page of rows. The ids are found in an index first, so that rows that are skipped are never
    /// read.
    fn page(&self, page: Page) -> Sql {
        let mut sql = Sql::new(concat!(
            "SELECT ",
            columns!(),
            " FROM (SELECT s.id FROM sources s"
        ));
        self.push_page(page, &mut sql);
        sql.push(") AS page JOIN sources s ON s.id = page.id ORDER BY s.add_date, s.id");
        sql
    }

    /// The ids of one page, found in an index.
    fn page_ids(&self, page: Page) -> Sql {
        let mut sql = Sql::new("SELECT s.id FROM sources s");
        self.push_page(page, &mut sql);
        sql
    }

    fn push_page(&self, page: Page, sql: &mut Sql) {
        self.push(sql);
        sql.push(" ORDER BY s.add_date, s.id LIMIT ")
            .bind(page.limit);
        sql.push(" OFFSET ").bind(page.offset);
    }

    fn count(&self) -> Sql {
        if self.is_about_visits() && self.state.is_none() {
            let mut sql = Sql::new("SELECT COUNT(*) FROM source_visits WHERE domain_id = ");
            sql.bind(&self.domain_id);
            sql.and("last_visit_time >= ", self.seen_since);
            sql.and("last_visit_time < ", self.unseen_since);
            return sql;
        }
        let mut sql = Sql::new("SELECT COUNT(*) FROM sources s");
        self.push(&mut sql);
        sql
    }
}

impl Store {
    /// Reads the directory from the database, which nobody changes meanwhile.
    pub(crate) async fn fill_directory(&self) -> Result<(), StoreError> {
        if let Some(directory) = &self.shared.recent.directory {
            let sql = Sql::new(
                "SELECT id, domain_id, add_date, state, name_folded FROM sources \
                 ORDER BY domain_id, add_date, id",
            );
            let entries: Vec<Entry> = sql.all(self.pool(), "list sources").await?;
            entries.into_iter().for_each(|entry| directory.put(entry));
        }
        Ok(())
    }

    /// Sources that fit, oldest first, each with its task if it has one, and how many fit in all.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn sources(
        &self,
        filter: &SourceFilter,
        page: Page,
    ) -> Result<(Vec<ListedSource>, i64), StoreError> {
        let (rows, count) = self.page_of_sources(filter, page).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
        let tasks = self.tasks_of_sources(&ids).await?;
        let mut tasks: HashMap<_, _> = tasks
            .into_iter()
            .map(|task| (task.source_id.clone(), task))
            .collect();
        let rows = rows.into_iter().map(|row| {
            let mut last_visit_time = row.last_visit_time;
            let visits = &self.shared.visits.sources;
            visits.merge(&row.id, &mut last_visit_time);
            ListedSource {
                last_visit_time,
                task: tasks.remove(&row.id),
                row,
            }
        });
        Ok((rows.collect(), count))
    }

    async fn page_of_sources(
        &self,
        filter: &SourceFilter,
        page: Page,
    ) -> Result<(Vec<Arc<SourceRow>>, i64), StoreError> {
        let recent = &self.shared.recent;
        if let Some((directory, search)) = recent.directory.as_ref().zip(filter.as_search()) {
            let (ids, count) = directory.page(search, page);
            return Ok((self.in_order(&ids).await?, count));
        }
        let count = self.count_sources(filter).await?;
        if !recent.keeps() {
            let rows: Vec<SourceRow> = filter.page(page).all(self.pool(), "list sources").await?;
            return Ok((rows.into_iter().map(Arc::new).collect(), count));
        }
        // The database is asked for the ids, and for rows that are not in memory.
        let ids = filter.page_ids(page);
        let ids: Vec<(String,)> = ids.all(self.pool(), "list sources").await?;
        let ids: Vec<_> = ids.into_iter().map(|(id,)| id).collect();
        Ok((self.in_order(&ids).await?, count))
    }

    /// The sources with these ids, in the order of the ids. One that changes meanwhile is shown as it is
    /// afterwards; one that is removed is left out.
    async fn in_order(&self, ids: &[String]) -> Result<Vec<Arc<SourceRow>>, StoreError> {
        let rows = self.shared_sources(ids).await?;
        if rows.iter().map(|row| &row.id).eq(ids) {
            return Ok(rows);
        }
        let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
    }

    /// How many sources fit.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn count_sources(&self, filter: &SourceFilter) -> Result<i64, StoreError> {
        if filter.is_counted() {
            let states: Vec<_> = filter.state.iter().cloned().collect();
            return self.counted(&filter.domain_id, Kind::Source, &states).await;
        }
        filter.count().number(self.pool(), "count sources").await
    }
}
