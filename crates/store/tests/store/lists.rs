//! Lists: filtered, counted, cut into pages, and of one tenant.

use rehost_store::{ConsistencyRow, Page, SourceFilter, Store, TaskFilter, Write};

use crate::rows::{source, task};
use crate::{ALL, on_both};

on_both!(
    sources_are_filtered_counted_and_cut,
    every_filter_of_sources_finds_its_own,
    sources_are_found_by_their_task,
    tasks_are_filtered_counted_and_cut,
    no_list_crosses_tenants,
);

async fn listed(store: &Store, filter: &SourceFilter, page: Page) -> (String, i64) {
    let (rows, count) = store.sources(filter, page).await.unwrap();
    let ids: Vec<_> = rows.into_iter().map(|it| it.row.id.clone()).collect();
    assert_eq!(store.count_sources(filter).await.unwrap(), count);
    (ids.join(" "), count)
}

/// Sources `s0` to `s4`, of which `s3` is special.
async fn five_sources(store: &Store) {
    for number in 0..5 {
        let mut row = source(&format!("s{number}"));
        row.add_date = number;
        row.last_visit_time = number * 10;
        if number == 3 {
            row.state = "error".into();
            row.name = "50%_off".into();
            row.owner = Some("o3".into());
            row.ip = "10.0.0.3".into();
            row.ipv6 = "fe80::3".into();
            row.migproject = "p3".into();
            row.migration_cycle = "cutovered".into();
            row.enterprise_project = "e3".into();
        }
        store.insert_source(&row).await.unwrap();
    }
}

async fn sources_are_filtered_counted_and_cut(store: &Store) {
    five_sources(store).await;
    let all = SourceFilter::of("d1");
    let page = |limit, offset| Page { limit, offset };
    assert_eq!(listed(store, &all, page(2, 3)).await, ("s3 s4".into(), 5));
    assert_eq!(listed(store, &all, page(2, 9)).await, (String::new(), 5));
    let named = async |name: &str| {
        let mut filter = SourceFilter::of("d1");
        filter.name = Some(name.into());
        listed(store, &filter, ALL).await.0
    };
    assert_eq!(named("name-S1").await, "s1");
    assert_eq!(named("0%_").await, "s3");
    assert_eq!(named("%").await, "s3");
    assert_eq!(named("\\").await, "");
    let seen = async |since, until| {
        let mut filter = SourceFilter::of("d1");
        filter.seen_since = since;
        filter.unseen_since = until;
        listed(store, &filter, ALL).await
    };
    assert_eq!(seen(Some(30), None).await, ("s3 s4".into(), 2));
    assert_eq!(seen(None, Some(30)).await, ("s0 s1 s2".into(), 3));
    assert_eq!(seen(Some(10), Some(20)).await, ("s1".into(), 1));
    let mut failed_lately = SourceFilter::of("d1");
    failed_lately.state = Some("error".into());
    failed_lately.seen_since = Some(40);
    assert_eq!(listed(store, &failed_lately, ALL).await, (String::new(), 0));
}

async fn every_filter_of_sources_finds_its_own(store: &Store) {
    five_sources(store).await;
    let filters: [fn(&mut SourceFilter); 8] = [
        |filter| filter.state = Some("error".into()),
        |filter| filter.id = Some("s3".into()),
        |filter| filter.ip = Some("10.0.0.3".into()),
        |filter| filter.ipv6 = Some("fe80::3".into()),
        |filter| filter.migproject = Some("p3".into()),
        |filter| filter.migration_cycle = Some("cutovered".into()),
        |filter| filter.enterprise_project = Some("e3".into()),
        |filter| filter.owner = Some("o3".into()),
    ];
    let mut all_at_once = SourceFilter::of("d1");
    for change in filters {
        let mut filter = SourceFilter::of("d1");
        change(&mut filter);
        assert_eq!(listed(store, &filter, ALL).await, ("s3".into(), 1));
        filter.domain_id = "d2".into();
        assert_eq!(listed(store, &filter, ALL).await, (String::new(), 0));
        change(&mut all_at_once);
    }
    assert_eq!(listed(store, &all_at_once, ALL).await, ("s3".into(), 1));
    let owned = store.source_of_owner("o3").await.unwrap().unwrap();
    assert_eq!(owned.id, "s3");
}

async fn sources_are_found_by_their_task(store: &Store) {
    five_sources(store).await;
    store
        .put_target("d1", "v1", "vault", "{}", 1)
        .await
        .unwrap();
    let row = task("t1", "s1", Some("v1"));
    store.write(&[Write::InsertTask(&row, "{}")]).await.unwrap();
    let checked = async |found| {
        let mut filter = SourceFilter::of("d1");
        filter.has_consistency_result = Some(found);
        listed(store, &filter, ALL).await
    };
    assert_eq!(checked(true).await, (String::new(), 0));
    let result = ConsistencyRow {
        finished_time: 7,
        result: "{}".into(),
    };
    store
        .insert_consistency_result("t1", &result)
        .await
        .unwrap();
    assert_eq!(checked(true).await, ("s1".into(), 1));
    assert_eq!(checked(false).await, ("s0 s2 s3 s4".into(), 4));
    let mut bound = SourceFilter::of("d1");
    bound.target_id = Some("v1".into());
    assert_eq!(listed(store, &bound, ALL).await, ("s1".into(), 1));

    let all = SourceFilter::of("d1");
    let (rows, _) = store.sources(&all, ALL).await.unwrap();
    let tasks: Vec<_> = rows
        .iter()
        .map(|it| (it.row.id.as_str(), it.task.as_ref().map(|row| row.checked)))
        .collect();
    let expected = [
        ("s0", None),
        ("s1", Some(1)),
        ("s2", None),
        ("s3", None),
        ("s4", None),
    ];
    assert_eq!(tasks, expected);
}

async fn tasks_are_filtered_counted_and_cut(store: &Store) {
    five_sources(store).await;
    for number in 0..5 {
        let mut row = task(&format!("t{number}"), &format!("s{number}"), None);
        row.create_date = number;
        row.state =
            ["READY", "RUNNING", "MIGRATE_FAIL"][usize::try_from(number % 3).unwrap()].into();
        store.write(&[Write::InsertTask(&row, "{}")]).await.unwrap();
    }
    let listed = async |change: fn(&mut TaskFilter), page| {
        let mut filter = TaskFilter::of("d1");
        change(&mut filter);
        let (rows, count) = store.tasks(&filter, page).await.unwrap();
        let ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
        (ids.join(" "), count)
    };
    let middle = Page {
        limit: 2,
        offset: 1,
    };
    assert_eq!(listed(|_| {}, middle).await, ("t1 t2".into(), 5));
    let running = |filter: &mut TaskFilter| filter.states = vec!["RUNNING".into()];
    assert_eq!(listed(running, ALL).await, ("t1 t4".into(), 2));
    let two = |filter: &mut TaskFilter| filter.states = vec!["MIGRATE_FAIL".into(), "READY".into()];
    assert_eq!(listed(two, ALL).await, ("t0 t2 t3".into(), 3));
    let named = |filter: &mut TaskFilter| filter.name = Some("TASK-T2".into());
    assert_eq!(listed(named, ALL).await, ("t2".into(), 1));
    let one = |filter: &mut TaskFilter| filter.id = Some("t2".into());
    assert_eq!(listed(one, ALL).await, ("t2".into(), 1));
    let of_source = |filter: &mut TaskFilter| filter.source_id = Some("s4".into());
    assert_eq!(listed(of_source, ALL).await, ("t4".into(), 1));
    let of_project = |filter: &mut TaskFilter| filter.enterprise_project = Some("e3".into());
    assert_eq!(listed(of_project, ALL).await, ("t3".into(), 1));
    let of_migproject = |filter: &mut TaskFilter| filter.migproject = Some("p3".into());
    assert_eq!(listed(of_migproject, ALL).await, ("t3".into(), 1));
}

async fn no_list_crosses_tenants(store: &Store) {
    five_sources(store).await;
    let mut other = source("other");
    other.domain_id = "d2".into();
    store.insert_source(&other).await.unwrap();
    let mut row = task("t-other", "other", None);
    row.domain_id = "d2".into();
    store.write(&[Write::InsertTask(&row, "{}")]).await.unwrap();
    store
        .put_target("d2", "v2", "vault", "{}", 1)
        .await
        .unwrap();

    let other = SourceFilter::of("d2");
    assert_eq!(listed(store, &other, ALL).await, ("other".into(), 1));
    assert_eq!(listed(store, &SourceFilter::of("d1"), ALL).await.1, 5);
    assert_eq!(store.tasks(&TaskFilter::of("d1"), ALL).await.unwrap().1, 0);
    assert_eq!(store.tasks(&TaskFilter::of("d2"), ALL).await.unwrap().1, 1);
    assert!(store.targets("d1").await.unwrap().is_empty());
    assert_eq!(store.targets("d2").await.unwrap().len(), 1);
    assert_eq!(store.overview("d1").await.unwrap().unconfigured, 5);
    assert_eq!(store.overview("d2").await.unwrap().unconfigured, 0);
    let none = SourceFilter::default();
    assert_eq!(listed(store, &none, ALL).await, (String::new(), 0));
}
