//! The promise: nobody takes the service away from others. Ten thousand clients that dawdle, a disk
//! that is full, and documents that are too deep or too large each end in a clear answer, and all
//! that was confirmed is still there afterwards.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use rehost_e2e::golang::{Access, Answer, Golang};
use rehost_e2e::on_both_databases;
use rehost_e2e::slow_clients::SlowClients;
use rehost_sms_api::contract::{Method, operations};
use rehost_testkit::{LONG, SHORT, Site, needs_root, until};
use serde_json::{Value, json};

const SLOW_CLIENTS: usize = 10_000;
/// Calls of others in the meantime.
const CALLS: usize = 30;
/// Enough for a control plane, and full within seconds.
const SMALL_DISK_BYTES: u64 = 48 << 20;
/// A page of the file system.
const PAGE_BYTES: usize = 4096;
/// More writes than that find no room that was set aside before.
const WRITES: u32 = 5000;

on_both_databases! {
    deep_and_huge_documents_are_refused
}

#[test]
fn ten_thousand_slow_clients_do_not_stop_the_service() -> Result<()> {
    let mut site = Site::start()?;
    let client = administrator(&site)?;
    let slow = SlowClients::start(site.api_port(), &site.ca_file(), SLOW_CLIENTS)?;
    until("all slow clients have been there", LONG, || {
        Ok((slow.arrived() >= SLOW_CLIENTS).then_some(()))
    })?;
    for number in 0..CALLS {
        let answer = client
            .request("GET", "/v3/sources?limit=1", None)
            .with_context(|| format!("call {number} among slow clients"))?;
        assert_eq!(answer.status, 200);
        register(&client, &format!("among-slow-{number}"))?;
    }
    drop(slow);
    assert!(site.control_plane.is_running()?);
    assert_eq!(registered(&client)?.len(), CALLS);
    Ok(())
}

#[test]
fn privileged_a_full_disk_is_told_and_loses_nothing() -> Result<()> {
    needs_root()?;
    let mut site = Site::start_on_small_disk(SMALL_DISK_BYTES)?;
    let client = administrator(&site)?;
    let mut confirmed = vec![register(&client, "before")?];

    let filler = site.data_directory().join("filler");
    fill(&filler)?;
    let mut refusal = None;
    for number in 0..WRITES {
        let answer = try_register(&client, &format!("while-full-{number}"))?;
        if answer.status == 200 {
            confirmed.push(id_of(&answer)?);
        } else {
            refusal = Some(answer);
            break;
        }
    }
    let refusal = refusal.context("a full disk refuses something")?;
    let body: Value = refusal.decode()?;
    assert!(
        [500, 507].contains(&refusal.status),
        "{} {body}",
        refusal.status
    );
    assert!(body["error_code"].is_string(), "{body}");
    let message = body["error_msg"].as_str().unwrap_or_default();
    assert!(
        message.contains("disk") || message.contains("space"),
        "the message says what to do: {body}"
    );

    // Reading goes on, and so does the process.
    holds(&client, &confirmed).context("while the disk is full")?;
    assert!(site.control_plane.is_running()?);

    // A full disk is no reason to forget: not even if the process dies with it.
    site.control_plane.kill()?;
    std::fs::remove_file(&filler)?;
    site.restart_control_plane()?;
    until("the control plane is back", SHORT, || {
        Ok(client.request("GET", "/v3/sources?limit=1", None).ok())
    })?;
    holds(&client, &confirmed).context("after it was killed with a full disk")?;

    // And without any restart it goes on as soon as there is room.
    fill(&filler)?;
    until("the disk is full again", LONG, || {
        let answer = try_register(&client, "full-again")?;
        if answer.status == 200 {
            confirmed.push(id_of(&answer)?);
        }
        Ok((answer.status != 200).then_some(()))
    })?;
    std::fs::remove_file(&filler)?;
    let last = until("there is room again", SHORT, || {
        let answer = try_register(&client, "after")?;
        (answer.status == 200).then(|| id_of(&answer)).transpose()
    })?;
    confirmed.push(last);
    holds(&client, &confirmed).context("after there was room again")
}

/// Each operation that takes a document gets one of 100,000 levels, one beyond the limit of size, and
/// one whose text the databases differ about.
fn deep_and_huge_documents_are_refused(site: &mut Site) -> Result<()> {
    let client = administrator(site)?;
    let id = register(&client, "asked")?;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_member = format!("{{\"disks\":{deep}}}");
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(8 << 20));
    let many = format!("{{\"ids\":[{}1]}}", "1,".repeat(900_000));
    let nul = r#"{"name":"a\u0000b","ids":["\u0000"],"operation":"\u0000"}"#;
    let lone = r#"{"name":"\ud800","copystate":"\udc00"}"#;
    let mut asked = 0;
    for operation in operations() {
        let is_asked = matches!(operation.method, Method::Post | Method::Put)
            && !operation.path.starts_with("/rehost/v1/targets/self")
            && !["/proof", "/log-archives/{role}"]
                .iter()
                .any(|end| operation.path.ends_with(end));
        if !is_asked {
            continue;
        }
        asked += 1;
        let path: String = operation
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { &id } else { part })
            .collect::<Vec<_>>()
            .join("/");
        for (what, text) in [
            ("deep", &deep),
            ("deep within", &deep_member),
            ("huge", &huge),
            ("of many", &many),
            ("with NUL", &nul.to_owned()),
            ("with half a character", &lone.to_owned()),
        ] {
            let method = operation.method.as_str();
            let answer = client
                .send_text(method, &path, Some(text))
                .with_context(|| format!("{method} {path}: {what}"))?;
            ensure!(
                answer.status < 500,
                "{method} {path}: {what}: {}",
                answer.status
            );
            // Operations without a body may take no notice of one.
            if answer.status >= 400 {
                let body: Value = answer.decode()?;
                let has_form = body["error_code"].is_string() || body["error"].is_object();
                ensure!(has_form, "{method} {path}: {what}: {body}");
            }
        }
    }
    assert!(asked > 20, "operations with a document: {asked}");
    for (text, status) in [
        (&deep, 400),
        (&deep_member, 400),
        (&huge, 413),
        (&many, 400),
    ] {
        let answer = client.send_text("POST", "/v3/sources/delete", Some(text))?;
        assert_eq!(answer.status, status, "{} bytes", text.len());
    }
    assert!(site.control_plane.is_running()?);
    holds(&client, &[id])
}

/// Whatever is left of the disk, to the last page.
fn fill(path: &std::path::Path) -> Result<()> {
    let mut file = std::fs::File::create(path)?;
    for size in [1 << 20, PAGE_BYTES] {
        let part = vec![0x5a; size];
        while file.write_all(&part).is_ok() {}
    }
    Ok(())
}

/// Every id that was confirmed is there.
fn holds(client: &Golang, confirmed: &[String]) -> Result<()> {
    let there = registered(client)?;
    let lost: Vec<&String> = confirmed.iter().filter(|id| !there.contains(id)).collect();
    ensure!(lost.is_empty(), "lost: {lost:?}");
    Ok(())
}

fn registered(client: &Golang) -> Result<Vec<String>> {
    let rows: Vec<Value> = client.pages("/v3/sources", "source_servers")?;
    let ids = rows.iter().filter_map(|row| row["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

fn register(client: &Golang, name: &str) -> Result<String> {
    let answer = try_register(client, name)?;
    ensure!(answer.status == 200, "register {name}: {}", answer.status);
    id_of(&answer)
}

fn try_register(client: &Golang, name: &str) -> Result<Answer> {
    let body = json!({
        "ip": "192.0.2.50", "name": name, "hostname": name, "os_type": "LINUX",
        "os_version": "DEBIAN_12_64BIT", "agent_version": "25.2.0",
        "disks": [{"name": "/dev/vda", "size": 1 << 30, "used_size": 1 << 20, "os_disk": true,
            "device_use": "BOOT", "partition_style": "MBR", "physical_volumes": []}],
        "networks": [{"name": "eth0", "ip": "192.0.2.50", "netmask": "255.255.255.0",
            "gateway": "192.0.2.1", "mtu": 1500, "mac": "fa:16:3e:00:00:04"}],
    });
    client.send("POST", "/v3/sources", Some(&body))
}

fn id_of(answer: &Answer) -> Result<String> {
    let body: Value = answer.decode()?;
    Ok(body["id"].as_str().context("id")?.to_owned())
}

fn administrator(site: &Site) -> Result<Golang> {
    let login: Value = serde_json::from_slice(&std::fs::read(site.login_file())?)?;
    let text = |name: &str| -> Result<String> {
        Ok(login[name]
            .as_str()
            .context("text of the login")?
            .to_owned())
    };
    let mut client = Golang::new(site.api_port(), &site.ca_file())?;
    client.access = Access::Keys {
        access_key: text("access_key")?,
        secret_key: text("secret_key")?,
    };
    Ok(client)
}
