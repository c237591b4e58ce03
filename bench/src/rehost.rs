//! Rehost's turn: a whole system of real processes, driven over the public API.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use rehost_testkit::Site;
use serde_json::Value;

use crate::cpu;

/// How often the task is looked at; its cost is counted as Rehost's.
const POLL: Duration = Duration::from_millis(50);

/// What a migration cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// From the start action until every chunk is verified, durable and acknowledged.
    pub(crate) copy_seconds: f64,
    /// From the start action until both media were hashed and the proof is stored.
    pub(crate) proved_seconds: f64,
    /// Processor seconds of agent and receiver, proof included.
    pub(crate) cpu_seconds: f64,
    /// Peak resident memory of the agent, in bytes.
    pub(crate) agent_memory_bytes: u64,
    /// Peak resident memory of the receiver, in bytes.
    pub(crate) receiver_memory_bytes: u64,
    /// Bytes on the wire before encryption.
    pub(crate) wire_bytes: u64,
}

/// Migrates `source` to a raw image.
pub(crate) fn migrate(source: &Path) -> Result<Migration> {
    let site = Site::start()?;
    let agent = site.agent("bench", &[source])?;
    let task = site.create_task(&agent, &["--format", "raw"])?;
    let client = client(&site)?;
    let pids = [agent.role.pid(), site.receiver.pid()];
    let cpu = || -> Result<f64> { pids.iter().map(|pid| cpu::of_process(*pid)).sum() };
    let cpu_before = cpu()?;
    let begun = Instant::now();
    site.act(&task, "start")?;
    let mut copy_seconds = None;
    let proved_seconds = loop {
        let shown = client.show_task(&task)?;
        let shown = serde_json::to_value(&shown)?;
        if copy_seconds.is_none() && copy_is_done(&shown) {
            copy_seconds = Some(begun.elapsed().as_secs_f64());
        }
        match shown["state"].as_str() {
            Some("MIGRATE_SUCCESS") => break begun.elapsed().as_secs_f64(),
            Some(state) if state.ends_with("_FAIL") => bail!("the migration failed: {shown:#}"),
            _ => std::thread::sleep(POLL),
        }
    };
    let report = site.report(&task)?;
    ensure!(
        report
            .volumes
            .iter()
            .all(|volume| volume.equal == Some(true)),
        "not equal: {report:#?}"
    );
    Ok(Migration {
        copy_seconds: copy_seconds.unwrap_or(proved_seconds),
        proved_seconds,
        cpu_seconds: cpu()? - cpu_before,
        agent_memory_bytes: cpu::peak_memory_bytes(pids[0])?,
        receiver_memory_bytes: cpu::peak_memory_bytes(pids[1])?,
        wire_bytes: report.volumes.iter().map(|volume| volume.wire_bytes).sum(),
    })
}

/// The full copy's subtask is at 100 %.
fn copy_is_done(task: &Value) -> bool {
    let subtasks = task["sub_tasks"].as_array();
    let copy = subtasks.and_then(|all| {
        all.iter()
            .find(|subtask| subtask["name"] == "MIGRATE_LINUX_BLOCK")
    });
    copy.is_some_and(|subtask| {
        subtask["progress"]
            .as_f64()
            .is_some_and(|done| done >= 100.0)
    })
}

fn client(site: &Site) -> Result<Client> {
    let login = std::fs::read(site.login_file()).context("read the login file")?;
    let login: Value = serde_json::from_slice(&login)?;
    let text = |key: &str| login[key].as_str().unwrap_or_default().to_owned();
    Ok(Client::new(ClientConfig {
        endpoint: site.endpoint(),
        ca_pem: Some(std::fs::read_to_string(site.ca_file())?),
        credentials: Credentials::AccessKey {
            access_key: text("access_key"),
            secret_key: text("secret_key").into(),
            project_id: Some(text("project_id")),
        },
    })?)
}
