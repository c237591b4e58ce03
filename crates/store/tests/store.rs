//! What callers rely on: nothing is lost, nothing is done twice, and of rivals one wins.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::os::unix::fs::PermissionsExt as _;

use rehost_store::{
    AccessKeyRow, ConsistencyRow, IdentityRow, JoinTokenRow, OptionRow, Page, ProofRow,
    SourceFilter, SourceRow, Store, StoreError, TaskFilter, TaskRow, TokenRow, UserRow, Write,
};

const ALL: Page = Page {
    limit: 100,
    offset: 0,
};

async fn scratch() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_sqlite(&directory.path().join("a b?#%.db"))
        .await
        .unwrap();
    (directory, store)
}

fn source(id: &str) -> SourceRow {
    SourceRow {
        id: id.into(),
        owner: None,
        name: format!("Name-{id}"),
        ip: "10.0.0.1".into(),
        ipv6: String::new(),
        state: "waiting".into(),
        migration_cycle: "setting".into(),
        migproject: String::new(),
        enterprise_project: "0".into(),
        inventory: "{}".into(),
        checks: "[]".into(),
        add_date: 1,
        state_action_time: 1,
        stage_action_time: 1,
        last_visit_time: 1,
        command_name: None,
        command_param: None,
        command_generation: 0,
        generation: 1,
    }
}

fn task(id: &str, source_id: &str, target_id: Option<&str>) -> TaskRow {
    TaskRow {
        id: id.into(),
        source_id: source_id.into(),
        target_id: target_id.map(str::to_owned),
        name: format!("task-{id}"),
        state: "READY".into(),
        phase: "replicate".into(),
        continuous: 0,
        launched: 0,
        body: "{}".into(),
        plan: "[]".into(),
        subtasks: "[]".into(),
        progress: "{}".into(),
        error_json: None,
        target_report: "{}".into(),
        create_date: 1,
        start_date: None,
        finish_date: None,
        generation: 1,
    }
}

#[tokio::test]
async fn everything_is_there_after_opening_again_and_nobody_else_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rehost.db");
    let store = Store::open_sqlite(&path).await.unwrap();
    store.insert_source(&source("s1")).await.unwrap();
    assert_eq!(
        store.setting_or("domain", || "one".into()).await.unwrap(),
        "one"
    );
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    store.close().await;

    let store = Store::open_sqlite(&path).await.unwrap();
    assert_eq!(store.source("s1").await.unwrap().unwrap(), source("s1"));
    assert_eq!(
        store.setting_or("domain", || "two".into()).await.unwrap(),
        "one"
    );
}

#[tokio::test]
async fn of_two_who_read_the_same_row_the_second_to_write_is_told() {
    let (_directory, store) = scratch().await;
    store.insert_source(&source("s1")).await.unwrap();
    let mut one = store.source("s1").await.unwrap().unwrap();
    let mut other = one.clone();
    one.state = "initialize".into();
    other.state = "error".into();
    store.write(&[Write::UpdateSource(&one)]).await.unwrap();
    let error = store
        .write(&[Write::UpdateSource(&other)])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
    let now = store.source("s1").await.unwrap().unwrap();
    assert_eq!((now.state.as_str(), now.generation), ("initialize", 2));
}

#[tokio::test]
async fn a_heart_beat_voids_nobodys_decision() {
    let (_directory, store) = scratch().await;
    store.insert_source(&source("s1")).await.unwrap();
    let row = store.source("s1").await.unwrap().unwrap();
    store.touch_source("s1", 500).await.unwrap();
    store.touch_source("s1", 400).await.unwrap();
    store.write(&[Write::UpdateSource(&row)]).await.unwrap();
    assert_eq!(
        store.source("s1").await.unwrap().unwrap().last_visit_time,
        500
    );
}

#[tokio::test]
async fn a_set_of_changes_is_made_whole_or_not_at_all() {
    let (_directory, store) = scratch().await;
    store.insert_source(&source("s1")).await.unwrap();
    let mut row = store.source("s1").await.unwrap().unwrap();
    row.state = "initialize".into();
    let stale = task("none", "s1", None);
    let error = store
        .write(&[Write::UpdateSource(&row), Write::UpdateTask(&stale)])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }));
    assert_eq!(store.source("s1").await.unwrap().unwrap().state, "waiting");
}

#[tokio::test]
async fn a_source_has_one_task_and_goes_only_without_it() {
    let (_directory, store) = scratch().await;
    store.insert_source(&source("s1")).await.unwrap();
    store.put_target("v1", "vault", "{}", 1).await.unwrap();
    let first = task("t1", "s1", Some("v1"));
    store
        .write(&[
            Write::InsertTask(&first, "{}"),
            Write::TargetChanged("v1", Some(1)),
        ])
        .await
        .unwrap();
    let stale = [Write::TargetChanged("v1", Some(1))];
    assert!(matches!(
        store.write(&stale).await,
        Err(StoreError::Changed { .. })
    ));
    let error = store
        .write(&[Write::InsertTask(&task("t2", "s1", None), "{}")])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error:?}");

    let row = store.source("s1").await.unwrap().unwrap();
    let error = store.write(&[Write::DeleteSource(&row)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
    assert!(
        store.delete_target("v1").await.is_err(),
        "a task is bound to it"
    );
    assert_eq!(store.target("v1").await.unwrap().unwrap().generation, 2);
    assert_eq!(
        store.tasks_of_target("v1").await.unwrap(),
        std::slice::from_ref(&first)
    );

    store.put_report("t1", "{}").await.unwrap();
    store
        .write(&[Write::DeleteTask(&first), Write::DeleteSource(&row)])
        .await
        .unwrap();
    assert!(store.task("t1").await.unwrap().is_none());
    assert!(store.report("t1").await.unwrap().is_none());
    assert!(store.task_certificates("t1").await.unwrap().is_none());
    assert!(store.delete_target("v1").await.unwrap());
    assert!(!store.delete_target("v1").await.unwrap());
}

#[tokio::test]
async fn a_task_for_a_source_that_is_gone_is_a_lost_race() {
    let (_directory, store) = scratch().await;
    let error = store
        .write(&[Write::InsertTask(&task("t1", "s1", None), "{}")])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_holders_of_one_join_token_exactly_one_gets_through() {
    let (_directory, store) = scratch().await;
    let token = JoinTokenRow {
        secret_hash: "h".into(),
        role: "source".into(),
        expires_at: 100,
        used_by: None,
    };
    store.insert_join_token(&token, 0).await.unwrap();
    let rivals: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let identity = IdentityRow {
                    id: format!("i{number}"),
                    role: "source".into(),
                    name: "n".into(),
                    fingerprint: format!("f{number}"),
                    create_date: 1,
                };
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
    assert_eq!(
        store
            .join_token("h")
            .await
            .unwrap()
            .unwrap()
            .used_by
            .as_ref(),
        winners.first()
    );
}

#[tokio::test]
async fn a_join_token_is_good_for_its_role_and_its_time() {
    let (_directory, store) = scratch().await;
    let token = JoinTokenRow {
        secret_hash: "h".into(),
        role: "target".into(),
        expires_at: 100,
        used_by: None,
    };
    store.insert_join_token(&token, 0).await.unwrap();
    let identity = |role: &str| IdentityRow {
        id: "i".into(),
        role: role.into(),
        name: "n".into(),
        fingerprint: "f".into(),
        create_date: 1,
    };
    assert!(store.join("h", &identity("source"), 50).await.is_err());
    assert!(store.join("h", &identity("target"), 100).await.is_err());
    assert!(store.join("other", &identity("target"), 50).await.is_err());
    store.join("h", &identity("target"), 99).await.unwrap();
    assert_eq!(
        store
            .identity_by_fingerprint("f")
            .await
            .unwrap()
            .unwrap()
            .role,
        "target"
    );
    assert!(store.delete_target("i").await.unwrap());
    assert!(store.identity_by_fingerprint("f").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rivals_who_read_again_all_get_their_turn() {
    let (_directory, store) = scratch().await;
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

#[tokio::test]
async fn lists_are_filtered_counted_and_cut() {
    let (_directory, store) = scratch().await;
    for number in 0..5 {
        let mut row = source(&format!("s{number}"));
        row.add_date = number;
        row.last_visit_time = number * 10;
        if number == 3 {
            row.state = "error".into();
            row.name = "50%_off".into();
        }
        store.insert_source(&row).await.unwrap();
    }
    let listed = async |filter: SourceFilter, page: Page| {
        let (rows, count) = store.sources(&filter, page).await.unwrap();
        (
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>(),
            count,
        )
    };
    let any = SourceFilter::default;
    assert_eq!(
        listed(
            any(),
            Page {
                limit: 2,
                offset: 3
            }
        )
        .await
        .0,
        ["s3", "s4"]
    );
    assert_eq!(
        listed(
            any(),
            Page {
                limit: 2,
                offset: 3
            }
        )
        .await
        .1,
        5
    );
    assert_eq!(
        listed(
            any(),
            Page {
                limit: 2,
                offset: 9
            }
        )
        .await,
        (vec![], 5)
    );
    let named = |name: &str| SourceFilter {
        name: Some(name.into()),
        ..any()
    };
    assert_eq!(listed(named("name-S1"), ALL).await.0, ["s1"]);
    assert_eq!(listed(named("0%_"), ALL).await.0, ["s3"]);
    assert_eq!(listed(named("%"), ALL).await.0, ["s3"]);
    let seen = SourceFilter {
        seen_since: Some(30),
        ..any()
    };
    assert_eq!(listed(seen, ALL).await.0, ["s3", "s4"]);
    let unseen = SourceFilter {
        unseen_since: Some(30),
        ..any()
    };
    assert_eq!(listed(unseen, ALL).await.0, ["s0", "s1", "s2"]);
    let failed = SourceFilter {
        state: Some("error".into()),
        ..any()
    };
    assert_eq!(listed(failed, ALL).await, (vec!["s3".into()], 1));

    store.put_target("v1", "vault", "{}", 1).await.unwrap();
    store
        .write(&[Write::InsertTask(&task("t1", "s1", Some("v1")), "{}")])
        .await
        .unwrap();
    let checked = |found| SourceFilter {
        has_consistency_result: Some(found),
        ..any()
    };
    assert_eq!(listed(checked(true), ALL).await.1, 0);
    for finished_time in [7, 8] {
        let row = ConsistencyRow {
            finished_time,
            result: "{}".into(),
        };
        store.insert_consistency_result("t1", &row).await.unwrap();
    }
    assert_eq!(listed(checked(true), ALL).await.0, ["s1"]);
    assert_eq!(listed(checked(false), ALL).await.1, 4);
    let bound = SourceFilter {
        target_id: Some("v1".into()),
        ..any()
    };
    assert_eq!(listed(bound, ALL).await.0, ["s1"]);
    let newest = &store.consistency_results("t1").await.unwrap()[0];
    assert_eq!(newest.finished_time, 8);

    let of_source = |id: &str| TaskFilter {
        source_id: Some(id.into()),
        ..TaskFilter::default()
    };
    assert_eq!(store.tasks(&of_source("s1"), ALL).await.unwrap().1, 1);
    assert_eq!(store.tasks(&of_source("s2"), ALL).await.unwrap().1, 0);
    let project = TaskFilter {
        enterprise_project: Some("0".into()),
        ..TaskFilter::default()
    };
    assert_eq!(store.tasks(&project, ALL).await.unwrap().0[0].id, "t1");
}

#[tokio::test]
async fn options_are_merged_and_speed_windows_replaced() {
    let (_directory, store) = scratch().await;
    store.insert_source(&source("s1")).await.unwrap();
    store
        .write(&[Write::InsertTask(&task("t1", "s1", None), "{}")])
        .await
        .unwrap();
    let option = |key: &str, value: &str| OptionRow {
        config_key: key.into(),
        config_value: value.into(),
        config_status: String::new(),
    };
    store
        .put_options("t1", &[option("A", "1"), option("B", "2")])
        .await
        .unwrap();
    store.put_options("t1", &[option("B", "3")]).await.unwrap();
    assert_eq!(
        store.options("t1", None).await.unwrap(),
        [option("A", "1"), option("B", "3")]
    );
    assert_eq!(
        store.options("t1", Some("B")).await.unwrap(),
        [option("B", "3")]
    );
    assert!(
        store
            .put_options("gone", &[option("A", "1")])
            .await
            .is_err()
    );

    assert!(store.speed_limits("t1").await.unwrap().is_none());
    store.put_speed_limits("t1", "[1]").await.unwrap();
    store.put_speed_limits("t1", "[]").await.unwrap();
    assert_eq!(
        store.speed_limits("t1").await.unwrap().as_deref(),
        Some("[]")
    );
}

#[tokio::test]
async fn a_proof_is_replaced_at_once_and_leftovers_go() {
    let (_directory, store) = scratch().await;
    store.insert_source(&source("s1")).await.unwrap();
    store
        .write(&[Write::InsertTask(&task("t1", "s1", None), "{}")])
        .await
        .unwrap();
    let proof = |upload: &str, parts| ProofRow {
        upload: upload.into(),
        parts,
        size_bytes: 3,
    };
    store
        .put_proof_part("t1", "u1", 0, vec![0, 255, 7])
        .await
        .unwrap();
    assert!(
        store.proof("t1").await.unwrap().is_none(),
        "not in force yet"
    );
    store.finish_proof("t1", &proof("u1", 1)).await.unwrap();

    store.put_proof_part("t1", "u2", 0, vec![]).await.unwrap();
    store.drop_unfinished_proofs().await.unwrap();
    assert!(
        store.proof_part("u2", 0).await.is_err(),
        "it came to nothing"
    );
    assert_eq!(store.proof("t1").await.unwrap().unwrap(), proof("u1", 1));
    assert_eq!(store.proof_part("u1", 0).await.unwrap(), [0, 255, 7]);

    store.put_proof_part("t1", "u3", 0, vec![1]).await.unwrap();
    store.finish_proof("t1", &proof("u3", 1)).await.unwrap();
    assert!(store.proof_part("u1", 0).await.is_err());
    assert_eq!(store.proof_part("u3", 0).await.unwrap(), [1]);
}

#[tokio::test]
async fn people_keys_and_tokens_are_found_and_say_nothing_secret() {
    let (_directory, store) = scratch().await;
    assert_eq!(store.user_count().await.unwrap(), 0);
    let user = UserRow {
        id: "u".into(),
        name: "administrator".into(),
        password_hash: "hush".into(),
        create_date: 1,
    };
    let key = AccessKeyRow {
        access_key: "AK".into(),
        secret_key: "hush".into(),
        user_id: "u".into(),
        create_date: 1,
    };
    store.insert_user(&user, &key).await.unwrap();
    assert!(matches!(
        store.insert_user(&user, &key).await,
        Err(StoreError::Exists { .. })
    ));
    assert!(!format!("{user:?}{key:?}").contains("hush"));
    assert_eq!(
        store.user_by_name("administrator").await.unwrap(),
        Some(user)
    );
    assert_eq!(store.access_key("AK").await.unwrap(), Some(key));
    assert_eq!(store.access_key("ak").await.unwrap(), None);

    let token = |hash: &str, issued_at| TokenRow {
        token_hash: hash.into(),
        user_id: "u".into(),
        scope: "{}".into(),
        issued_at,
        expires_at: issued_at + 10,
    };
    store.insert_token(&token("a", 1)).await.unwrap();
    store.insert_token(&token("b", 100)).await.unwrap();
    assert!(
        store.token("a").await.unwrap().is_none(),
        "it ended long before"
    );
    assert!(store.token("b").await.unwrap().is_some());
    assert!(store.delete_token("b").await.unwrap());
    assert!(!store.delete_token("b").await.unwrap());
}
