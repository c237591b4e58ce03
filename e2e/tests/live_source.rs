//! The promise: any running Linux, no kernel module, no reboot. A mounted file system is written to
//! all the time, through the full copy, the sync rounds and the cut-over; the target holds what the
//! source held at the moment of the freeze, and its file system is clean.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use rehost_testkit::{
    LONG, LoopDevice, Mount, SHORT, Site, needs_root, patterned_image, run_tool, until,
};

const DISK_BYTES: u64 = 256 * 1024 * 1024;

#[test]
fn privileged_a_mounted_disk_arrives_as_it_was_at_the_freeze() -> Result<()> {
    needs_root()?;
    let site = Site::start()?;
    let backing = site.disk("backing.img");
    patterned_image(&backing, DISK_BYTES, 4)?;
    let device = LoopDevice::attach(&backing)?;
    run_tool(
        "mke2fs",
        [
            "-q",
            "-F",
            "-t",
            "ext4",
            device.path().to_str().context("path")?,
        ],
    )?;
    let directory = site.directory().join("mounted");
    std::fs::create_dir(&directory)?;
    let mount = Mount::new(device.path(), &directory)?;
    let mut writer = Writer::start(&mount)?;

    let agent = site.agent("web1", &[device.path()])?;
    let task = site.create_task(&agent, &["--syncing", "--start"])?;
    site.wait_for_state(&task, "SYNCING", LONG)?;
    site.wait_for_round(&task)?;
    writer.check()?;
    // Its blocks are on the disk now, and that they are in use is in the journal only.
    let late = directory.join("late");
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8 + 1).collect();
    let mut file = std::fs::File::create(&late)?;
    file.write_all(&content)?;
    file.sync_all()?;
    site.act(&task, "cutover")?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    writer
        .check()
        .context("the source works on after the freeze")?;
    std::fs::write(directory.join("after"), "thawed").context("the source is thawed")?;
    drop(writer);

    let report = site.report(&task)?;
    let volume = report.volumes.first().context("report of the volume")?;
    assert_eq!(volume.equal, Some(true), "{report:?}");
    assert!(
        volume.downtime_seconds > 0.0,
        "a mounted source was frozen: {report:?}"
    );

    let name = device
        .path()
        .file_name()
        .and_then(|name| name.to_str())
        .context("name")?;
    let image = site.image(name)?;
    let proof = site.directory().join("proof.json");
    let written = site.run([
        "tasks",
        "proof",
        &task,
        "--output",
        proof.to_str().context("path")?,
    ])?;
    assert!(written.status.success(), "{written:?}");
    let named = format!("{}={}", volume.name, image.display());
    let verified = site.run(["verify", "--proof", proof.to_str().context("path")?, &named])?;
    assert!(verified.status.success(), "{verified:?}");
    // Refuses to change anything, and fails if there is anything that it would change.
    run_tool("e2fsck", ["-f", "-n", image.to_str().context("path")?])?;

    assert!(
        allocated_bytes(&image)? < DISK_BYTES / 2,
        "what is not used was not copied: {report:?}"
    );
    let arrived = site.directory().join("arrived");
    std::fs::create_dir(&arrived)?;
    let device = LoopDevice::attach(&image)?;
    let _mount = Mount::new(device.path(), &arrived)?;
    assert!(
        std::fs::read(arrived.join("late"))? == content,
        "what was allocated just before the freeze is there"
    );
    Ok(())
}

fn allocated_bytes(path: &Path) -> Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    Ok(path.metadata()?.blocks() * BLOCK_BYTES)
}

/// Something that never stops to write.
struct Writer(Child);

impl Writer {
    fn start(mount: &Mount) -> Result<Self> {
        let directory = format!("--directory={}", mount.path().display());
        let child = Command::new("fio")
            .args([
                "--name=work",
                &directory,
                "--rw=randwrite",
                "--bs=4k-64k",
                "--size=24m",
            ])
            .args([
                "--nrfiles=3",
                "--fsync=32",
                "--rate_iops=400",
                "--time_based",
                "--runtime=1h",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start fio")?;
        let writer = Self(child);
        until("fio has laid out its files", SHORT, || {
            Ok(mount.path().join("work.0.2").exists().then_some(()))
        })?;
        Ok(writer)
    }

    fn check(&mut self) -> Result<()> {
        let ended = self.0.try_wait()?;
        anyhow::ensure!(ended.is_none(), "fio has ended: {ended:?}");
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // fio writes in a process of its own, which ends with the one that was asked to.
        let pid = i32::try_from(self.0.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}
