//! Tasks, and what hangs on them.

use rehost_store::{
    ConsistencyRow, OptionRow, Page, Store, TaskFigures, TaskFilter, TaskRow, TemplateRow, Write,
};

use crate::on_both;
use crate::rows::{assert_changed, assert_exists, source, task, with_task};

on_both!(
    a_source_has_one_task_and_goes_only_without_it,
    a_task_for_a_source_that_is_gone_is_a_lost_race,
    options_are_merged_and_speed_windows_replaced,
    a_consistency_result_marks_the_task_and_voids_no_decision,
    a_template_that_a_task_refers_to_stays,
    figures_are_written_once_for_each_generation,
    figures_of_many_tasks_are_written_together,
);

async fn a_source_has_one_task_and_goes_only_without_it(store: &Store) {
    store.insert_source(&source("s1")).await.unwrap();
    store
        .put_target("d1", "v1", "vault", "{}", 1)
        .await
        .unwrap();
    let first = task("t1", "s1", Some("v1"));
    let bound = [
        Write::InsertTask(&first, "{}"),
        Write::TargetChanged("v1", Some(1)),
    ];
    store.write(&bound).await.unwrap();
    let stale = [Write::TargetChanged("v1", Some(1))];
    assert_changed(store.write(&stale).await);
    let second = task("t2", "s1", None);
    assert_exists(store.write(&[Write::InsertTask(&second, "{}")]).await);
    assert_eq!(store.overview("d1").await.unwrap().unconfigured, 0);

    let row = store.source("s1").await.unwrap().unwrap();
    assert_changed(store.write(&[Write::DeleteSource(&row)]).await);
    assert_changed(store.delete_target("v1").await);
    assert_eq!(store.target("v1").await.unwrap().unwrap().generation, 2);
    let bound = store.tasks_of_target("v1").await.unwrap();
    assert_eq!(bound, std::slice::from_ref(&first));

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

async fn a_task_for_a_source_that_is_gone_is_a_lost_race(store: &Store) {
    let row = task("t1", "s1", None);
    assert_changed(store.write(&[Write::InsertTask(&row, "{}")]).await);
}

async fn options_are_merged_and_speed_windows_replaced(store: &Store) {
    with_task(store).await;
    let option = |key: &str, value: &str| OptionRow {
        config_key: key.into(),
        config_value: value.into(),
        config_status: String::new(),
    };
    let first = [option("A", "1"), option("B", "2")];
    store.put_options("t1", &first).await.unwrap();
    store.put_options("t1", &[option("B", "3")]).await.unwrap();
    let merged = [option("A", "1"), option("B", "3")];
    assert_eq!(store.options("t1", None).await.unwrap(), merged);
    let one = store.options("t1", Some("B")).await.unwrap();
    assert_eq!(one, [option("B", "3")]);
    let ids = ["t1".to_owned(), "t2".to_owned(), "t3".to_owned()];
    let of_many = store.options_of_tasks(&ids).await.unwrap();
    assert_eq!(of_many, merged.map(|option| ("t1".to_owned(), option)));
    assert!(store.options_of_tasks(&[]).await.unwrap().is_empty());
    assert_changed(store.put_options("gone", &first).await);
    store.delete_options("t1").await.unwrap();
    assert!(store.options("t1", None).await.unwrap().is_empty());

    assert!(store.speed_limits("t1").await.unwrap().is_none());
    store.put_speed_limits("t1", "[1]").await.unwrap();
    store.put_speed_limits("t1", "[]").await.unwrap();
    let windows = store.speed_limits("t1").await.unwrap();
    assert_eq!(windows.as_deref(), Some("[]"));
}

async fn a_consistency_result_marks_the_task_and_voids_no_decision(store: &Store) {
    let row = with_task(store).await;
    for finished_time in [7, 8] {
        let result = ConsistencyRow {
            finished_time,
            result: "{}".into(),
        };
        store
            .insert_consistency_result("t1", &result)
            .await
            .unwrap();
    }
    let newest = &store.consistency_results("t1").await.unwrap()[0];
    assert_eq!(newest.finished_time, 8);
    assert_eq!(store.task("t1").await.unwrap().unwrap().checked, 1);
    store.write(&[Write::UpdateTask(&row)]).await.unwrap();
    assert_eq!(store.task("t1").await.unwrap().unwrap().checked, 1);
}

async fn a_template_that_a_task_refers_to_stays(store: &Store) {
    let template = TemplateRow {
        id: "m1".into(),
        domain_id: "d1".into(),
        name: "small".into(),
        region: String::new(),
        availability_zone: String::new(),
        is_template: 1,
        body: "{}".into(),
        target_password: Some("hush".into()),
        create_date: 1,
        generation: 1,
    };
    assert!(!format!("{template:?}").contains("hush"));
    store.insert_template(&template).await.unwrap();
    let mut row = with_task(store).await;
    row.template_id = Some("m1".into());
    store.write(&[Write::UpdateTask(&row)]).await.unwrap();
    assert!(store.is_template_in_use("m1").await.unwrap());
    assert_eq!(store.tasks_of_template("m1").await.unwrap()[0].id, "t1");
    assert_changed(store.delete_template(&template).await);

    let row = store.task("t1").await.unwrap().unwrap();
    store.write(&[Write::DeleteTask(&row)]).await.unwrap();
    store.update_template(&template).await.unwrap();
    assert_changed(store.update_template(&template).await);
    assert_changed(store.delete_template(&template).await);
    let read = store.template("m1").await.unwrap().unwrap();
    store.delete_template(&read).await.unwrap();
    assert!(store.template("m1").await.unwrap().is_none());
}

fn figures(row: &TaskRow, progress: &str) -> TaskFigures {
    TaskFigures {
        task_id: row.id.clone(),
        source_id: row.source_id.clone(),
        generation: row.generation,
        subtasks: row.subtasks.clone(),
        progress: progress.to_owned(),
    }
}

async fn figures_are_written_once_for_each_generation(store: &Store) {
    with_task(store).await;
    let row = store.task("t1").await.unwrap().unwrap();
    let before = row.generation;
    let row = figures(&row, r#"{"first":1}"#);
    let rival = figures(&store.task("t1").await.unwrap().unwrap(), r#"{"second":2}"#);
    let (one, other) = tokio::join!(
        store.write_figures(row.clone()),
        store.write_figures(rival.clone())
    );
    let (winner, loser) = match one.is_ok() {
        true => (row, other),
        false => (rival, one),
    };
    assert_changed(loser);
    // What is kept in memory and what is stored are the same.
    let kept = store.task("t1").await.unwrap().unwrap();
    let page = Page {
        limit: 1,
        offset: 0,
    };
    let (stored, _) = store.tasks(&TaskFilter::of("d1"), page).await.unwrap();
    assert_eq!(stored, std::slice::from_ref(&kept));
    assert_eq!(kept.progress, winner.progress);
    assert_eq!(kept.generation, before + 1);
}

async fn figures_of_many_tasks_are_written_together(store: &Store) {
    let names: Vec<_> = (0..150).map(|number| format!("s{number}")).collect();
    for name in &names {
        store.insert_source(&source(name)).await.unwrap();
        let row = task(&format!("t-{name}"), name, None);
        store.write(&[Write::InsertTask(&row, "{}")]).await.unwrap();
    }
    let mut writes = tokio::task::JoinSet::new();
    for name in names.clone() {
        let store = store.clone();
        writes.spawn(async move {
            let row = store.task_of_source(&name).await.unwrap().unwrap();
            let progress = format!("{{\"of\":\"{name}\"}}");
            store.write_figures(figures(&row, &progress)).await
        });
    }
    for written in writes.join_all().await {
        written.unwrap();
    }
    let page = Page {
        limit: 200,
        offset: 0,
    };
    let (rows, _) = store.tasks(&TaskFilter::of("d1"), page).await.unwrap();
    assert_eq!(rows.len(), names.len());
    for row in rows {
        assert_eq!(row.progress, format!("{{\"of\":\"{}\"}}", row.source_id));
        assert_eq!(row.generation, 2);
    }
}
