//! SQLite's files: private, of one control plane, and copied while in use.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rehost_store::{Database, Store, StoreError, StoreOptions};

use crate::Place;
use crate::rows::source;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn everything_is_there_after_opening_again_and_nobody_else_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().join("rehost.db"));
    let store = Store::open(&database).await.unwrap();
    store.insert_source(&source("s1")).await.unwrap();
    let setting = async |store: &Store, value: &str| {
        let made = value.to_owned();
        store.setting_or("domain", || made).await.unwrap()
    };
    assert_eq!(setting(&store, "one").await, "one");
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
    assert!(store.insert_source(&source("s2")).await.is_err());

    let store = Store::open(&database).await.unwrap();
    assert_eq!(store.source("s1").await.unwrap(), Some(source("s1")));
    assert_eq!(setting(&store, "two").await, "one");
    assert!(
        store
            .server_version()
            .await
            .unwrap()
            .starts_with("SQLite 3")
    );
    store.close().await;
}

#[tokio::test]
async fn a_second_control_plane_is_refused_and_a_tool_beside_it_is_not() {
    let place = Place::sqlite();
    let store = place.open().await;
    let second = Store::open(&place.database).await;
    assert!(
        matches!(second, Err(StoreError::InUse { .. })),
        "{second:?}"
    );
    let beside = StoreOptions {
        exclusive: false,
        ..StoreOptions::default()
    };
    let tool = Store::open_with(&place.database, beside).await.unwrap();
    tool.check().await.unwrap();
    tool.close().await;
    store.close().await;
    place.open().await.close().await;
}

#[tokio::test]
async fn a_backup_is_whole_and_private_and_replaces_the_one_before() {
    let place = Place::sqlite();
    let store = place.open().await;
    store.insert_source(&source("s1")).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("copy of 'rehost'.db");
    store.backup_to(&path).await.unwrap();
    store.insert_source(&source("s2")).await.unwrap();
    store.touch_source("s2", 500);
    store.backup_to(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    store.close().await;

    let copy = Store::open(&Database::Sqlite(path)).await.unwrap();
    copy.check().await.unwrap();
    let row = copy.source("s2").await.unwrap().unwrap();
    assert_eq!(row.last_visit_time, 500);
    copy.close().await;

    let nowhere = directory.path().join("none").join("copy.db");
    let store = place.open().await;
    let done = store.backup_to(&nowhere).await;
    assert!(matches!(done, Err(StoreError::OpenFile { .. })), "{done:?}");
    store.close().await;
}
