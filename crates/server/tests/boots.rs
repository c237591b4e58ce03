//! Rehearsals and launches, as agent, receiver and operator see them.

mod support;

use rehost_sms_api::bodies::PostTask;
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{
    BootFirmware, BootOrder, BootProbe, BootPurpose, BootReport, BootSettings, TargetRegistration,
};
use serde_json::json;
use support::stage::{Stage, assert_refused, words};
use support::{source, target};

/// A migration to a target that starts what it has received, and the id of its task.
fn stage() -> (Stage, String) {
    let stage = Stage::set();
    let registration = TargetRegistration {
        boots: true,
        ..target("vault")
    };
    stage.receiver.register_target(&registration).unwrap();
    let mut inventory = source("web-1");
    inventory.id = Some(stage.source_id.clone());
    inventory.firmware = Some("UEFI".into());
    inventory.disks.as_mut().unwrap()[0].os_disk = Some(true);
    stage.agent.register_server(&inventory).unwrap();
    let id = stage.create(&PostTask {
        syncing: Some(true),
        ..stage.task()
    });
    (stage, id)
}

fn synchronise(stage: &Stage, id: &str) {
    stage.act(id, "start").unwrap();
    stage.obeyed("START");
    stage.says("replicate", "replicating");
    stage.says("syncing", "syncing");
}

fn order(stage: &Stage) -> Option<BootOrder> {
    let told = stage.receiver.target_assignments(None, 0).unwrap();
    told.assignments.into_iter().next().unwrap().boot
}

fn report(purpose: BootPurpose, reason: &str) -> BootReport {
    BootReport {
        purpose,
        bootable: reason.is_empty(),
        reason: reason.into(),
        boot_seconds: 41.0,
        fixup_seconds: 7.5,
        started_at: 1_000,
        ended_at: 60_000,
        fixups: json!({ "fixups": [{ "name": "fstab" }] }),
        probes: Vec::new(),
        console: "login:".into(),
        screenshot_png: String::new(),
    }
}

#[test]
fn a_rehearsal_goes_on_beside_the_synchronisation() {
    let (stage, id) = stage();
    assert_refused(
        stage.operator.create_rehearsal(&id),
        ErrorCode::OnlyContinuousSync,
    );
    synchronise(&stage, &id);
    let settings = BootSettings {
        probes: vec![BootProbe::Tcp { port: 5432 }],
        ..BootSettings::default()
    };
    stage.operator.update_boot_settings(&id, &settings).unwrap();
    let boot_id = stage.operator.create_rehearsal(&id).unwrap().boot_id;
    let command = stage.agent.show_command(&stage.source_id, None).unwrap();
    let param = command.command_param.unwrap();
    assert_eq!(param.operation.as_deref(), Some("clone_test"));
    let work = stage.agent.source_assignment(&id).unwrap();
    assert_eq!(work.point.as_deref(), Some(boot_id.as_str()));
    assert_eq!(
        order(&stage),
        None,
        "the target does not keep the point yet"
    );
    assert_refused(stage.operator.create_rehearsal(&id), ErrorCode::Parameters);

    stage.obeyed("START");
    let ordered = order(&stage).unwrap();
    assert_eq!(
        (&ordered.boot_id, ordered.purpose),
        (&boot_id, BootPurpose::Rehearsal)
    );
    assert_eq!(
        (ordered.firmware, ordered.settings),
        (BootFirmware::Uefi, settings)
    );
    assert_eq!(ordered.cards[0].source_mac, "52:54:00:12:34:56");
    // Rounds go on, and are no word of the target's.
    stage.says("syncing", "syncing");
    assert!(order(&stage).is_some());

    let told = report(BootPurpose::Rehearsal, "");
    for _ in 0..2 {
        stage.receiver.report_boot(&id, &boot_id, &told).unwrap();
        assert_eq!(order(&stage), None);
    }
    assert_eq!(stage.states(&id), words("SYNCING", "syncing", "syncing"));
    let clone = stage.shown(&id).clone_server.unwrap();
    assert_eq!(clone.clone_state.as_deref(), Some("FINISHED"));
    let list = stage.operator.list_boots(&id).unwrap();
    assert_eq!((list.count, list.current_boot_id), (1, None));
    assert_eq!(list.boots[0].report.console, "", "lists are short");
    assert_eq!(
        stage.operator.show_boot(&id, &boot_id).unwrap().report,
        told
    );
    assert_refused(stage.operator.show_boot(&id, "x"), ErrorCode::BootUnknown);
}

#[test]
fn a_rehearsal_that_fails_says_why_and_leaves_the_synchronisation_alone() {
    let (stage, id) = stage();
    synchronise(&stage, &id);
    let boot_id = stage.operator.create_rehearsal(&id).unwrap().boot_id;
    stage.answered(
        "START",
        "fail",
        json!({ "msg": "the source could not be held" }),
    );
    assert_eq!(order(&stage), None);
    let reason = stage.shown(&id).error_json.unwrap();
    assert!(reason.contains("could not be held"), "{reason}");

    let second = stage.operator.create_rehearsal(&id).unwrap().boot_id;
    assert_ne!(second, boot_id);
    stage.obeyed("START");
    let told = report(
        BootPurpose::Rehearsal,
        "/etc/fstab names a disk that is not there",
    );
    stage.receiver.report_boot(&id, &second, &told).unwrap();
    assert_eq!(stage.states(&id), words("SYNCING", "syncing", "syncing"));
    let reason = stage.shown(&id).error_json.unwrap();
    assert!(reason.contains("/etc/fstab"), "{reason}");
    let clone = stage.shown(&id).clone_server.unwrap();
    assert_eq!(clone.clone_state.as_deref(), Some("ERROR"));
}

#[test]
fn a_cut_over_ends_when_the_target_has_started_and_goes_back_if_it_does_not() {
    let (stage, id) = stage();
    synchronise(&stage, &id);
    let copy = || {
        stage.act(&id, "cutover").unwrap();
        stage.obeyed("START");
        stage.says("cutovering", "cutovering");
        stage.says("finished", "cutovered");
        assert_eq!(
            stage.states(&id),
            words("RUNNING", "cutovering", "cutovering")
        );
        let ordered = order(&stage).unwrap();
        assert_eq!(ordered.purpose, BootPurpose::Cutover);
        ordered.boot_id
    };
    let first = copy();
    let told = report(BootPurpose::Cutover, "kernel panic: no root device");
    stage.receiver.report_boot(&id, &first, &told).unwrap();
    assert_eq!(order(&stage), None);
    // The agent is told to go on, and the operator why.
    assert_eq!(stage.states(&id), words("RUNNING", "syncing", "syncing"));
    assert_eq!(stage.command(), "START");
    let reason = stage.shown(&id).error_json.unwrap();
    assert!(reason.contains("no root device"), "{reason}");
    stage.obeyed("START");
    stage.says("syncing", "syncing");
    assert_eq!(stage.states(&id), words("SYNCING", "syncing", "syncing"));

    let second = copy();
    assert_ne!(first, second);
    let told = report(BootPurpose::Cutover, "");
    stage.receiver.report_boot(&id, &second, &told).unwrap();
    assert_eq!(
        stage.states(&id),
        words("MIGRATE_SUCCESS", "finished", "cutovered")
    );
    assert_eq!(order(&stage).unwrap().boot_id, second, "it keeps running");
    assert_eq!(stage.operator.list_boots(&id).unwrap().count, 2);

    // Before the volumes are written again, the machine is ended.
    stage.act(&id, "restart").unwrap();
    assert_eq!(order(&stage), None);
}

#[test]
fn a_target_is_not_started_where_nobody_wants_it_or_nothing_could_start() {
    let (stage, id) = stage();
    stage.operator.delete_task(&id).unwrap();
    let id = stage.create(&PostTask {
        syncing: Some(true),
        start_target_server: Some(false),
        ..stage.task()
    });
    synchronise(&stage, &id);
    assert_refused(
        stage.operator.create_rehearsal(&id),
        ErrorCode::NothingBoots,
    );
    stage.act(&id, "cutover").unwrap();
    stage.obeyed("START");
    stage.says("finished", "cutovered");
    assert_eq!(
        stage.states(&id),
        words("MIGRATE_SUCCESS", "finished", "cutovered")
    );
    assert_eq!(order(&stage), None);
}
