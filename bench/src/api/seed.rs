//! Fills a store with source servers: some are registered, and given tasks, over the API; the rest
//! are copies of their rows, so that they are what the control plane itself would have written.

use std::time::Instant;

use anyhow::{Context as _, Result};
use rehost_sms_api::rehost::TargetRegistration;
use rehost_store::{SourceRow, Store, TaskRow, Write};
use serde_json::{Value, json};

use super::control_plane::ControlPlane;

/// Every so many-th source server has a task.
const SOURCES_A_TASK: usize = 4;
/// Rows of one transaction.
const ROWS: usize = 500;
/// States that sources without and with tasks are spread over.
const STATES: [&str; 4] = ["waiting", "unavailable", "stopped", "error"];
/// The target of all tasks.
const TARGET: &str = "bench-target";

/// What is in the store.
#[derive(Clone, Debug)]
pub(crate) struct Seeded {
    /// Ids of the source servers.
    pub(crate) sources: Vec<String>,
    /// Ids of tasks, each with the id of its source.
    pub(crate) tasks: Vec<(String, String)>,
    /// Bytes of an inventory as it is stored.
    pub(crate) inventory_bytes: usize,
    pub(crate) seconds: f64,
}

/// Fills the store; the control plane must be stopped, and was started once.
///
/// # Errors
/// If the control plane or the database refuses anything.
pub(crate) async fn seed(plane: &mut ControlPlane, count: usize) -> Result<Seeded> {
    let (source, task, certificates) = samples(plane).await?;
    let begun = Instant::now();
    let store = Store::open(&plane.database)
        .await
        .context("open the store")?;
    let mut seeded = Seeded {
        sources: vec![source.id.clone()],
        tasks: vec![(task.id.clone(), source.id.clone())],
        inventory_bytes: source.inventory.text().len(),
        seconds: 0.0,
    };
    let mut number = 1;
    while number < count {
        let numbers = number..count.min(number + ROWS);
        number = numbers.end;
        let rows: Vec<_> = numbers
            .map(|number| {
                let source = copy_source(&source, number);
                let has_task = number.is_multiple_of(SOURCES_A_TASK);
                let task = has_task.then(|| copy_task(&task, &source, number));
                (source, task)
            })
            .collect();
        let mut writes = Vec::with_capacity(2 * rows.len());
        for (source, task) in &rows {
            writes.push(Write::InsertSource(source));
            writes.extend(
                task.iter()
                    .map(|task| Write::InsertTask(task, &certificates)),
            );
        }
        store.write(&writes).await.context("add sources")?;
        for (source, task) in rows {
            let source_id = source.id.clone();
            seeded.tasks.extend(task.map(|task| (task.id, source_id)));
            seeded.sources.push(source.id);
        }
    }
    store.close().await;
    seeded.seconds = begun.elapsed().as_secs_f64();
    Ok(seeded)
}

/// A source and a task as the control plane writes them, with the JSON of the certificates.
async fn samples(plane: &mut ControlPlane) -> Result<(SourceRow, TaskRow, String)> {
    plane.start()?;
    let domain_id = plane.log_in().await?.domain_id;
    plane.stop()?;
    let store = Store::open(&plane.database)
        .await
        .context("open the store")?;
    let registration = TargetRegistration {
        name: TARGET.into(),
        data_address: "192.0.2.20".into(),
        data_port: 8899,
        makes_images: true,
        devices: Vec::new(),
        boots: false,
    };
    let registration = serde_json::to_string(&registration)?;
    let far = i64::MAX / 2;
    store
        .put_target(&domain_id, TARGET, TARGET, &registration, far)
        .await?;
    store.close().await;

    plane.start()?;
    let mut session = plane.log_in().await?;
    let registered = session.call("POST", "/v3/sources", &inventory()).await?;
    let source_id = registered["id"].as_str().context("id of a source")?;
    let task = json!({
        "name": "move", "type": "MIGRATE_BLOCK", "os_type": "LINUX", "syncing": true,
        "region_name": "rehost", "region_id": "rehost", "project_name": "rehost",
        "project_id": "rehost",
        "source_server": {"id": source_id},
        "target_server": {"vm_id": TARGET, "name": "new-home"},
    });
    let created = session.call("POST", "/v3/tasks", &task).await?;
    let task_id = created["id"].as_str().context("id of a task")?;
    session
        .call("PUT", &format!("/v3/tasks/{task_id}/progress"), &progress())
        .await?;
    plane.stop()?;

    let store = Store::open(&plane.database)
        .await
        .context("open the store")?;
    let source = store.source(source_id).await?.context("the source")?;
    let task = store.task(task_id).await?.context("the task")?;
    let certificates = store.task_certificates(task_id).await?;
    store.close().await;
    Ok((source, task, certificates.context("certificates")?))
}

fn copy_source(sample: &SourceRow, number: usize) -> SourceRow {
    let ip = format!(
        "10.{}.{}.{}",
        number >> 16,
        (number >> 8) & 255,
        number & 255
    );
    let has_task = number.is_multiple_of(SOURCES_A_TASK);
    // What has a task is in the state of that task; the others are spread.
    let state = STATES[if has_task { 0 } else { number % STATES.len() }];
    SourceRow {
        id: uuid::Uuid::now_v7().to_string(),
        owner: None,
        name: format!("server-{number:06}"),
        ip,
        state: state.to_owned(),
        add_date: sample.add_date + i64::try_from(number).unwrap_or(0),
        ..sample.clone()
    }
}

fn copy_task(sample: &TaskRow, source: &SourceRow, number: usize) -> TaskRow {
    TaskRow {
        id: uuid::Uuid::now_v7().to_string(),
        source_id: source.id.clone(),
        name: format!("move-{number:06}"),
        create_date: source.add_date,
        ..sample.clone()
    }
}

/// What an agent reports while it copies.
pub(crate) fn progress() -> Value {
    json!({
        "subtask_name": "MIGRATE_LINUX_BLOCK", "progress": 42,
        "replicatesize": 45_097_156_608_u64, "totalsize": 107_374_182_400_u64,
        "process_trace": "round 1: 45097156608 of 107374182400 bytes read, 30601641984 bytes sent",
        "migrate_speed": 812.5, "compress_rate": 0.68, "remain_time": 640,
        "total_cpu_usage": 31.5, "agent_cpu_usage": 12.25, "total_mem_usage": 61.0,
        "agent_mem_usage": 1.5, "total_disk_io": 96.0, "agent_disk_io": 88.0,
        "agent_time": "2026-01-15 10:20:30",
    })
}

/// A server with two disks, LVM on one of them, and two network cards.
fn inventory() -> Value {
    let part = |name: &str, mount: &str, size: u64| {
        json!({
            "device_use": "OS", "file_system": "ext4", "index": 1, "mount_point": mount,
            "name": name, "size": size, "used_size": size / 3, "inode_size": 256,
            "uuid": "8d2b7f66-0c58-4b5e-9a5c-3f3f1c1c7a11",
        })
    };
    let disk = |name: &str, parts: Vec<Value>, size: u64| {
        json!({
            "name": name, "partition_style": "GPT", "device_use": "OS", "size": size,
            "used_size": size, "os_disk": name == "/dev/vda", "relation_name": name,
            "inode_size": 256, "physical_volumes": parts,
        })
    };
    let volume = |name: &str, mount: &str| {
        json!({
            "block_count": 5_242_880, "block_size": 4096, "file_system": "xfs", "inode_size": 512,
            "device_use": "NORMAL", "mount_point": mount, "name": name, "size": 21_474_836_480_u64,
            "used_size": 7_516_192_768_u64, "free_size": 13_958_643_712_u64,
        })
    };
    let card = |name: &str, ip: &str, mac: &str| {
        json!({
            "name": name, "ip": ip, "ipv6": "2001:db8::15", "netmask": "255.255.255.0",
            "gateway": "10.0.0.1", "mtu": 1500, "mac": mac,
        })
    };
    json!({
        "name": "server-000000", "hostname": "server-000000.example.com", "ip": "10.0.0.0",
        "os_type": "LINUX", "os_version": "DEBIAN_12_64BIT", "firmware": "BIOS",
        "oem_system": false, "cpu_quantity": 8, "memory": 34_359_738_368_u64,
        "agent_version": "0.1.0", "has_rsync": true, "has_tc": true, "virtualization_type": "KVM",
        "linux_block_check": "", "start_type": "MANUAL", "boot_loader": "GRUB",
        "io_read_wait": 1, "platform": "vmware", "migration_cycle": "checking", "state": "waiting",
        "networks": [
            card("eth0", "10.0.0.15", "52:54:00:12:34:56"),
            card("eth1", "10.1.0.15", "52:54:00:12:34:57"),
        ],
        "disks": [
            disk("/dev/vda", vec![
                part("/dev/vda1", "/boot/efi", 536_870_912),
                part("/dev/vda2", "/boot", 1_073_741_824),
                part("/dev/vda3", "/", 53_687_091_200),
            ], 64_424_509_440),
            disk("/dev/vdb", vec![part("/dev/vdb1", "", 107_374_182_400)], 107_374_182_400),
        ],
        "volume_groups": [{
            "components": "/dev/vdb1", "free_size": 64_424_509_440_u64, "name": "data",
            "size": 107_374_182_400_u64,
            "logical_volumes": [
                volume("/dev/mapper/data-var", "/var"), volume("/dev/mapper/data-srv", "/srv"),
            ],
        }],
        "btrfs_list": [],
    })
}
