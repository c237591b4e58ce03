//! Checks, choices of disks, and limits of speed, as operators and agents meet them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use rehost_sms_api::bodies::{
    PostSourceServerBody, PutDisk, PutDiskInfoReq, PutSourceServerBody, ShowServerResponse,
    SpeedLimit, SpeedLimitlJson, TargetDisks, UpdateTaskSpeedReq,
};
use rehost_sms_api::errors::ErrorCode;
use support::stage::{Stage, assert_refused, words};
use support::{source, task};

const GIB: u64 = 1 << 30;

fn shown(stage: &Stage) -> ShowServerResponse {
    stage.operator.show_server(&stage.source_id).unwrap()
}

fn choose(stage: &Stage, choices: &[(usize, PutDisk)]) -> PutSourceServerBody {
    let disks = shown(stage).disks;
    let choices = choices.iter().map(|(at, choice)| PutDisk {
        id: disks[*at].id.clone(),
        ..choice.clone()
    });
    PutSourceServerBody {
        disks: Some(choices.collect()),
        ..PutSourceServerBody::default()
    }
}

fn sized(adjust_size: u64) -> PutDisk {
    PutDisk {
        adjust_size: Some(adjust_size),
        ..PutDisk::default()
    }
}

#[test]
fn a_check_that_fails_says_what_prevents_a_migration() {
    let stage = Stage::set();
    let mut late_system = source("db-1");
    for (disk, system) in late_system.disks.iter_mut().flatten().zip([false, true]) {
        disk.os_disk = Some(system);
    }
    let id = stage.operator.register_server(&late_system).unwrap().id;
    let id = id.unwrap();
    let server = stage.operator.show_server(&id).unwrap();
    assert_eq!(server.state.as_deref(), Some("unavailable"));
    let failed: Vec<_> = server
        .checks
        .iter()
        .filter(|check| check.result == "ERROR")
        .map(|check| (check.name.as_str(), check.error_code.as_deref()))
        .collect();
    assert_eq!(failed, [("DISK_INFO", Some("SMS.6532"))]);
    assert_refused(
        stage.operator.create_task(&task(&id, &stage.target_id)),
        ErrorCode::SourceUnavailable,
    );
    let mended = PostSourceServerBody {
        id: Some(id.clone()),
        ..source("db-1")
    };
    stage.operator.register_server(&mended).unwrap();
    let server = stage.operator.show_server(&id).unwrap();
    assert_eq!(server.state.as_deref(), Some("waiting"));
}

#[test]
fn sizes_are_chosen_within_reason_and_outlive_what_an_agent_tells() {
    let stage = Stage::set();
    let put = |choices: &[(usize, PutDisk)]| {
        let body = choose(&stage, choices);
        stage.operator.update_server_name(&stage.source_id, &body)
    };
    assert_refused(put(&[(0, sized(GIB + 1))]), ErrorCode::NotWholeMegabytes);
    let out = PutDisk {
        need_migration: Some(false),
        ..PutDisk::default()
    };
    let nothing = put(&[(0, out.clone()), (1, out.clone())]);
    assert_refused(nothing, ErrorCode::NoDisks);
    assert_eq!(shown(&stage).disks[0].need_migration, Some(true));
    put(&[(0, sized(2 * GIB)), (1, out)]).unwrap();

    let told = PutDiskInfoReq {
        disks: source("web-1").disks,
        ..PutDiskInfoReq::default()
    };
    stage
        .agent
        .update_disk_info(&stage.source_id, &told)
        .unwrap();
    stage.agent.register_server(&source("web-1")).unwrap();
    let proposed = shown(&stage).init_target_server.unwrap().disks;
    assert_eq!((proposed.len(), proposed[0].size), (1, 2 * GIB));
}

#[test]
fn a_target_takes_what_was_chosen() {
    let stage = Stage::set();
    let body = choose(&stage, &[(0, sized(2 * GIB))]);
    stage
        .operator
        .update_server_name(&stage.source_id, &body)
        .unwrap();
    let onto = |disk: TargetDisks| {
        let mut task = stage.task();
        task.target_server.as_mut().unwrap().disks = vec![disk];
        stage.operator.create_task(&task)
    };
    let disk = |size| TargetDisks {
        name: Some("/dev/vda".into()),
        size: Some(size),
        ..TargetDisks::default()
    };
    assert_refused(onto(disk(GIB)), ErrorCode::NotEnoughSpace);
    let offered = TargetDisks {
        name: Some("/dev/vda".into()),
        disk_id: Some("/dev/sdx".into()),
        ..TargetDisks::default()
    };
    assert_refused(onto(offered), ErrorCode::NotEnoughSpace);
    let by_position = TargetDisks {
        name: Some("first.qcow2".into()),
        ..TargetDisks::default()
    };
    assert_refused(onto(by_position), ErrorCode::TooFewDisks);
    // Some clients give GB.
    onto(disk(2)).unwrap();
}

#[test]
fn a_task_that_goes_on_exceeding_its_limit_is_paused() {
    let stage = Stage::set();
    let id = stage.create(&stage.task());
    stage.act(&id, "start").unwrap();
    stage.obeyed("START");
    let window = |start: &str, end: &str| SpeedLimitlJson {
        start: Some(start.into()),
        end: Some(end.into()),
        speed: Some(100),
        over_speed_threshold: Some(20.0),
    };
    let limit = |speed_limit| {
        stage
            .operator
            .update_speed(&id, &SpeedLimit { speed_limit })
    };
    let overlapping = vec![window("08:00", "18:00"), window("17:00", "20:00")];
    assert_refused(limit(overlapping), ErrorCode::Parameters);
    limit(vec![window("08:00", "18:00")]).unwrap();
    let runs_at = |speed, agent_time: &str| {
        let body = UpdateTaskSpeedReq {
            subtask_name: Some("MIGRATE_LINUX_BLOCK".into()),
            progress: Some(1),
            replicatesize: Some(1),
            totalsize: Some(100),
            process_trace: Some(String::new()),
            migrate_speed: Some(speed),
            agent_time: Some(agent_time.into()),
            ..UpdateTaskSpeedReq::default()
        };
        stage.agent.update_task_speed(&id, &body).unwrap();
        stage.shown(&id).state.unwrap()
    };
    let (day, night) = ("2026-03-01 12:00:00", "2026-03-01 22:00:00");
    for (speed, time) in [
        (130.0, day),
        (130.0, day),
        (119.0, day),
        (130.0, day),
        (130.0, day),
        (900.0, night),
        (130.0, day),
        (130.0, day),
    ] {
        assert_eq!(runs_at(speed, time), "RUNNING", "{speed} at {time}");
    }
    assert_eq!(runs_at(130.0, day), "ABORTING");
    assert_eq!(stage.command(), "STOP");
    stage.obeyed("STOP");
    assert_eq!(stage.states(&id), words("ABORT", "stopped", "replicating"));
}
