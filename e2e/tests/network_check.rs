//! The promise: what is said of the network was measured on the very path that the disks take; and a
//! consistency check that is skipped leaves no claim of equality behind.

use anyhow::{Context as _, Result};
use rehost_e2e::administrator;
use rehost_sms_api::bodies::UpdateTaskStatusReq;
use rehost_testkit::{LONG, SHORT, Site, patterned_image, until};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;

fn figure(found: &Value, name: &str) -> Result<f64> {
    found[name]
        .as_f64()
        .with_context(|| format!("{name} in {found}"))
}

#[test]
fn the_link_is_measured_before_a_copy_and_of_a_task_that_rests() -> Result<()> {
    let mut site = Site::start()?;
    let disk = site.disk("system.img");
    patterned_image(&disk, 20 * MIB, 1)?;
    let agent = site.agent("web1", &[&disk])?;
    let options = ["--syncing", "--network-check", "--start"];
    let task = site.create_task(&agent, &options)?;
    let shown = site.wait_for_state(&task, "SYNCING", LONG)?;
    let found = &shown["network_check_info"];
    assert_eq!(found["evaluation_result"], "SUCCESS", "{shown}");
    assert_eq!(found["domain_connectivity"], true, "{found}");
    assert_eq!(found["destination_connectivity"], true, "{found}");
    assert!(figure(found, "network_delay")? > 0.0, "{found}");
    assert_eq!(figure(found, "loss_percentage")?, 0.0, "{found}");
    assert!(figure(found, "migration_speed")? >= 10.0, "{found}");
    assert!(figure(found, "mem_usage")? > 0.0, "{found}");

    // While it works it cannot be measured; when it rests it can.
    let refused = site.run(["tasks", "network-check", &task])?;
    assert!(!refused.status.success());
    site.act(&task, "stop")?;
    site.wait_for_state(&task, "ABORT", SHORT)?;
    let again = site.json(["tasks", "network-check", &task])?;
    assert_eq!(again["evaluation_result"], "SUCCESS", "{again}");

    // Without a receiver nothing is reached, and that is said and not guessed.
    site.receiver.kill()?;
    let checked = site.run(["tasks", "network-check", &task, "--json"])?;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let found: Value = serde_json::from_slice(&checked.stdout).context(format!("{checked:?}"))?;
    assert_eq!(found["evaluation_result"], "FAILED", "{found}");
    assert_eq!(found["destination_connectivity"], false, "{found}");
    assert_eq!(figure(&found, "loss_percentage")?, 100.0, "{found}");

    site.restart_receiver()?;
    site.act(&task, "start")?;
    site.wait_for_state(&task, "SYNCING", LONG)?;
    site.act(&task, "cutover")?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    assert!(std::fs::read(&disk)? == std::fs::read(site.image("system.img")?)?);
    Ok(())
}

#[test]
fn what_the_agent_cannot_do_is_refused_with_a_reason() -> Result<()> {
    let site = Site::start()?;
    let disk = site.disk("system.img");
    patterned_image(&disk, 4 * MIB, 1)?;
    let agent = site.agent("web1", &[&disk])?;
    let task = site.create_task(&agent, &["--start"])?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    let clear = UpdateTaskStatusReq {
        operation: Some("clear".into()),
        ..UpdateTaskStatusReq::default()
    };
    administrator(&site.login_file())?.update_task_status(&task, &clear)?;
    until("the refusal is shown", SHORT, || {
        let shown = site.json(["tasks", "show", &task])?;
        let error = shown["error_json"].as_str().unwrap_or_default();
        Ok(error.contains("makes no snapshots").then_some(()))
    })?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", SHORT)?;
    Ok(())
}
