//! Join tokens and identities.

use rehost_store::{IdentityRow, JoinTokenRow, Store, StoreError};

use crate::on_both;
use crate::rows::assert_changed;

on_both!(
    of_many_holders_of_one_join_token_exactly_one_gets_through,
    a_join_token_is_good_for_its_role_its_domain_and_its_time,
);

fn token(role: &str) -> JoinTokenRow {
    JoinTokenRow {
        secret_hash: "h".into(),
        domain_id: "d1".into(),
        role: role.into(),
        expires_at: 100,
        used_by: None,
    }
}

fn identity(id: &str, role: &str) -> IdentityRow {
    IdentityRow {
        id: id.into(),
        domain_id: "d1".into(),
        role: role.into(),
        name: "n".into(),
        fingerprint: format!("f-{id}"),
        create_date: 1,
    }
}

async fn of_many_holders_of_one_join_token_exactly_one_gets_through(store: &Store) {
    store.insert_join_token(&token("source"), 0).await.unwrap();
    let rivals: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let identity = identity(&format!("i{number}"), "source");
                store.join("h", &identity, 50).await.map(|()| identity.id)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for rival in rivals {
        match rival.await.unwrap() {
            Ok(id) => winners.push(id),
            Err(error) => assert!(matches!(error, StoreError::Changed { .. }), "{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let used_by = store.join_token("h").await.unwrap().unwrap().used_by;
    assert_eq!(used_by.as_ref(), winners.first());
}

async fn a_join_token_is_good_for_its_role_its_domain_and_its_time(store: &Store) {
    store.insert_join_token(&token("target"), 0).await.unwrap();
    let right = identity("i", "target");
    let foreign = IdentityRow {
        domain_id: "d2".into(),
        ..right.clone()
    };
    assert_changed(store.join("h", &identity("i", "source"), 50).await);
    assert_changed(store.join("h", &foreign, 50).await);
    assert_changed(store.join("h", &right, 100).await);
    assert_changed(store.join("other", &right, 50).await);
    store.join("h", &right, 99).await.unwrap();
    let known = store.identity_by_fingerprint("f-i").await.unwrap();
    assert_eq!(known.as_ref(), Some(&right));
    assert!(store.delete_target("i").await.unwrap());
    assert!(
        store
            .identity_by_fingerprint("f-i")
            .await
            .unwrap()
            .is_none()
    );
}
