//! What a task can be, and what hangs on it.

mod support;

use std::io::{Cursor, empty};

use rehost_certificates::{data_path_client_config, data_path_server_config};
use rehost_sms_api::bodies::{
    ConfigBody, ConfigurationRequestBody, ConsistencyResult, ListTasksQuery,
    NetworkCheckInfoRequestBody, PostTask, PutTaskReq, SetConsistencyResultRequestBody, SpeedLimit,
    SpeedLimitlJson, TargetDisks, TargetServerByTask,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{ImageFormat, MigrationReport, TargetTaskState};
use support::stage::{Stage, assert_refused};
use support::{source, task};

#[test]
fn a_task_that_cannot_be_is_refused() {
    let stage = Stage::set();
    let create = |task: PostTask| stage.operator.create_task(&task);
    let right = || stage.task();
    let aimed = |target: TargetServerByTask| PostTask {
        target_server: Some(target),
        ..right()
    };
    let vault = || right().target_server.unwrap();
    for (task, code) in [
        (
            PostTask {
                name: None,
                ..right()
            },
            ErrorCode::TaskName,
        ),
        (
            PostTask {
                name: Some("x y".into()),
                ..right()
            },
            ErrorCode::TaskName,
        ),
        (
            PostTask {
                name: Some("n".repeat(65)),
                ..right()
            },
            ErrorCode::TaskName,
        ),
        (
            PostTask {
                r#type: Some("MIGRATE_FILE".into()),
                ..right()
            },
            ErrorCode::TaskType,
        ),
        (
            PostTask {
                r#type: None,
                ..right()
            },
            ErrorCode::TaskType,
        ),
        (
            PostTask {
                speed_limit: Some(1001),
                ..right()
            },
            ErrorCode::Parameters,
        ),
        (
            PostTask {
                migration_ip: Some("a b".into()),
                ..right()
            },
            ErrorCode::Parameters,
        ),
        (
            PostTask {
                source_server: None,
                ..right()
            },
            ErrorCode::SourceId,
        ),
        (
            PostTask {
                target_server: None,
                ..right()
            },
            ErrorCode::TargetInfo,
        ),
        (task("nope", &stage.target_id), ErrorCode::SourceUnknown),
        (task(&stage.source_id, "nope"), ErrorCode::TargetMissing),
        (
            aimed(TargetServerByTask {
                vm_id: None,
                ..vault()
            }),
            ErrorCode::TargetId,
        ),
        (
            aimed(TargetServerByTask {
                disks: vec![TargetDisks {
                    name: Some("/dev/nope".into()),
                    ..Default::default()
                }],
                ..vault()
            }),
            ErrorCode::TargetDisks,
        ),
    ] {
        assert_refused(create(task), code);
    }
    let chinese = PostTask {
        name: Some("迁移-1_a".into()),
        ..right()
    };
    create(chinese).unwrap();
    assert_refused(create(right()), ErrorCode::SourceHasTask);

    let mut diskless = source("web-3");
    diskless.disks = Some(Vec::new());
    let unavailable = stage
        .operator
        .register_server(&diskless)
        .unwrap()
        .id
        .unwrap();
    assert_refused(
        create(task(&unavailable, &stage.target_id)),
        ErrorCode::SourceUnavailable,
    );
}

#[test]
fn an_offered_device_serves_one_task() {
    let stage = Stage::set();
    let onto_device = |source_id: &str| {
        let mut task = task(source_id, &stage.target_id);
        let disk = TargetDisks {
            name: Some("/dev/vda".into()),
            disk_id: Some("/dev/sdx".into()),
            ..TargetDisks::default()
        };
        task.target_server.as_mut().unwrap().disks = vec![disk];
        task
    };
    let id = stage.create(&onto_device(&stage.source_id));
    let volumes = &stage
        .receiver
        .target_assignments(None, 0)
        .unwrap()
        .assignments[0]
        .volumes;
    assert_eq!((volumes.len(), volumes[0].format), (1, ImageFormat::Device));
    assert_eq!(volumes[0].device.as_deref(), Some("/dev/sdx"));
    let other = stage
        .operator
        .register_server(&source("web-2"))
        .unwrap()
        .id
        .unwrap();
    let refused = stage.operator.create_task(&onto_device(&other));
    assert_refused(refused, ErrorCode::TargetInTask);
    stage.operator.delete_task(&id).unwrap();
    stage.create(&onto_device(&other));
}

#[test]
fn certificates_reach_those_who_need_them_and_fit() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    let agents = stage.agent.show_cert_key(&id, true).unwrap();
    let passphrase = stage
        .agent
        .show_passphrase(&id)
        .unwrap()
        .passphrase
        .unwrap();
    assert!(agents.target_data_private_key.is_none() && agents.target_mgmt_private_key.is_none());
    data_path_client_config(
        &agents.cert.unwrap(),
        &agents.private_key.unwrap(),
        &passphrase,
        &agents.ca.unwrap(),
    )
    .unwrap();
    let receivers = stage
        .receiver
        .target_assignments(None, 0)
        .unwrap()
        .assignments
        .remove(0);
    let set = receivers.certificates;
    data_path_server_config(&set.certificate, &set.private_key, &set.passphrase, &set.ca).unwrap();

    let operators = stage.operator.show_cert_key(&id, false).unwrap();
    assert!(operators.ca.is_none());
    assert!(operators.target_data_private_key.is_some());
    assert!(operators.target_mgmt_private_key.is_some());
}

#[test]
fn proofs_and_reports_are_kept_and_replaced_whole() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    assert_refused(
        stage.operator.get_proof(&id, &mut Vec::new()),
        ErrorCode::ProofAbsent,
    );
    assert_refused(stage.operator.get_report(&id), ErrorCode::ReportAbsent);
    let large: Vec<u8> = (0..5_000_001_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    for proof in [b"first".to_vec(), large, b"last".to_vec()] {
        stage
            .agent
            .put_proof(&id, &mut Cursor::new(&proof))
            .unwrap();
        let mut read = Vec::new();
        let size = stage.operator.get_proof(&id, &mut read).unwrap();
        assert_eq!(size, u64::try_from(proof.len()).unwrap());
        assert!(read == proof, "the document is what was sent");
    }
    assert_refused(
        stage.agent.put_proof(&id, &mut empty()),
        ErrorCode::ProofMalformed,
    );

    let report = MigrationReport {
        task_id: id.clone(),
        sessions: 3,
        ..Default::default()
    };
    stage.agent.put_report(&id, &report).unwrap();
    assert_eq!(stage.operator.get_report(&id).unwrap(), report);
    let foreign = MigrationReport {
        task_id: "other".into(),
        ..report
    };
    assert_refused(stage.agent.put_report(&id, &foreign), ErrorCode::Parameters);
}

#[test]
fn a_target_that_cannot_says_why_and_a_name_for_the_data_wins() {
    let stage = Stage::set();
    let named = PostTask {
        migration_ip: Some("198.51.100.7".into()),
        ..stage.task()
    };
    let id = stage.create(&named);
    stage.target_is(&id, TargetTaskState::Failed, "no space left; free 2 GiB");
    let assignment = stage.agent.source_assignment(&id).unwrap();
    assert_eq!(assignment.data_path, None);
    assert_eq!(assignment.target_message, "no space left; free 2 GiB");
    stage.target_is(&id, TargetTaskState::Ready, "");
    let assignment = stage.agent.source_assignment(&id).unwrap();
    assert_eq!(assignment.data_path.unwrap().address, "198.51.100.7");
}

#[test]
fn speed_windows_are_replaced_and_options_merged() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    let window = |start: &str, end: &str, speed| SpeedLimitlJson {
        start: Some(start.into()),
        end: Some(end.into()),
        speed: Some(speed),
        over_speed_threshold: None,
    };
    let set = |windows| {
        stage.operator.update_speed(
            &id,
            &SpeedLimit {
                speed_limit: windows,
            },
        )
    };
    assert!(
        stage
            .agent
            .shows_speed_limits(&id)
            .unwrap()
            .speed_limit
            .is_empty()
    );
    let night = window("22:00", "06:00", 0);
    set(vec![night.clone(), window("06:00", "22:00", 100)]).unwrap();
    set(vec![night.clone()]).unwrap();
    assert_eq!(
        stage.agent.shows_speed_limits(&id).unwrap().speed_limit,
        std::slice::from_ref(&night)
    );
    assert_refused(set(vec![window("6 am", "22:00", 1)]), ErrorCode::TimeFormat);
    assert_refused(
        set(vec![window("06:00", "22:00", 1001)]),
        ErrorCode::Parameters,
    );
    assert_refused(set(vec![night; 6]), ErrorCode::Parameters);

    let option = |key: &str, value: &str| {
        let option = ConfigBody {
            config_key: Some(key.into()),
            config_value: Some(value.into()),
            config_status: None,
        };
        let body = ConfigurationRequestBody {
            configurations: vec![option],
        };
        stage
            .operator
            .upload_special_configuration_setting(&id, &body)
    };
    option("LINUX_CPU_LIMIT", "50").unwrap();
    option("DYNAMIC_PORT", "8900").unwrap();
    option("LINUX_CPU_LIMIT", "20").unwrap();
    assert_refused(option("COFFEE", "1"), ErrorCode::ConfigSetting);
    assert_refused(
        option("DYNAMIC_PORT", &"9".repeat(1025)),
        ErrorCode::ConfigSetting,
    );
    let shown = stage.agent.show_config_setting(&id, None).unwrap();
    assert_eq!(shown.migrate_type.as_deref(), Some("LINUX_MIGRATE_BLOCK"));
    let values: Vec<_> = shown
        .configurations
        .iter()
        .filter_map(|option| option.config_value.as_deref())
        .collect();
    assert_eq!(values, ["8900", "20"]);
    let one = stage
        .agent
        .show_config_setting(&id, Some("LINUX_CPU_LIMIT"))
        .unwrap();
    assert_eq!(one.configurations.len(), 1);
    let none = ConfigurationRequestBody::default();
    stage
        .operator
        .upload_special_configuration_setting(&id, &none)
        .unwrap();
    let shown = stage.agent.show_config_setting(&id, None).unwrap();
    assert_eq!(shown.configurations, []);
}

#[test]
fn consistency_and_network_checks_are_shown() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    let found = ConsistencyResult {
        dir_check: Some("/srv".into()),
        num_total_files: Some(10),
        num_different_files: Some(1),
        num_target_miss_files: Some(0),
        num_target_more_files: Some(0),
    };
    let body = SetConsistencyResultRequestBody {
        consistency_result: vec![found.clone()],
    };
    stage.agent.update_consistency_result(&id, &body).unwrap();
    let shown = stage.operator.show_consistency_result(&id).unwrap();
    assert_eq!(shown.result_list[0].consistency_result, [found]);
    assert_eq!(
        shown.result_list[0].check_result.as_deref(),
        Some("INCONSISTENT")
    );

    let network = NetworkCheckInfoRequestBody {
        domain_connectivity: Some(true),
        destination_connectivity: Some(true),
        network_delay: Some(3.5),
        network_jitter: Some(0.0),
        migration_speed: Some(180.0),
        loss_percentage: Some(0.0),
        cpu_usage: Some(1.0),
        mem_usage: Some(1.0),
        evaluation_result: Some("SUCCESS".into()),
    };
    stage
        .agent
        .update_network_check_info(&id, &network)
        .unwrap();
    assert_eq!(stage.shown(&id).network_check_info, Some(network));
}

#[test]
fn an_update_takes_what_is_given_and_lists_find_it() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    let body = PutTaskReq {
        name: Some("renamed".into()),
        speed_limit: Some(10),
        ..PutTaskReq::default()
    };
    let updated = stage.operator.update_task(&id, &body).unwrap();
    assert_eq!(updated.id.as_deref(), Some(id.as_str()));
    let shown = stage.shown(&id);
    assert_eq!(
        (shown.name.as_deref(), shown.speed_limit),
        (Some("renamed"), Some(10))
    );
    assert_eq!(shown.r#type.as_deref(), Some("MIGRATE_BLOCK"));
    let bad = PutTaskReq {
        name: Some("a b".into()),
        ..PutTaskReq::default()
    };
    assert_refused(stage.operator.update_task(&id, &bad), ErrorCode::TaskName);

    let listed = |query: ListTasksQuery| stage.operator.list_tasks(&query).unwrap().count;
    let any = ListTasksQuery::default;
    assert_eq!(
        listed(ListTasksQuery {
            state: Some("READY".into()),
            ..any()
        }),
        Some(1)
    );
    assert_eq!(
        listed(ListTasksQuery {
            state: Some("RUNNING".into()),
            ..any()
        }),
        Some(0)
    );
    assert_eq!(
        listed(ListTasksQuery {
            name: Some("nam".into()),
            ..any()
        }),
        Some(1)
    );
    assert_eq!(
        listed(ListTasksQuery {
            id: Some(id),
            ..any()
        }),
        Some(1)
    );
    let own = Some(stage.source_id.clone());
    assert_eq!(
        listed(ListTasksQuery {
            source_server_id: own,
            ..any()
        }),
        Some(1)
    );
}

#[test]
fn a_hundred_tasks_that_come_at_once_find_their_places_on_one_target() {
    let stage = Stage::set();
    let source_ids: Vec<String> = (0..100)
        .map(|number| {
            let registered = stage
                .operator
                .register_server(&source(&format!("db-{number}")));
            registered.unwrap().id.unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for source_id in &source_ids {
            let operator = stage.plane.administrator();
            let wanted = task(source_id, &stage.target_id);
            scope.spawn(move || operator.create_task(&wanted).unwrap());
        }
    });
    let told = stage.receiver.target_assignments(None, 0).unwrap();
    assert_eq!(told.assignments.len(), source_ids.len());
}
