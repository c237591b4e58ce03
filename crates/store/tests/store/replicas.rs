//! Several control planes over one PostgreSQL.

use rehost_store::{Notification, Store, StoreError, Write};
use rehost_testkit::PostgresCluster;

use crate::rows::{assert_changed, source};
use crate::{Place, on_both};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_may_start_at_once() {
    let place = Place::postgres();
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let database = place.database.clone();
            tokio::spawn(async move { Store::open(&database).await })
        })
        .collect();
    let mut stores = Vec::new();
    for start in starts {
        stores.push(start.await.unwrap().unwrap());
    }
    stores[0].insert_source(&source("s1")).await.unwrap();
    assert!(stores[3].source("s1").await.unwrap().is_some());
    let version = stores[1].server_version().await.unwrap();
    assert!(version.starts_with("PostgreSQL "), "{version}");
    let backup = stores[1].backup_to("/nowhere".as_ref()).await;
    assert!(matches!(backup, Err(StoreError::BackupByPgDump)));
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_tells_the_others_hear_and_a_break_is_told() {
    let mut cluster = PostgresCluster::start().unwrap();
    let database = cluster.database().unwrap().parse().unwrap();
    let store = Store::open(&database).await.unwrap();
    let other = Store::open(&database).await.unwrap();
    let mut told = store.notifications();
    assert_eq!(told.next().await, Notification::Everything);
    other.notify("s1").await.unwrap();
    assert_eq!(told.next().await, Notification::Key("s1".into()));

    cluster.kill().unwrap();
    cluster.restart().unwrap();
    assert_eq!(told.next().await, Notification::Everything);
    // The connections of the pool broke, too, and are replaced one by one as that is found out.
    while other.notify("s2").await.is_err() {}
    assert_eq!(told.next().await, Notification::Key("s2".into()));
    store.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let database = "postgres://rehost:hush@127.0.0.1:1/rehost";
    let error = Store::open(&database.parse().unwrap()).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("127.0.0.1:1/rehost"), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

on_both!(news_come_with_the_change_that_they_are_of_or_not_at_all);

async fn news_come_with_the_change_that_they_are_of_or_not_at_all(store: &Store) {
    store.insert_source(&source("s1")).await.unwrap();
    let row = store.source("s1").await.unwrap().unwrap();
    let mut told = store.notifications();
    assert_eq!(told.next().await, Notification::Everything);

    let change = [Write::UpdateSource(&row), Write::News("s1")];
    store.write(&change).await.unwrap();
    assert_eq!(told.next().await, Notification::Key("s1".into()));
    let late = [Write::News("late"), Write::UpdateSource(&row)];
    assert_changed(store.write(&late).await);
    store.notify("next").await.unwrap();
    assert_eq!(told.next().await, Notification::Key("next".into()));
}

#[tokio::test]
async fn whoever_cannot_keep_up_with_one_process_looks_at_everything() {
    let place = Place::sqlite();
    let store = place.open().await;
    let mut told = store.notifications();
    assert_eq!(told.next().await, Notification::Everything);
    for _ in 0..10_000 {
        store.notify("key").await.unwrap();
    }
    assert_eq!(told.next().await, Notification::Everything);
    assert_eq!(told.next().await, Notification::Key("key".into()));
    store.close().await;
}
