//! Proofs and archives of logs: replaced at once, and what came to nothing goes.

use rehost_store::{LogArchiveRow, ProofRow, Store, Write};

use crate::on_both;
use crate::rows::{assert_changed, assert_exists, with_task};

on_both!(
    a_proof_is_replaced_at_once,
    uploads_that_came_to_nothing_go_by_their_age,
    logs_are_found_by_their_share_until_they_end,
);

fn proof(upload: &str) -> ProofRow {
    ProofRow {
        upload: upload.into(),
        parts: 1,
        size_bytes: 3,
    }
}

fn archive(role: &str, upload: &str) -> LogArchiveRow {
    LogArchiveRow {
        task_id: "t1".into(),
        role: role.into(),
        share: format!("share-{upload}"),
        upload: upload.into(),
        parts: 1,
        size_bytes: 3,
        create_date: 10,
        expires_at: 100,
    }
}

async fn put(store: &Store, upload: &str, part: i64, now: i64) {
    let bytes = vec![0, 255, 7];
    store
        .put_document_part("t1", upload, part, bytes, now)
        .await
        .unwrap();
}

async fn a_proof_is_replaced_at_once(store: &Store) {
    let task = with_task(store).await;
    put(store, "u1", 0, 1).await;
    assert!(store.proof("t1").await.unwrap().is_none());
    store.finish_proof("t1", &proof("u1")).await.unwrap();
    put(store, "u2", 0, 1).await;
    assert_eq!(store.proof("t1").await.unwrap(), Some(proof("u1")));
    assert_eq!(store.document_part("u1", 0).await.unwrap(), [0, 255, 7]);
    store.finish_proof("t1", &proof("u2")).await.unwrap();
    assert_changed(store.document_part("u1", 0).await);
    assert_eq!(store.document_part("u2", 0).await.unwrap(), [0, 255, 7]);
    // What is in force is not dropped by whoever thinks that it failed.
    store.drop_upload("u2").await.unwrap();
    assert_eq!(store.document_part("u2", 0).await.unwrap(), [0, 255, 7]);

    store.write(&[Write::DeleteTask(&task)]).await.unwrap();
    assert_changed(store.document_part("u2", 0).await);
    assert_changed(store.finish_proof("t1", &proof("u3")).await);
    let late = store.put_document_part("t1", "u3", 0, vec![1], 1).await;
    assert_changed(late);
}

async fn uploads_that_came_to_nothing_go_by_their_age(store: &Store) {
    with_task(store).await;
    put(store, "in-force", 0, 1).await;
    store.finish_proof("t1", &proof("in-force")).await.unwrap();
    put(store, "dead", 0, 1).await;
    put(store, "dead", 1, 2).await;
    put(store, "under-way", 0, 1).await;
    put(store, "under-way", 1, 50).await;
    put(store, "given-up", 0, 50).await;
    store.drop_upload("given-up").await.unwrap();
    assert_changed(store.document_part("given-up", 0).await);
    assert_eq!(store.drop_unfinished_uploads(50).await.unwrap(), 2);
    assert_changed(store.document_part("dead", 1).await);
    for upload in ["in-force", "under-way"] {
        store.document_part(upload, 0).await.unwrap();
    }
}

async fn logs_are_found_by_their_share_until_they_end(store: &Store) {
    with_task(store).await;
    for (role, upload) in [("source", "l1"), ("target", "l2"), ("source", "l3")] {
        put(store, upload, 0, 1).await;
        store
            .finish_log_archive(&archive(role, upload))
            .await
            .unwrap();
    }
    let mut taken = archive("target", "l4");
    taken.share = "share-l3".into();
    assert_exists(store.finish_log_archive(&taken).await);
    assert_changed(store.document_part("l1", 0).await);
    let archives = store.log_archives("t1").await.unwrap();
    assert_eq!(archives, [archive("source", "l3"), archive("target", "l2")]);
    let shared = store.log_archive_by_share("share-l2").await.unwrap();
    assert_eq!(shared, Some(archive("target", "l2")));
    assert!(
        store
            .log_archive_by_share("share-l1")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.delete_expired_log_archives(99).await.unwrap(), 0);
    assert_eq!(store.delete_expired_log_archives(100).await.unwrap(), 2);
    assert_changed(store.document_part("l2", 0).await);
}
