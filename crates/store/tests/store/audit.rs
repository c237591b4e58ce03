//! The audit log: filtered, exported whole, shortened.

use rehost_store::{AuditFilter, AuditRow, Page, Store};

use crate::rows::assert_exists;
use crate::{ALL, on_both};

on_both!(
    entries_are_filtered_newest_first,
    an_export_is_whole_and_the_log_is_shortened,
);

fn entry(number: i64) -> AuditRow {
    AuditRow {
        id: format!("a{number:05}"),
        time: number,
        domain_id: "d1".into(),
        user_id: format!("u{}", number % 2),
        user_name: "anna".into(),
        role: "operator".into(),
        trace: format!("trace{}", number % 3),
        method: "POST".into(),
        path: "/v3/tasks".into(),
        object_id: format!("o{number}"),
        status: 200,
        error_code: String::new(),
        request_id: "r".into(),
        address: "192.0.2.1".into(),
    }
}

async fn entries_are_filtered_newest_first(store: &Store) {
    let rows: Vec<_> = (0..6).map(entry).collect();
    store.insert_audit(&rows).await.unwrap();
    store.insert_audit(&[]).await.unwrap();
    let mut foreign = entry(9);
    foreign.domain_id = "d2".into();
    // One of the two is there already, so none is added.
    let both = [foreign.clone(), entry(1)];
    assert_exists(store.insert_audit(&both).await);
    store.insert_audit(&[foreign]).await.unwrap();
    let listed = async |change: fn(&mut AuditFilter), page| {
        let mut filter = AuditFilter::of("d1");
        change(&mut filter);
        let (rows, count) = store.audit(&filter, page).await.unwrap();
        let times: Vec<_> = rows.into_iter().map(|row| row.time).collect();
        (times, count)
    };
    let second = Page {
        limit: 2,
        offset: 2,
    };
    assert_eq!(listed(|_| {}, second).await, (vec![3, 2], 6));
    let user = |filter: &mut AuditFilter| filter.user = Some("u1".into());
    assert_eq!(listed(user, ALL).await, (vec![5, 3, 1], 3));
    let trace = |filter: &mut AuditFilter| filter.trace = Some("trace0".into());
    assert_eq!(listed(trace, ALL).await, (vec![3, 0], 2));
    let object = |filter: &mut AuditFilter| filter.object_id = Some("o4".into());
    assert_eq!(listed(object, ALL).await, (vec![4], 1));
    let times = |filter: &mut AuditFilter| (filter.from, filter.to) = (Some(2), Some(4));
    assert_eq!(listed(times, ALL).await, (vec![3, 2], 2));
    assert_eq!(store.audit(&AuditFilter::of("d2"), ALL).await.unwrap().1, 1);
}

/// More than one statement takes.
async fn an_export_is_whole_and_the_log_is_shortened(store: &Store) {
    let rows: Vec<_> = (0..1201).map(entry).collect();
    store.insert_audit(&rows).await.unwrap();
    let filter = AuditFilter::of("d1");
    let (mut exported, mut after) = (Vec::new(), String::new());
    loop {
        let next = store.audit_after(&filter, &after, 500).await.unwrap();
        let Some(last) = next.last() else { break };
        after.clone_from(&last.id);
        exported.extend(next);
    }
    assert_eq!(exported, rows);
    assert_eq!(store.delete_audit_before(1200).await.unwrap(), 1200);
    assert_eq!(store.audit(&filter, ALL).await.unwrap().0, [entry(1200)]);
}
