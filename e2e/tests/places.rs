//! The promise: a copy goes where it is told to, and from whatever holds the source. Block devices
//! as targets are overwritten only if they were offered, are free and large enough; a qcow2 image
//! is a source like any other disk.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::{
    Agent, LONG, LoopDevice, Mount, Site, needs_root, overwrite, patterned_image, run_tool, until,
};
use serde_json::Value;

const MIB: usize = 1024 * 1024;
/// Of the source disks. The last chunk is a short one.
const SOURCE_BYTES: usize = 48 * MIB + 512;
const TARGET_BYTES: usize = 64 * MIB;
const SMALL_BYTES: usize = 48 * MIB;

#[test]
fn privileged_an_offered_device_receives_the_copy_and_keeps_its_rest() -> Result<()> {
    needs_root()?;
    let mut site = Site::start()?;
    let source = site.disk("source.img");
    patterned_image(&source, SOURCE_BYTES as u64, 1)?;
    // The device is full of something else: what is a hole in the source must become zeros.
    let backing = site.disk("backing.img");
    patterned_image(&backing, TARGET_BYTES as u64, 2)?;
    overwrite(&backing, 0, SOURCE_BYTES, 3)?;
    let before = std::fs::read(&backing)?;
    let device = LoopDevice::attach(&backing)?;
    site.offer_devices(&[device.path()])?;

    let agent = site.agent("web1", &[&source])?;
    let onto = onto_device(device.path());
    let task = site.create_task(&agent, &["--disk", &onto, "--syncing", "--start"])?;
    site.wait_for_state(&task, "SYNCING", LONG)?;
    overwrite(&source, 7 * MIB as u64, 100_000, 4)?;
    site.act(&task, "cutover")?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;

    let report = site.report(&task)?;
    let volume = report.volumes.first().context("report of the volume")?;
    assert_eq!(volume.equal, Some(true), "{report:?}");
    let proof = path_text(&site.directory().join("proof.json"))?.to_owned();
    let written = site.run(["tasks", "proof", &task, "--output", &proof])?;
    assert!(written.status.success(), "{written:?}");
    let named = format!("{}={}", volume.name, device.path().display());
    let verified = site.run(["verify", "--proof", &proof, &named])?;
    assert!(verified.status.success(), "{verified:?}");

    let after = std::fs::read(&backing)?;
    assert!(
        after[..SOURCE_BYTES] == std::fs::read(&source)?,
        "byte by byte"
    );
    assert!(
        after[SOURCE_BYTES..] == before[SOURCE_BYTES..],
        "what is behind the copy is nobody's business"
    );
    Ok(())
}

#[test]
fn privileged_a_partition_table_ends_with_a_larger_device() -> Result<()> {
    needs_root()?;
    let mut site = Site::start()?;
    let source = site.disk("source.img");
    patterned_image(&source, SMALL_BYTES as u64, 1)?;
    partition(&source)?;
    let backing = site.disk("backing.img");
    patterned_image(&backing, TARGET_BYTES as u64, 2)?;
    let device = LoopDevice::attach(&backing)?;
    site.offer_devices(&[device.path()])?;

    let agent = site.agent("web1", &[&source])?;
    let onto = onto_device(device.path());
    let task = site.create_task(&agent, &["--disk", &onto, "--start"])?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    until("the table ends with the device", LONG, || {
        let said = run_tool("sfdisk", ["--verify", path_text(device.path())?])?;
        Ok(said.contains("No errors detected").then_some(()))
    })?;
    let partitions = |disk: &Path| -> Result<Vec<String>> {
        let dump = run_tool("sfdisk", ["--dump", path_text(disk)?])?;
        let lines = dump.lines().filter_map(|line| line.split_once("start="));
        Ok(lines.map(|(_, line)| line.to_owned()).collect())
    };
    assert_eq!(partitions(&source)?, partitions(device.path())?);

    // The proof speaks of the source's bytes, and they are there.
    let proof = path_text(&site.directory().join("proof.json"))?.to_owned();
    let written = site.run(["tasks", "proof", &task, "--output", &proof])?;
    assert!(written.status.success(), "{written:?}");
    let named = format!("source.img={}", device.path().display());
    let verified = site.run(["verify", "--proof", &proof, &named])?;
    assert!(verified.status.success(), "{verified:?}");
    overwrite(device.path(), 20 * MIB as u64, 4096, 9)?;
    let verified = site.run(["verify", "--proof", &proof, &named])?;
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
    Ok(())
}

/// Writes a GPT with two partitions upon whatever is there.
fn partition(disk: &Path) -> Result<()> {
    let options = ["--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never"];
    let mut sfdisk = Command::new("sfdisk")
        .args(options)
        .arg(disk)
        .stdin(Stdio::piped())
        .spawn()
        .context("start sfdisk")?;
    let mut input = sfdisk.stdin.take().context("input of sfdisk")?;
    input.write_all(b"label: gpt\nsize=16MiB\nsize=16MiB\n")?;
    drop(input);
    ensure!(sfdisk.wait()?.success(), "sfdisk failed");
    Ok(())
}

#[test]
fn privileged_a_device_that_may_not_be_overwritten_is_refused() -> Result<()> {
    needs_root()?;
    let mut site = Site::start()?;
    let source = site.disk("source.img");
    patterned_image(&source, SOURCE_BYTES as u64, 1)?;
    let attach = |name: &str, size_bytes: usize| -> Result<LoopDevice> {
        let backing = site.disk(name);
        patterned_image(&backing, size_bytes as u64, 2)?;
        LoopDevice::attach(&backing)
    };
    let mounted = attach("mounted.img", TARGET_BYTES)?;
    let small = attach("small.img", SMALL_BYTES)?;
    let secret = attach("secret.img", TARGET_BYTES)?;
    run_tool("mke2fs", ["-q", "-F", path_text(mounted.path())?])?;
    let directory = site.directory().join("mounted");
    std::fs::create_dir(&directory)?;
    let mount = Mount::new(mounted.path(), &directory)?;
    std::fs::write(mount.path().join("file"), "precious")?;
    let untouched = [&small, &secret].map(LoopDevice::path);
    let before = untouched.map(std::fs::read);

    site.offer_devices(&[mounted.path(), small.path()])?;
    let agent = site.agent("web1", &[&source])?;
    let refusals = [
        (&mounted, "is in use"),
        (&small, "choose a larger one"),
        (&secret, "is not offered by the target"),
    ];
    for (device, reason) in refusals {
        let why = refusal(&site, &agent, device.path())
            .with_context(|| format!("a device that {reason}"))?;
        assert!(why.contains(reason), "{why}");
    }

    for (device, before) in untouched.iter().zip(before) {
        ensure!(
            std::fs::read(device)? == before?,
            "{} has changed",
            device.display()
        );
    }
    assert_eq!(std::fs::read(mount.path().join("file"))?, b"precious");
    drop(mount);
    run_tool("e2fsck", ["-f", "-n", path_text(mounted.path())?])?;
    Ok(())
}

#[test]
fn a_qcow2_image_is_a_source_like_any_other_disk() -> Result<()> {
    let site = Site::start()?;
    let (content, source) = (site.disk("content.img"), site.disk("source.qcow2"));
    patterned_image(&content, SOURCE_BYTES as u64, 5)?;
    let formats = ["convert", "-q", "-f", "raw", "-O", "qcow2"];
    let paths = [path_text(&content)?, path_text(&source)?];
    run_tool("qemu-img", formats.into_iter().chain(paths))?;

    let agent = site.agent("web1", &[&source])?;
    let task = site.create_task(&agent, &["--start"])?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;

    let report = site.report(&task)?;
    let volume = report.volumes.first().context("report of the volume")?;
    assert_eq!(volume.equal, Some(true), "{report:?}");
    assert_eq!(
        volume.size_bytes, SOURCE_BYTES as u64,
        "what the image holds"
    );
    let image = site.image("source")?;
    assert!(
        std::fs::read(&content)? == std::fs::read(&image)?,
        "byte by byte"
    );
    Ok(())
}

/// Why a device is not overwritten: what is known beforehand is said when the task is created, and
/// what the receiver finds while the task waits for it.
fn refusal(site: &Site, agent: &Agent, device: &Path) -> Result<String> {
    let onto = onto_device(device);
    let order = [
        "--target",
        site.target(),
        "--disk",
        &onto,
        "--start",
        "--json",
    ];
    let create = ["tasks", "create", "--source", agent.name()];
    let created = site.run(create.into_iter().chain(order))?;
    if !created.status.success() {
        return Ok(String::from_utf8_lossy(&created.stderr).into_owned());
    }
    let answer: Value = serde_json::from_slice(&created.stdout).context("read the answer")?;
    let task = answer["id"].as_str().context("id of the task")?;
    // Not a failure: the device may be freed, and then the task goes on.
    let name = path_text(device)?;
    let why = until("the task says why it waits for the device", LONG, || {
        let why = waits_for(&site.json(["tasks", "show", task])?);
        Ok(why.filter(|why| why.contains(name)))
    })?;
    site.act(task, "stop")?;
    site.wait_for_state(task, "ABORT", LONG)?;
    site.act(task, "delete")?;
    Ok(why)
}

fn waits_for(task: &Value) -> Option<String> {
    let subtasks = task["sub_tasks"].as_array()?;
    let mut traces = subtasks
        .iter()
        .filter_map(|one| one["process_trace"].as_str());
    let why = traces.find_map(|trace| trace.strip_prefix("waiting for the target: "));
    why.map(Into::into)
}

fn onto_device(device: &Path) -> String {
    format!("source.img={}", device.display())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
