//! Migration projects, templates in lists, and agreements.

use rehost_store::{Page, Store, TemplateFilter, TemplateRow};

use crate::rows::{assert_changed, assert_exists, domain, migproject, source};
use crate::{ALL, on_both};

on_both!(
    a_tenant_has_exactly_one_default_project,
    a_project_with_sources_stays,
    templates_are_filtered_and_names_are_of_their_tenant,
    the_first_agreement_stays,
);

async fn a_tenant_has_exactly_one_default_project(store: &Store) {
    for id in ["d1", "d2"] {
        store.insert_domain(&domain(id)).await.unwrap();
    }
    store
        .insert_migproject(&migproject("b", "d1", 0))
        .await
        .unwrap();
    store
        .insert_migproject(&migproject("c", "d1", 1))
        .await
        .unwrap();
    assert_exists(store.insert_migproject(&migproject("b", "d1", 0)).await);
    let default = async || store.default_migproject("d1").await.unwrap().unwrap().id;
    assert_eq!(default().await, "c");
    let rivals: Vec<_> = ["b", "c", "m-d1", "b", "c", "m-d1"]
        .into_iter()
        .map(|id| {
            let store = store.clone();
            tokio::spawn(async move { store.set_default_migproject("d1", id).await })
        })
        .collect();
    for rival in rivals {
        let done = rival.await.unwrap();
        if done.is_err() {
            assert_changed(done);
        }
    }
    store.set_default_migproject("d1", "b").await.unwrap();
    assert_changed(store.set_default_migproject("d1", "m-d2").await);
    assert_changed(store.set_default_migproject("d1", "none").await);
    assert_eq!(default().await, "b");
    let (rows, count) = store.migprojects("d1", ALL).await.unwrap();
    let defaults = rows.iter().filter(|row| row.is_default == 1).count();
    assert_eq!((count, defaults), (3, 1));
}

async fn a_project_with_sources_stays(store: &Store) {
    store.insert_domain(&domain("d1")).await.unwrap();
    let mut row = migproject("b", "d1", 0);
    store.insert_migproject(&row).await.unwrap();
    let mut in_it = source("s1");
    in_it.migproject = "b".into();
    store.insert_source(&in_it).await.unwrap();
    assert_eq!(store.sources_in_migproject("d1", "b").await.unwrap(), 1);
    assert_eq!(store.sources_in_migproject("d2", "b").await.unwrap(), 0);
    assert_changed(store.delete_migproject(&row).await);
    let default = store.default_migproject("d1").await.unwrap().unwrap();
    assert_changed(store.delete_migproject(&default).await);

    let in_it = store.source("s1").await.unwrap().unwrap();
    let gone = [rehost_store::Write::DeleteSource(&in_it)];
    store.write(&gone).await.unwrap();
    row.name = "other".into();
    store.update_migproject(&row).await.unwrap();
    assert_changed(store.update_migproject(&row).await);
    assert_changed(store.delete_migproject(&row).await);
    let row = store.migproject("b").await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.generation), ("other", 2));
    store.delete_migproject(&row).await.unwrap();
}

async fn templates_are_filtered_and_names_are_of_their_tenant(store: &Store) {
    let template = |id: &str, domain_id: &str, zone: &str| TemplateRow {
        id: id.into(),
        domain_id: domain_id.into(),
        name: format!("Ärmel-{}", id.get(1..).unwrap()),
        region: "r".into(),
        availability_zone: zone.into(),
        is_template: 0,
        body: "{}".into(),
        target_password: None,
        create_date: 1,
        generation: 1,
    };
    for (id, domain_id, zone) in [("a1", "d1", "x"), ("a2", "d1", "y"), ("b1", "d2", "x")] {
        let row = template(id, domain_id, zone);
        store.insert_template(&row).await.unwrap();
    }
    let mut taken = template("a3", "d1", "x");
    taken.name = "Ärmel-1".into();
    assert_exists(store.insert_template(&taken).await);
    let listed = async |change: fn(&mut TemplateFilter), page| {
        let mut filter = TemplateFilter::of("d1");
        change(&mut filter);
        let (rows, count) = store.templates(&filter, page).await.unwrap();
        let ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
        (ids.join(" "), count)
    };
    let second = Page {
        limit: 1,
        offset: 1,
    };
    assert_eq!(listed(|_| {}, second).await, ("a2".into(), 2));
    // SQLite itself would not know that these are the same letter.
    let named = listed(|filter| filter.name = Some("äRMEL".into()), ALL).await;
    assert_eq!(named, ("a1 a2".into(), 2));
    let zone = listed(|filter| filter.availability_zone = Some("y".into()), ALL).await;
    assert_eq!(zone, ("a2".into(), 1));
    let id = listed(|filter| filter.id = Some("b1".into()), ALL).await;
    assert_eq!(id, (String::new(), 0));
}

async fn the_first_agreement_stays(store: &Store) {
    assert!(store.privacy_agreement("d1").await.unwrap().is_none());
    store.put_privacy_agreement("d1", "anna", 5).await.unwrap();
    store.put_privacy_agreement("d1", "otto", 6).await.unwrap();
    let agreed = store.privacy_agreement("d1").await.unwrap().unwrap();
    assert_eq!((agreed.user_id.as_str(), agreed.agreed_at), ("anna", 5));
    assert!(store.privacy_agreement("d2").await.unwrap().is_none());
}
