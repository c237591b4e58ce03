//! How long a program waits for the disk that is copied: fio with 4 KiB at random places, on a file
//! system of that disk.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rehost_testkit::{LoopDevice, Mount, Site, run_tool};
use serde::Serialize;
use serde_json::Value;

use crate::rehost::{client, copy_is_done};
use crate::source_disk;

/// Part of the disk that is full.
const USED: f64 = 0.8;
const BEGIN_PATIENCE: Duration = Duration::from_secs(120);

/// How long the program waited.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Waits {
    /// For a read or a write, whichever is longer.
    pub(super) p99_milliseconds: f64,
    read_p99_milliseconds: f64,
    write_p99_milliseconds: f64,
    /// Reads and writes per second.
    requests_per_second: f64,
}

/// Measures alone, beside a copy without the guard, and beside one with it.
///
/// # Errors
/// If one of them cannot be run, or a copy ended before the program did.
pub(super) fn measure(scratch: &Path, disk_gib: u64, seconds: u32) -> Result<[Waits; 3]> {
    let image = scratch.join("shared.img");
    source_disk::make(&image, disk_gib, disk_gib as f64 * USED)?;
    let folder = tempfile::tempdir().context("make a folder to mount on")?;
    let device = LoopDevice::attach(&image)?;
    let mount = Mount::new(device.path(), folder.path())?;
    let file = mount.path().join("of-others");
    // Lays the file out and warms up.
    fio(&file, 1)?;
    Ok([
        fio(&file, seconds)?,
        beside(device.path(), &file, seconds, "off")?,
        beside(device.path(), &file, seconds, "on")?,
    ])
}

#[expect(clippy::print_stderr, reason = "it is used from a terminal")]
fn beside(disk: &Path, file: &Path, seconds: u32, guard: &str) -> Result<Waits> {
    eprintln!("a copy with the guard {guard}");
    let site = Site::start()?;
    let options = ["--latency-guard", guard, "--compression", "none"];
    let agent = site.agent_with("shared", &[disk], &options)?;
    let task = site.create_task(&agent, &["--format", "raw"])?;
    let client = client(&site)?;
    let shown = || Ok::<_, anyhow::Error>(serde_json::to_value(client.show_task(&task)?)?);
    site.act(&task, "start")?;
    let begun = Instant::now();
    while !is_copying(&shown()?) {
        ensure!(begun.elapsed() < BEGIN_PATIENCE, "the copy does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let waits = fio(file, seconds)?;
    if copy_is_done(&shown()?) {
        bail!("the copy was through before the others were: give a larger disk, or fewer seconds");
    }
    Ok(waits)
}

fn is_copying(task: &Value) -> bool {
    let subtasks = task["sub_tasks"].as_array();
    subtasks.is_some_and(|all| {
        all.iter()
            .any(|subtask| subtask["name"] == "MIGRATE_LINUX_BLOCK")
    })
}

/// Reads and writes at random places, one request after the other, for so long.
fn fio(file: &Path, seconds: u32) -> Result<Waits> {
    let words = [
        "--name=others",
        "--size=256M",
        "--rw=randrw",
        "--bs=4k",
        "--direct=1",
        "--ioengine=psync",
        "--rate_iops=500,500",
        "--time_based",
        "--output-format=json",
    ];
    let runtime = format!("--runtime={seconds}");
    let file = format!("--filename={}", file.display());
    let words = words.into_iter().chain([runtime.as_str(), file.as_str()]);
    let said = run_tool("fio", words)?;
    // Warnings come before the document.
    let start = said.find('{').context("find what fio measured")?;
    let found: Value = serde_json::from_str(&said[start..]).context("read what fio measured")?;
    let job = &found["jobs"][0];
    let p99 = |way: &str| {
        let nanoseconds = job[way]["clat_ns"]["percentile"]["99.000000"].as_f64();
        nanoseconds.map(|nanoseconds| nanoseconds / 1e6)
    };
    let rate = |way: &str| job[way]["iops"].as_f64().unwrap_or_default();
    let read = p99("read").context("find the waits of reads")?;
    let write = p99("write").context("find the waits of writes")?;
    Ok(Waits {
        p99_milliseconds: read.max(write),
        read_p99_milliseconds: read,
        write_p99_milliseconds: write,
        requests_per_second: rate("read") + rate("write"),
    })
}
