//! Rows to begin with, and what is asked of errors.

use rehost_store::{
    AccessKeyRow, DomainRow, MigprojectRow, NewDomain, PackedText, ProjectRow, SourceRow, Store,
    StoreError, TaskRow, UserRow, Write,
};

pub(crate) fn source(id: &str) -> SourceRow {
    SourceRow {
        id: id.into(),
        domain_id: "d1".into(),
        owner: None,
        name: format!("Name-{id}"),
        ip: "10.0.0.1".into(),
        ipv6: String::new(),
        state: "waiting".into(),
        migration_cycle: "setting".into(),
        migproject: String::new(),
        enterprise_project: "0".into(),
        inventory: PackedText::new("{}"),
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

pub(crate) fn task(id: &str, source_id: &str, target_id: Option<&str>) -> TaskRow {
    TaskRow {
        id: id.into(),
        domain_id: "d1".into(),
        source_id: source_id.into(),
        target_id: target_id.map(str::to_owned),
        template_id: None,
        clone_template_id: None,
        name: format!("task-{id}"),
        state: "READY".into(),
        phase: "replicate".into(),
        continuous: 0,
        launched: 0,
        checked: 0,
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

/// A source `s1` with a task `t1`.
pub(crate) async fn with_task(store: &Store) -> TaskRow {
    store.insert_source(&source("s1")).await.unwrap();
    let row = task("t1", "s1", None);
    store.write(&[Write::InsertTask(&row, "{}")]).await.unwrap();
    row
}

pub(crate) fn user(id: &str, domain_id: &str) -> UserRow {
    UserRow {
        id: id.into(),
        domain_id: domain_id.into(),
        name: "administrator".into(),
        role: "administrator".into(),
        enabled: 1,
        password_hash: "hush".into(),
        failures: 0,
        locked_until: 0,
        password_changed_at: 1,
        create_date: 1,
    }
}

pub(crate) fn access_key(access_key: &str, user_id: &str) -> AccessKeyRow {
    AccessKeyRow {
        access_key: access_key.into(),
        secret_key: "hush".into(),
        user_id: user_id.into(),
        description: String::new(),
        enabled: 1,
        failures: 0,
        locked_until: 0,
        create_date: 1,
    }
}

pub(crate) fn migproject(id: &str, domain_id: &str, is_default: i64) -> MigprojectRow {
    MigprojectRow {
        id: id.into(),
        domain_id: domain_id.into(),
        name: format!("project-{id}"),
        is_default,
        body: "{}".into(),
        create_date: 1,
        generation: 1,
    }
}

/// A tenant with project `p-ID`, migration project `m-ID`, user `u-ID` and key `k-ID`.
pub(crate) fn domain(id: &str) -> NewDomain {
    NewDomain {
        domain: DomainRow {
            id: id.into(),
            name: format!("domain-{id}"),
            create_date: 1,
        },
        project: ProjectRow {
            id: format!("p-{id}"),
            domain_id: id.into(),
            name: "main".into(),
        },
        migproject: migproject(&format!("m-{id}"), id, 1),
        administrator: Some(user(&format!("u-{id}"), id)),
        key: Some(access_key(&format!("k-{id}"), &format!("u-{id}"))),
    }
}

#[track_caller]
pub(crate) fn assert_changed<T: std::fmt::Debug>(done: Result<T, StoreError>) {
    assert!(matches!(done, Err(StoreError::Changed { .. })), "{done:?}");
}

#[track_caller]
pub(crate) fn assert_exists<T: std::fmt::Debug>(done: Result<T, StoreError>) {
    assert!(matches!(done, Err(StoreError::Exists { .. })), "{done:?}");
}
