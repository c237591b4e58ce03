//! Leases: one holder at a time.

use rehost_store::Store;

use crate::on_both;

on_both!(
    of_rivals_one_holds_the_lease,
    a_lease_ends_unless_it_is_renewed
);

async fn of_rivals_one_holds_the_lease(store: &Store) {
    let rivals: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            let holder = format!("h{number}");
            tokio::spawn(async move { store.acquire_lease("work", &holder, 0, 10).await.unwrap() })
        })
        .collect();
    let mut holders = 0;
    for rival in rivals {
        holders += i32::from(rival.await.unwrap());
    }
    assert_eq!(holders, 1);
    assert!(store.acquire_lease("other", "h99", 0, 10).await.unwrap());
}

async fn a_lease_ends_unless_it_is_renewed(store: &Store) {
    let acquire = async |holder, now| store.acquire_lease("work", holder, now, 10).await.unwrap();
    let renew = async |holder, now| store.renew_lease("work", holder, now, 10).await.unwrap();
    assert!(acquire("a", 0).await);
    assert!(!acquire("b", 9).await);
    assert!(renew("a", 9).await);
    assert!(!renew("b", 9).await);
    assert!(!acquire("b", 18).await);
    assert!(acquire("b", 19).await);
    assert!(!renew("a", 20).await, "it is somebody else's");
    assert!(acquire("b", 20).await, "it is its own");
    assert!(!renew("b", 30).await, "it is over");
    assert!(acquire("c", 30).await);
    store.release_lease("work", "b").await.unwrap();
    assert!(!acquire("a", 31).await);
    store.release_lease("work", "c").await.unwrap();
    assert!(acquire("a", 31).await);
}
