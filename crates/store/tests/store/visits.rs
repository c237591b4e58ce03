//! Heart-beats: seen at once, written together, and nobody's decision.

use std::time::Duration;

use rehost_store::{SourceFilter, Store, StoreOptions, Write};

use crate::rows::source;
use crate::{ALL, Place, on_both};

on_both!(
    a_heart_beat_voids_nobodys_decision,
    what_is_written_is_the_latest_and_only_of_those_that_are_there,
);

async fn a_heart_beat_voids_nobodys_decision(store: &Store) {
    store.insert_source(&source("s1")).await.unwrap();
    let row = store.source("s1").await.unwrap().unwrap();
    store.touch_source("s1", 500);
    store.touch_source("s1", 400);
    store.write(&[Write::UpdateSource(&row)]).await.unwrap();
    let seen = async || store.source("s1").await.unwrap().unwrap().last_visit_time;
    assert_eq!(seen().await, 500);
    store.flush_visits().await.unwrap();
    assert_eq!(seen().await, 500);
    store
        .put_target("d1", "v1", "vault", "{}", 1)
        .await
        .unwrap();
    store.touch_target("v1", 300);
    let target = store.target("v1").await.unwrap().unwrap();
    assert_eq!(target.last_visit_time, 300);
}

/// More at once than one statement takes, some of them of sources that are gone.
async fn what_is_written_is_the_latest_and_only_of_those_that_are_there(store: &Store) {
    for id in ["s1", "s2"] {
        store.insert_source(&source(id)).await.unwrap();
    }
    for number in 0..2500 {
        store.touch_source(&format!("gone-{number}"), 700);
    }
    store.touch_source("s1", 700);
    store.flush_visits().await.unwrap();
    store.touch_source("s1", 600);
    store.touch_source("s2", 600);
    store.flush_visits().await.unwrap();
    let mut filter = SourceFilter::of("d1");
    filter.seen_since = Some(600);
    assert_eq!(store.count_sources(&filter).await.unwrap(), 2);
    filter.seen_since = Some(700);
    assert_eq!(store.sources(&filter, ALL).await.unwrap().0[0].row.id, "s1");

    let row = store.source("s1").await.unwrap().unwrap();
    store.touch_source("s1", 900);
    store.write(&[Write::DeleteSource(&row)]).await.unwrap();
    store.flush_visits().await.unwrap();
    assert_eq!(store.count_sources(&filter).await.unwrap(), 0);
}

async fn last_beats(place: Place) {
    let rarely = StoreOptions {
        flush_interval: Duration::from_secs(3600),
        ..StoreOptions::default()
    };
    let store = Store::open_with(&place.database, rarely).await.unwrap();
    store.insert_source(&source("s1")).await.unwrap();
    store.touch_source("s1", 500);
    store.close().await;
    let store = place.open().await;
    let row = store.source("s1").await.unwrap().unwrap();
    assert_eq!(row.last_visit_time, 500);
    store.close().await;
}

#[tokio::test]
async fn the_last_beats_are_written_at_the_end_on_sqlite() {
    last_beats(Place::sqlite()).await;
}

#[tokio::test]
async fn the_last_beats_are_written_at_the_end_on_postgresql() {
    last_beats(Place::postgres()).await;
}
