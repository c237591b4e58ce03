//! Tenants, their people, keys and tokens.

use rehost_store::{Store, TokenRow};

use crate::on_both;
use crate::rows::{access_key, assert_changed, assert_exists, domain, user};

on_both!(
    a_tenant_begins_whole_or_not_at_all,
    names_are_of_their_tenant,
    keys_and_tokens_come_with_their_user_and_say_nothing_secret,
    rivals_who_guess_are_counted_one_by_one,
);

async fn a_tenant_begins_whole_or_not_at_all(store: &Store) {
    assert_eq!(store.user_count().await.unwrap(), 0);
    store.insert_domain(&domain("d1")).await.unwrap();
    let mut second = domain("d2");
    second.key = Some(access_key("k-d1", "u-d2"));
    assert_exists(store.insert_domain(&second).await);
    assert!(store.domain("d2").await.unwrap().is_none());
    assert!(store.project("p-d2").await.unwrap().is_none());
    assert_eq!(store.user_count().await.unwrap(), 1);
    let found = store.domain_by_name("domain-d1").await.unwrap();
    assert_eq!(found, Some(domain("d1").domain));
    let project = store.project_by_name("d1", "main").await.unwrap();
    assert_eq!(project, Some(domain("d1").project));
    assert_eq!(store.domains().await.unwrap().len(), 1);
    assert_eq!(store.projects("d1").await.unwrap().len(), 1);
}

async fn names_are_of_their_tenant(store: &Store) {
    for id in ["d1", "d2"] {
        store.insert_domain(&domain(id)).await.unwrap();
    }
    assert_exists(store.insert_user(&user("u3", "d1")).await);
    assert_changed(store.insert_user(&user("u3", "none")).await);
    let found = store.user_by_name("d2", "administrator").await.unwrap();
    assert_eq!(found, Some(user("u-d2", "d2")));
    let mut changed = user("u-d2", "d2");
    changed.name = "Anna".into();
    changed.role = "readonly".into();
    changed.enabled = 0;
    store.update_user(&changed).await.unwrap();
    assert_eq!(store.users("d2").await.unwrap(), [changed]);
    assert!(store.delete_user("u-d2").await.unwrap());
    assert!(!store.delete_user("u-d2").await.unwrap());
    assert_changed(store.update_user(&user("u-d2", "d2")).await);
    assert!(store.access_key("k-d2").await.unwrap().is_none());
    assert_eq!(store.users("d1").await.unwrap().len(), 1);
}

async fn keys_and_tokens_come_with_their_user_and_say_nothing_secret(store: &Store) {
    store.insert_domain(&domain("d1")).await.unwrap();
    let (user, key) = (user("u-d1", "d1"), access_key("k-d1", "u-d1"));
    assert!(!format!("{user:?}{key:?}").contains("hush"));
    let found = store.access_key("k-d1").await.unwrap();
    assert_eq!(found, Some((key.clone(), user.clone())));
    assert_eq!(store.access_key("K-D1").await.unwrap(), None);
    store
        .insert_access_key(&access_key("k2", "u-d1"))
        .await
        .unwrap();
    assert_exists(store.insert_access_key(&key).await);
    let mut off = access_key("k2", "u-d1");
    off.enabled = 0;
    off.description = "old".into();
    assert!(store.update_access_key(&off).await.unwrap());
    assert_eq!(store.access_keys("u-d1").await.unwrap(), [key, off]);
    assert!(!store.delete_access_key("somebody", "k2").await.unwrap());
    assert!(store.delete_access_key("u-d1", "k2").await.unwrap());

    let token = |hash: &str, issued_at| TokenRow {
        token_hash: hash.into(),
        user_id: "u-d1".into(),
        scope: "{}".into(),
        issued_at,
        expires_at: issued_at + 10,
    };
    for (hash, issued_at) in [("a", 1), ("b", 100), ("c", 100)] {
        store.insert_token(&token(hash, issued_at)).await.unwrap();
    }
    assert_eq!(store.delete_expired_tokens(50).await.unwrap(), 1);
    assert!(store.token("a").await.unwrap().is_none());
    let found = store.token("b").await.unwrap();
    assert_eq!(found, Some((token("b", 100), user)));
    assert!(store.delete_token("b").await.unwrap());
    assert!(!store.delete_token("b").await.unwrap());
    assert_eq!(store.delete_tokens_of_user("u-d1").await.unwrap(), 1);
}

async fn rivals_who_guess_are_counted_one_by_one(store: &Store) {
    store.insert_domain(&domain("d1")).await.unwrap();
    let guesses: Vec<_> = (0..7)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store.note_login_failure("u-d1", 5, 900).await.unwrap();
                store.note_key_failure("k-d1", 5, 900).await.unwrap();
            })
        })
        .collect();
    for guess in guesses {
        guess.await.unwrap();
    }
    let (key, user) = store.access_key("k-d1").await.unwrap().unwrap();
    assert_eq!((user.failures, user.locked_until), (2, 900));
    assert_eq!((key.failures, key.locked_until), (2, 900));
    store.note_login_ok(&user).await.unwrap();
    store.note_key_ok(&key).await.unwrap();
    let (key, user) = store.access_key("k-d1").await.unwrap().unwrap();
    assert_eq!((user.failures, user.locked_until), (0, 0));
    assert_eq!((key.failures, key.locked_until), (0, 0));
}
