//! How the databases find rows: no statement that a request waits for reads a whole table.
//!
//! Every statement that is put together ([`crate::sql::Sql`]) is noted here with its values while a
//! test runs; the test calls what there is to call, and then asks the database for its plans.

use std::cell::RefCell;

use rehost_testkit::PostgresCluster;
use sqlx::AssertSqlSafe;

use crate::{
    AuditFilter, Database, Page, SourceFilter, Store, StoreError, TaskFilter, TemplateFilter,
};

thread_local! {
    static NOTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes a statement of the test that runs on this thread.
pub(crate) fn note(text: String) {
    NOTED.with_borrow_mut(|noted| noted.push(text));
}

/// Domains of the filled database. A table of one domain is rightly read as a whole.
const DOMAINS: i64 = 50;
const SOURCES_A_DOMAIN: i64 = 200;

const PAGE: Page = Page {
    limit: 20,
    offset: 40,
};

#[tokio::test]
async fn sqlite_finds_everything_by_an_index() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let database = Database::Sqlite(directory.path().join("rehost.db"));
    let store = Store::open(&database).await?;
    for text in asked(&store).await? {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")))
                .fetch_all(store.pool())
                .await?;
        let steps: Vec<_> = plan.iter().map(|(_, _, _, step)| step.as_str()).collect();
        // The ids of the page, once they are found, are all wanted.
        let scans = steps
            .iter()
            .any(|step| step.starts_with("SCAN") && *step != "SCAN page");
        assert!(!scans, "{text}\n{steps:#?}");
    }
    store.close().await;
    Ok(())
}

#[tokio::test]
async fn postgresql_finds_everything_by_an_index() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = PostgresCluster::start()?;
    let store = Store::open(&cluster.database()?.parse()?).await?;
    fill(&store).await?;
    let mut scans = Vec::new();
    for text in asked(&store).await? {
        let plan: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(format!("EXPLAIN {text}")))
            .fetch_all(store.pool())
            .await?;
        let plan: Vec<_> = plan.into_iter().map(|(step,)| step).collect();
        if plan.iter().any(|step| step.contains("Seq Scan")) {
            scans.push(format!("{text}\n{}", plan.join("\n")));
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n\n"));
    store.close().await;
    Ok(())
}

/// Calls everything that reads, with each filter alone, and gives the statements.
async fn asked(store: &Store) -> Result<Vec<String>, StoreError> {
    NOTED.with_borrow_mut(Vec::clear);
    for filter in source_filters() {
        store.sources(&filter, PAGE).await?;
    }
    for filter in task_filters() {
        store.tasks(&filter, PAGE).await?;
    }
    for filter in audit_filters() {
        store.audit(&filter, PAGE).await?;
        store.audit_after(&filter, "a7-100", 20).await?;
    }
    for filter in template_filters() {
        store.templates(&filter, PAGE).await?;
    }
    let ids: Vec<_> = (0..20).map(|number| format!("s7-{number}")).collect();
    store.sources_by_ids(&ids).await?;
    store.tasks_of_sources(&ids).await?;
    store.targets_by_ids(&ids).await?;
    store.options_of_tasks(&ids).await?;
    store.overview("d7").await?;
    store.source("s7-7").await?;
    store.source_of_owner("o7-7").await?;
    store.task("t7-7").await?;
    store.task_of_source("s7-7").await?;
    store.tasks_of_target("v7-7").await?;
    store.tasks_of_template("m7-7").await?;
    store.is_template_in_use("m7-7").await?;
    store.task_certificates("t7-7").await?;
    store.options("t7-7", Some("A")).await?;
    store.consistency_results("t7-7").await?;
    store.boots("t7-7").await?;
    store.boot("t7-7", "b7-7").await?;
    store.log_archives("t7-7").await?;
    store.log_archive_by_share("share").await?;
    store.proof("t7-7").await?;
    store.targets("d7").await?;
    store.target("v7-7").await?;
    store.access_key("k7-7").await?;
    store.access_keys("u7-7").await?;
    store.token("h7-7").await?;
    store.user("u7-7").await?;
    store.user_by_name("d7", "u7-7").await?;
    store.users("d7").await?;
    store.identity_by_fingerprint("f7-7").await?;
    store.join_token("j7-7").await?;
    store.sources_in_migproject("d7", "p7").await?;
    store.migprojects("d7", PAGE).await?;
    store.default_migproject("d7").await?;
    Ok(NOTED.with_borrow_mut(std::mem::take))
}

fn source_filters() -> Vec<SourceFilter> {
    let mut filters = vec![SourceFilter::of("d7"); 15];
    let text = |text: &str| Some(text.to_owned());
    filters[1].state = text("error");
    filters[2].name = text("name-7");
    filters[3].id = text("s7-7");
    filters[4].ip = text("10.0.0.7");
    filters[5].ipv6 = text("fe80::7");
    filters[6].migproject = text("p7");
    filters[7].migration_cycle = text("cutovered");
    filters[8].enterprise_project = text("e7");
    filters[9].seen_since = Some(9_900);
    filters[10].unseen_since = Some(100);
    filters[11].has_consistency_result = Some(true);
    filters[12].has_consistency_result = Some(false);
    filters[13].target_id = text("v7-7");
    filters[14].owner = text("o7-7");
    let mut both = SourceFilter::of("d7");
    both.seen_since = Some(9_900);
    both.state = text("error");
    filters.push(both);
    filters
}

fn task_filters() -> Vec<TaskFilter> {
    let mut filters = vec![TaskFilter::of("d7"); 8];
    let text = |text: &str| Some(text.to_owned());
    filters[1].states = vec!["RUNNING".to_owned()];
    filters[2].states = vec!["MIGRATE_FAIL".to_owned(), "SYNC_F".to_owned()];
    filters[3].name = text("name-7");
    filters[4].id = text("t7-7");
    filters[5].source_id = text("s7-7");
    filters[6].enterprise_project = text("e7");
    filters[7].migproject = text("p7");
    filters
}

fn audit_filters() -> Vec<AuditFilter> {
    let mut filters = vec![AuditFilter::of("d7"); 5];
    let text = |text: &str| Some(text.to_owned());
    filters[1].from = Some(9_900);
    filters[1].to = Some(10_000);
    filters[2].user = text("u7");
    filters[3].trace = text("deleteTask");
    filters[4].object_id = text("s7-7");
    filters
}

fn template_filters() -> Vec<TemplateFilter> {
    let mut filters = vec![TemplateFilter::of("d7"); 5];
    let text = |text: &str| Some(text.to_owned());
    filters[1].name = text("name-7");
    filters[2].availability_zone = text("z");
    filters[3].region = text("r");
    filters[4].id = text("m7-7");
    filters
}

/// Some ten thousand rows of everything that grows.
async fn fill(store: &Store) -> Result<(), sqlx::Error> {
    let statements = [
        "INSERT INTO domains SELECT 'd'||d, 'd'||d, d FROM @",
        "INSERT INTO users SELECT 'u'||d||'-'||n, 'd'||d, 'u'||d||'-'||n, 'operator', 1, '', 0, 0, \
         0, 0 FROM @",
        "INSERT INTO access_keys SELECT 'k'||d||'-'||n, '', 'u'||d||'-'||n, '', 1, 0, 0, 0 FROM @",
        "INSERT INTO tokens SELECT 'h'||d||'-'||n, 'u'||d||'-'||n, '', 0, 0 FROM @",
        "INSERT INTO identities SELECT 'o'||d||'-'||n, 'd'||d, 'source', '', 'f'||d||'-'||n, 0 \
         FROM @",
        "INSERT INTO join_tokens SELECT 'j'||d||'-'||n, 'd'||d, 'source', 0 FROM @",
        "INSERT INTO sources SELECT 's'||d||'-'||n, 'd'||d, 'o'||d||'-'||n, 'Name-'||n, \
         'name-'||n, '10.0.0.'||n, 'fe80::'||n, CASE n%10 WHEN 0 THEN 'error' ELSE 'waiting' END, \
         CASE n%10 WHEN 0 THEN 'cutovered' ELSE 'setting' END, 'p'||n%10, 'e'||n%10, '{}', '[]', \
         n, 0, 0, NULL, NULL, 0, 1 FROM @",
        "INSERT INTO source_visits SELECT 's'||d||'-'||n, 'd'||d, n*50 FROM @",
        "INSERT INTO targets SELECT 'v'||d||'-'||n, 'd'||d, '', '{}', n, 1 FROM @",
        "INSERT INTO target_visits SELECT 'v'||d||'-'||n, n FROM @",
        "INSERT INTO tasks (id, domain_id, source_id, target_id, template_id, name, name_folded, \
         state, phase, continuous, launched, checked, body, plan, subtasks, progress, \
         target_report, create_date, generation) SELECT 't'||d||'-'||n, 'd'||d, 's'||d||'-'||n, \
         'v'||d||'-'||n, 'm'||d||'-'||n, 'Name-'||n, 'name-'||n, CASE n%10 WHEN 0 THEN 'RUNNING' \
         ELSE 'READY' END, '', 0, 0, CASE n%10 WHEN 0 THEN 1 ELSE 0 END, '{}', '{}', '{}', '{}', \
         '{}', n, 1 FROM @",
        "INSERT INTO counters SELECT 'd'||d, 'source', 'state'||n, n FROM @",
        "INSERT INTO task_certificates SELECT 't'||d||'-'||n, '{}' FROM @",
        "INSERT INTO task_options SELECT 't'||d||'-'||n, 'A', '', '' FROM @",
        "INSERT INTO consistency_results SELECT 't'||d||'-'||n, n, '{}' FROM @",
        "INSERT INTO boots SELECT 't'||d||'-'||n, 'b'||d||'-'||n, n, '{}', '{}' FROM @",
        "INSERT INTO proofs SELECT 't'||d||'-'||n, 'p'||d||'-'||n, 1, 1 FROM @",
        "INSERT INTO log_archives SELECT 't'||d||'-'||n, 'source', 'share'||d||'-'||n, \
         'l'||d||'-'||n, 1, 1, n, n FROM @",
        "INSERT INTO templates SELECT 'm'||d||'-'||n, 'd'||d, 'Name-'||n, 'name-'||n, 'r', 'z', 0, \
         '{}', NULL, n, 1 FROM @",
        "INSERT INTO migprojects SELECT 'p'||d||'-'||n, 'd'||d, 'p'||n, CASE n WHEN 1 THEN 1 \
         ELSE 0 END, '{}', n, 1 FROM @",
        "INSERT INTO audit SELECT 'a'||d||'-'||n, n*50, 'd'||d, 'u'||n%10, '', '', \
         'trace'||n%10, '', '', 's'||d||'-'||n, 200, '', '', '' FROM @",
        "ANALYZE",
    ];
    let numbers =
        format!("generate_series(1, {DOMAINS}) AS d, generate_series(1, {SOURCES_A_DOMAIN}) AS n");
    for statement in statements {
        let domains = format!("generate_series(1, {DOMAINS}) AS d");
        let rows = if statement.contains("INTO domains") {
            &domains
        } else {
            &numbers
        };
        let text = statement.replace('@', rows);
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(store.pool())
            .await?;
    }
    Ok(())
}
