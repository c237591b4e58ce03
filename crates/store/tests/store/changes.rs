//! Compare-and-set, sets of changes, and many writers at once.

use rehost_store::{Store, StoreError, Write};

use crate::on_both;
use crate::rows::{assert_changed, assert_exists, source, task};

on_both!(
    of_two_who_read_the_same_row_the_second_to_write_is_told,
    a_set_of_changes_is_made_whole_or_not_at_all,
    rivals_who_read_again_all_get_their_turn,
    a_change_that_fails_harms_no_neighbour,
    what_goes_wrong_in_two_rows_takes_both_back,
);

async fn of_two_who_read_the_same_row_the_second_to_write_is_told(store: &Store) {
    store.insert_source(&source("s1")).await.unwrap();
    assert_exists(store.insert_source(&source("s1")).await);
    let mut one = store.source("s1").await.unwrap().unwrap();
    let mut other = one.clone();
    one.state = "initialize".into();
    other.state = "error".into();
    store.write(&[Write::UpdateSource(&one)]).await.unwrap();
    assert_changed(store.write(&[Write::UpdateSource(&other)]).await);
    assert_changed(store.write(&[Write::DeleteSource(&other)]).await);
    let now = store.source("s1").await.unwrap().unwrap();
    assert_eq!((now.state.as_str(), now.generation), ("initialize", 2));
}

async fn a_set_of_changes_is_made_whole_or_not_at_all(store: &Store) {
    store.insert_source(&source("s1")).await.unwrap();
    let mut row = store.source("s1").await.unwrap().unwrap();
    row.state = "initialize".into();
    let stale = task("none", "s1", None);
    assert_changed(
        store
            .write(&[Write::UpdateSource(&row), Write::UpdateTask(&stale)])
            .await,
    );
    assert_eq!(store.source("s1").await.unwrap().unwrap().state, "waiting");
    let overview = store.overview("d1").await.unwrap();
    assert_eq!(overview.states, [("waiting".to_owned(), 1)]);
}

async fn rivals_who_read_again_all_get_their_turn(store: &Store) {
    store.insert_source(&source("s1")).await.unwrap();
    let rivals: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let mut row = store.source("s1").await.unwrap().unwrap();
                    row.command_generation += 1;
                    match store.write(&[Write::UpdateSource(&row)]).await {
                        Ok(()) => return,
                        Err(StoreError::Changed { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            })
        })
        .collect();
    for rival in rivals {
        rival.await.unwrap();
    }
    let row = store.source("s1").await.unwrap().unwrap();
    assert_eq!((row.command_generation, row.generation), (8, 9));
}

/// A thousand changes at once, of which every third cannot be made.
async fn a_change_that_fails_harms_no_neighbour(store: &Store) {
    let changes: Vec<_> = (0..1000)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                if number % 3 == 0 {
                    let unknown = source("unknown");
                    let done = store.write(&[Write::UpdateSource(&unknown)]).await;
                    assert_changed(done);
                } else {
                    let mut row = source(&format!("s{number}"));
                    row.state = format!("state-{}", number % 3);
                    store.insert_source(&row).await.unwrap();
                }
            })
        })
        .collect();
    for change in changes {
        change.await.unwrap();
    }
    let overview = store.overview("d1").await.unwrap();
    let counted = [("state-1".to_owned(), 333), ("state-2".to_owned(), 333)];
    assert_eq!(overview.states, counted);
    assert_eq!(overview.unconfigured, 666);
}

/// Two who change the same two rows in opposite order: on PostgreSQL a deadlock, which one of them
/// loses, tries again and gets through.
async fn what_goes_wrong_in_two_rows_takes_both_back(store: &Store) {
    for id in ["s1", "s2"] {
        store.insert_source(&source(id)).await.unwrap();
    }
    let writers: Vec<_> = [["s1", "s2"], ["s2", "s1"]]
        .into_iter()
        .map(|[first, second]| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    loop {
                        let mut one = store.source(first).await.unwrap().unwrap();
                        let mut two = store.source(second).await.unwrap().unwrap();
                        one.command_generation += 1;
                        two.command_generation += 1;
                        let both = [Write::UpdateSource(&one), Write::UpdateSource(&two)];
                        match store.write(&both).await {
                            Ok(()) => break,
                            Err(StoreError::Changed { .. }) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for id in ["s1", "s2"] {
        let row = store.source(id).await.unwrap().unwrap();
        assert_eq!((row.command_generation, row.generation), (40, 41));
    }
}
