//! Rehost's turn: a whole system of real processes, driven over the public API.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use rehost_testkit::Site;
use serde_json::Value;

use crate::cost::Cost;
use crate::cpu;

/// How often the task is looked at; its cost is counted as Rehost's.
const POLL: Duration = Duration::from_millis(50);

/// What Rehost is called in reports.
pub(crate) fn side(name: &str) -> (String, String, bool) {
    let version = env!("CARGO_PKG_VERSION");
    (format!("Rehost, {name}"), version.to_owned(), true)
}

/// Migrates `source` to a raw image. Seconds count from the start action until every chunk is
/// verified, durable and acknowledged; both media are hashed and compared thereafter.
pub(crate) fn migrate(source: &Path) -> Result<Cost> {
    let site = Site::start()?;
    let agent = site.agent("bench", &[source])?;
    let task = site.create_task(&agent, &["--format", "raw"])?;
    let client = client(&site)?;
    let [source_end, target_end] = [agent.role.pid(), site.receiver.pid()];
    let cpu =
        || Ok::<_, anyhow::Error>([cpu::of_process(source_end)?, cpu::of_process(target_end)?]);
    let cpu_before = cpu()?;
    let begun = Instant::now();
    site.act(&task, "start")?;
    let mut copied = None;
    let proved_seconds = loop {
        let shown = client.show_task(&task)?;
        let shown = serde_json::to_value(&shown)?;
        if copied.is_none() && copy_is_done(&shown) {
            copied = Some((begun.elapsed().as_secs_f64(), cpu()?));
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
    let (seconds, cpu_then) = copied.map_or_else(|| Ok((proved_seconds, cpu()?)), anyhow::Ok)?;
    Ok(Cost {
        seconds,
        proved_seconds: Some(proved_seconds),
        source_cpu_seconds: cpu_then[0] - cpu_before[0],
        target_cpu_seconds: cpu_then[1] - cpu_before[1],
        source_memory_bytes: cpu::peak_memory_bytes(source_end)?,
        target_memory_bytes: cpu::peak_memory_bytes(target_end)?,
        wire_bytes: Some(report.volumes.iter().map(|volume| volume.wire_bytes).sum()),
        ..Cost::default()
    })
}

/// The full copy's subtask is at 100 %.
pub(crate) fn copy_is_done(task: &Value) -> bool {
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

/// Calls the API of a site as its operator.
pub(crate) fn client(site: &Site) -> Result<Client> {
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
