//! Registration, choices of people, lists.

mod support;

use rehost_sms_api::bodies::{
    ListServersQuery, PostSourceServerBody, PutDisk, PutDiskInfoReq, PutSourceServerBody,
    ServerDisk, VolumeGroups,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{ChangeMethod, ConsistencyGrade, CopyPlan, DiskCopyPlan, JoinRole};
use support::stage::{Stage, assert_refused};
use support::{ControlPlane, source};

#[test]
fn a_registration_that_lacks_what_is_needed_is_refused() {
    let plane = ControlPlane::start();
    let client = plane.administrator();
    let right = || source("web-1");
    for (body, code) in [
        (
            PostSourceServerBody {
                name: None,
                ..right()
            },
            ErrorCode::NameMissing,
        ),
        (
            PostSourceServerBody {
                name: Some(String::new()),
                ..right()
            },
            ErrorCode::NameLength,
        ),
        (
            PostSourceServerBody {
                name: Some("n".repeat(65)),
                ..right()
            },
            ErrorCode::NameLength,
        ),
        (
            PostSourceServerBody {
                name: Some("a b".into()),
                ..right()
            },
            ErrorCode::NameCharacters,
        ),
        (
            PostSourceServerBody {
                os_type: Some("BEOS".into()),
                ..right()
            },
            ErrorCode::OsType,
        ),
        (
            PostSourceServerBody {
                os_version: None,
                ..right()
            },
            ErrorCode::IncompleteBody,
        ),
        (
            PostSourceServerBody {
                agent_version: None,
                ..right()
            },
            ErrorCode::IncompleteBody,
        ),
        (
            PostSourceServerBody {
                networks: Some(vec![]),
                ..right()
            },
            ErrorCode::IncompleteBody,
        ),
        (
            PostSourceServerBody {
                ip: None,
                ..right()
            },
            ErrorCode::SourceAddress,
        ),
        (
            PostSourceServerBody {
                ip: Some("web".into()),
                ..right()
            },
            ErrorCode::SourceAddress,
        ),
        (
            PostSourceServerBody {
                platform: Some("moon".into()),
                ..right()
            },
            ErrorCode::Platform,
        ),
        (
            PostSourceServerBody {
                state: Some("tired".into()),
                ..right()
            },
            ErrorCode::SourceState,
        ),
        (
            PostSourceServerBody {
                disks: Some(vec![ServerDisk::default(); 51]),
                ..right()
            },
            ErrorCode::Parameters,
        ),
    ] {
        assert_refused(client.register_server(&body), code);
    }
    let ipv6 = PostSourceServerBody {
        ip: None,
        ipv6: Some("2001:db8::1".into()),
        ..right()
    };
    client.register_server(&ipv6).unwrap();
}

#[test]
fn an_agent_has_one_source_server_and_people_name_it() {
    let plane = ControlPlane::start();
    let (_, agent) = plane.join(JoinRole::Source, "web-1");
    let operator = plane.administrator();
    let id = agent.register_server(&source("web-1")).unwrap().id.unwrap();
    // Whether it kept its id or lost it, it is the same machine.
    let kept = PostSourceServerBody {
        id: Some(id.clone()),
        ..source("web-1-new")
    };
    assert_eq!(
        agent.register_server(&kept).unwrap().id.as_deref(),
        Some(id.as_str())
    );
    assert_eq!(
        agent
            .register_server(&source("web-1-newer"))
            .unwrap()
            .id
            .as_ref(),
        Some(&id)
    );
    let name = || operator.show_server(&id).unwrap().name.unwrap();
    assert_eq!(name(), "web-1-newer");

    let rename = PutSourceServerBody {
        name: Some("shop".into()),
        ..PutSourceServerBody::default()
    };
    operator.update_server_name(&id, &rename).unwrap();
    agent.register_server(&source("web-1")).unwrap();
    assert_eq!(name(), "shop", "what people chose stays");

    operator.delete_server(&id).unwrap();
    assert_refused(agent.show_command(&id, None), ErrorCode::SourceUnknown);
    let anew = agent.register_server(&kept).unwrap().id.unwrap();
    assert_ne!(anew, id);
}

#[test]
fn of_many_registrations_of_one_agent_one_source_server_comes() {
    let plane = ControlPlane::start();
    let (_, agent) = plane.join(JoinRole::Source, "web-1");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| agent.register_server(&source("web-1")).unwrap());
        }
    });
    let listed = plane
        .administrator()
        .list_servers(&ListServersQuery::default());
    assert_eq!(listed.unwrap().count, Some(1));
}

#[test]
fn disks_are_chosen_until_there_is_a_task() {
    let stage = Stage::set();
    let disks = || stage.operator.show_server(&stage.source_id).unwrap();
    let second = disks().disks[1].id.clone();
    let body = PutSourceServerBody {
        disks: Some(vec![PutDisk {
            id: second,
            need_migration: Some(false),
            ..PutDisk::default()
        }]),
        ..PutSourceServerBody::default()
    };
    stage
        .operator
        .update_server_name(&stage.source_id, &body)
        .unwrap();
    let shown = disks();
    assert_eq!(shown.disks[1].need_migration, Some(false));
    assert_eq!(shown.init_target_server.unwrap().disks.len(), 1);
    stage.create(&stage.task());
    let volumes = stage
        .receiver
        .target_assignments(None, 0)
        .unwrap()
        .assignments
        .remove(0)
        .volumes;
    assert_eq!(volumes.len(), 1);
    let none = PutDiskInfoReq {
        disks: Some(vec![]),
        ..PutDiskInfoReq::default()
    };
    stage
        .agent
        .update_disk_info(&stage.source_id, &none)
        .unwrap();
    assert_eq!(disks().disks.len(), 2, "the task was planned for them");
}

#[test]
fn new_disks_are_checked_again() {
    let plane = ControlPlane::start();
    let client = plane.administrator();
    let id = client
        .register_server(&source("web-1"))
        .unwrap()
        .id
        .unwrap();
    let state = || client.show_server(&id).unwrap().state.unwrap();
    let put = |disks| {
        let body = PutDiskInfoReq {
            disks,
            ..PutDiskInfoReq::default()
        };
        client.update_disk_info(&id, &body)
    };
    put(Some(vec![])).unwrap();
    assert_eq!(state(), "unavailable");
    put(source("web-1").disks).unwrap();
    assert_eq!(state(), "waiting");
}

#[test]
fn a_report_on_disks_leaves_alone_what_it_does_not_name() {
    let plane = ControlPlane::start();
    let client = plane.administrator();
    let group = VolumeGroups {
        name: Some("data".into()),
        ..VolumeGroups::default()
    };
    let registration = PostSourceServerBody {
        volume_groups: Some(vec![group]),
        ..source("web-1")
    };
    let id = client.register_server(&registration).unwrap().id.unwrap();
    let put = |body: PutDiskInfoReq| {
        client.update_disk_info(&id, &body).unwrap();
        let shown = client.show_server(&id).unwrap();
        (shown.disks.len(), shown.volume_groups.len())
    };
    let one_disk = PutDiskInfoReq {
        disks: source("web-1").disks.map(|disks| disks[..1].to_vec()),
        ..PutDiskInfoReq::default()
    };
    assert_eq!(put(one_disk), (1, 1));
    assert_eq!(put(PutDiskInfoReq::default()), (1, 1));
    let no_groups = PutDiskInfoReq {
        volumegroups: Some(vec![]),
        ..PutDiskInfoReq::default()
    };
    assert_eq!(put(no_groups), (1, 0));
}

#[test]
fn lists_find_what_fits() {
    let stage = Stage::set();
    let other = PostSourceServerBody {
        ip: Some("192.0.2.99".into()),
        ..source("db-1")
    };
    stage.operator.register_server(&other).unwrap();
    let names = |query: ListServersQuery| -> Vec<String> {
        let listed = stage.operator.list_servers(&query).unwrap();
        listed
            .source_servers
            .into_iter()
            .filter_map(|source| source.name)
            .collect()
    };
    let any = ListServersQuery::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(names(any()), ["web-1", "db-1"]);
    assert_eq!(
        names(ListServersQuery {
            name: text("DB"),
            ..any()
        }),
        ["db-1"]
    );
    assert_eq!(
        names(ListServersQuery {
            ip: text("192.0.2.99"),
            ..any()
        }),
        ["db-1"]
    );
    assert_eq!(
        names(ListServersQuery {
            state: text("WAITING"),
            ..any()
        })
        .len(),
        2
    );
    assert_eq!(
        names(ListServersQuery {
            connected: Some(true),
            ..any()
        })
        .len(),
        2
    );
    assert_eq!(
        names(ListServersQuery {
            connected: Some(false),
            ..any()
        })
        .len(),
        0
    );
    assert_eq!(
        names(ListServersQuery {
            limit: Some(1),
            offset: Some(1),
            ..any()
        }),
        ["db-1"]
    );
    let stage_is = |cycle: &str| ListServersQuery {
        migration_cycle: text(cycle),
        ..any()
    };
    assert_eq!(names(stage_is("setting")).len(), 2);
    assert_eq!(names(stage_is("syncing")).len(), 0);
    let unknown = ListServersQuery {
        state: text("tired"),
        ..any()
    };
    assert_refused(stage.operator.list_servers(&unknown), ErrorCode::Parameters);

    stage.create(&stage.task());
    let bound = ListServersQuery {
        vm_id: Some(stage.target_id.clone()),
        ..any()
    };
    assert_eq!(names(bound), ["web-1"]);
    let overview = stage.operator.show_overview().unwrap();
    assert_eq!(
        (overview.waiting, overview.unconfigured),
        (Some(2), Some(1))
    );
}

#[test]
fn a_copy_plan_is_replaced_whole_and_goes_with_its_source() {
    let stage = Stage::set();
    let (agent, operator, id) = (&stage.agent, &stage.operator, &stage.source_id);
    assert_refused(operator.get_copy_plan(id), ErrorCode::CopyPlanAbsent);
    let plan = CopyPlan {
        disks: vec![DiskCopyPlan {
            name: "/dev/vda".into(),
            change_method: ChangeMethod::Comparison,
            change_reason: "no BTF".into(),
            grade: ConsistencyGrade::BestEffort,
            grade_reasons: vec!["/mnt (vfat) cannot be frozen".into()],
        }],
        hooks: vec!["50-mariadb".into()],
        hook_error: String::new(),
    };
    for plan in [plan, CopyPlan::default()] {
        agent.put_copy_plan(id, &plan).unwrap();
        assert_eq!(operator.get_copy_plan(id).unwrap(), plan);
        assert_eq!(agent.get_copy_plan(id).unwrap(), plan);
    }
    let refused = agent.put_copy_plan("another", &CopyPlan::default());
    assert_refused(refused, ErrorCode::SourceUnknown);
    operator.delete_server(id).unwrap();
    assert_refused(operator.get_copy_plan(id), ErrorCode::SourceUnknown);
}
