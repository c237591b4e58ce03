//! The promise: the logs of both ends can be had when somebody needs them, by whoever was given their
//! address and by nobody else, and there is nothing secret in them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_e2e::request;
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use rehost_testkit::{LONG, SHORT, Site, patterned_image, run_tool, until};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;

/// Unpacks logs below a folder, and gives those of one end as text; nothing if they are not there.
fn unpacked(archive: &Path, folder: &Path, role: &str) -> Result<Option<String>> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder)?;
    let text = |path: &Path| -> Result<String> {
        Ok(path.to_str().context("a path in UTF-8")?.to_owned())
    };
    run_tool("tar", ["-xf", &text(archive)?, "-C", &text(folder)?])?;
    let packed = folder.join(format!("{role}.tar.gz"));
    if !packed.exists() {
        return Ok(None);
    }
    run_tool("tar", ["-xzf", &text(&packed)?, "-C", &text(folder)?])?;
    let name = if role == "source" {
        "agent.log"
    } else {
        "receiver.log"
    };
    Ok(Some(std::fs::read_to_string(folder.join(name))?))
}

#[test]
fn logs_of_both_ends_come_by_a_secret_address() -> Result<()> {
    let site = Site::start()?;
    let disk = site.disk("system.img");
    patterned_image(&disk, 8 * MIB, 1)?;
    let agent = site.agent("web1", &[&disk])?;
    let task = site.create_task(&agent, &[])?;
    let early = site.run(["tasks", "log", &task])?;
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(
        said.contains("SMS.7717"),
        "no logs before the start: {said}"
    );

    site.act(&task, "start")?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    let kept = site.directory().join("agent-web1/logs/agent.log");
    let mode = std::fs::metadata(&kept)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for the owner alone");

    let archive = site.directory().join("logs.tar");
    let output = archive.display().to_string();
    let collected = site.json(["tasks", "log", &task, "--output", &output])?;
    assert_eq!(collected["log_collect_status"], "UPLOADED", "{collected}");
    assert!(
        collected["log_upload_time"].as_i64() > Some(0),
        "{collected}"
    );
    assert!(collected["log_expire"].as_i64() > Some(0), "{collected}");
    let folder = site.directory().join("unpacked");
    let source = unpacked(&archive, &folder, "source")?.context("logs of the agent")?;
    assert!(source.contains(&task), "what the agent did: {source}");

    // The receiver's are added when they come; the same address has them.
    let address = collected["log_share_url"].as_str().context("address")?;
    let share = address.rsplit('/').next().context("share")?;
    let client = Client::new(ClientConfig {
        endpoint: site.endpoint(),
        ca_pem: Some(std::fs::read_to_string(site.ca_file())?),
        credentials: Credentials::None,
    })?;
    let target = until("logs of the receiver", SHORT, || {
        let mut file = std::fs::File::create(&archive)?;
        client.get_log_archive(share, &mut file)?;
        unpacked(&archive, &folder, "target")
    })?;
    assert!(target.contains(&task), "what the receiver did: {target}");
    for text in [&source, &target] {
        assert_holds_no_secrets(&site, text)?;
    }

    let guessed = format!("GET /rehost/v1/log-archives/{} HTTP/1.1", "0".repeat(64));
    let (status, body) = request(site.api_port(), &site.ca_file(), &guessed, b"")?;
    assert_eq!(
        (status, body["error_code"].as_str()),
        (404, Some("REHOST.3005"))
    );

    // A new collection has a new address, and the old one leads nowhere.
    let again = site.json(["tasks", "log", &task])?;
    assert_ne!(again["log_share_url"], collected["log_share_url"]);
    assert!(client.get_log_archive(share, &mut Vec::new()).is_err());
    Ok(())
}

/// Neither the keys of the control plane nor those of machines are in a log.
fn assert_holds_no_secrets(site: &Site, text: &str) -> Result<()> {
    let login: Value = serde_json::from_slice(&std::fs::read(site.login_file())?)?;
    for name in ["secret_key", "password"] {
        let secret = login[name].as_str().context(name)?;
        assert!(!text.contains(secret), "{name} is in a log");
    }
    for word in ["PRIVATE KEY", "rehost-join-1."] {
        assert!(!text.contains(word), "{word} is in a log");
    }
    Ok(())
}

#[test]
fn an_agent_that_acts_by_an_access_key_sends_its_logs_too() -> Result<()> {
    let site = Site::start()?;
    let disk = site.disk("system.img");
    patterned_image(&disk, 4 * MIB, 1)?;
    let agent = site.agent_with_access_key("web1", &[&disk])?;
    let task = site.create_task(&agent, &["--start"])?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    let collected = site.json(["tasks", "log", &task])?;
    assert_eq!(collected["log_collect_status"], "UPLOADED", "{collected}");
    Ok(())
}
