//! An agent that is known by an access key, as SMS's own agent is, brings everything over.

use anyhow::Result;
use rehost_testkit::{LONG, Site, patterned_image, until};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;

#[test]
fn an_agent_with_an_access_key_brings_disk_report_and_proof() -> Result<()> {
    let site = Site::start()?;
    let disk = site.disk("system.img");
    patterned_image(&disk, 20 * MIB + 512, 1)?;
    let agent = site.agent_with_access_key("web1", &[&disk])?;
    let task = site.create_task(&agent, &["--disk", "system.img=raw", "--start"])?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;

    let image = site.image("system.img")?;
    assert!(
        std::fs::read(&disk)? == std::fs::read(&image)?,
        "byte by byte"
    );
    let report = site.report(&task)?;
    assert!(
        report
            .volumes
            .iter()
            .all(|volume| volume.equal == Some(true)),
        "{report:?}"
    );

    // The agent's own copy of the proof stays where it is.
    let kept = site
        .directory()
        .join(format!("agent-web1/tasks/{task}/proof.json"));
    let arrived = site.directory().join("proof.json");
    let output = arrived.display().to_string();
    until("the proof has arrived", LONG, || {
        let asked = site.run(["tasks", "proof", &task, "--output", &output])?;
        Ok(asked.status.success().then_some(()))
    })?;
    let (kept, arrived) = (std::fs::read(kept)?, std::fs::read(arrived)?);
    assert!(kept == arrived, "the proof is the agent's");
    let proof: Value = serde_json::from_slice(&arrived)?;
    assert_eq!(proof["task_id"], task.as_str());
    Ok(())
}
