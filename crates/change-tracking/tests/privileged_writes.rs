//! The promise: whatever way a disk is changed, each grain that differs is marked, or the tracker
//! says itself that it is void. Needs root, BPF and loop devices.

mod common;

use std::path::Path;

use anyhow::{Result, ensure};
use common::{Outcome, Partitions, Site, fio, judge, until_not_void};
use rehost_change_tracking::{Beginning, Tracker};
use rehost_testkit::run_tool;

const DISK_BYTES: u64 = 320 << 20;

/// Makes a file system with a file in it, tracks, changes, and holds the marks against the disk.
fn in_a_file(make: &str, change: impl Fn(&Path) -> Result<()>) -> Result<Outcome> {
    let site = Site::new(DISK_BYTES)?;
    let mount = site.mount(make, site.device(), "mounted")?;
    let file = mount.path().join("file");
    fio(
        &file,
        &["--rw=write", "--bs=1M", "--size=24M", "--end_fsync=1"],
    )?;
    let before = site.remember()?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    ensure!(tracker.beginning() == (Beginning::Anew { instead_of: None }));
    change(&file)?;
    drop(mount);
    judge(&site, &tracker, &before, &[])
}

fn on_the_device(change: impl Fn(&Path) -> Result<()>) -> Result<Outcome> {
    let site = Site::new(DISK_BYTES)?;
    fio(
        site.device(),
        &["--rw=write", "--bs=1M", "--size=64M", "--direct=1"],
    )?;
    let before = site.remember()?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    change(site.device())?;
    judge(&site, &tracker, &before, &[])
}

#[test]
fn privileged_buffered_writes_are_marked() -> Result<()> {
    for make in ["mkfs.ext4", "mkfs.xfs"] {
        until_not_void(make, || {
            in_a_file(make, |file| {
                fio(
                    file,
                    &[
                        "--rw=randwrite",
                        "--bs=4k",
                        "--size=24M",
                        "--io_size=2M",
                        "--fsync=16",
                    ],
                )
            })
        })?;
    }
    Ok(())
}

#[test]
fn privileged_direct_asynchronous_writes_are_marked() -> Result<()> {
    until_not_void("libaio", || {
        in_a_file("mkfs.ext4", |file| {
            fio(
                file,
                &[
                    "--rw=randwrite",
                    "--bsrange=4k-128k",
                    "--size=24M",
                    "--io_size=8M",
                    "--ioengine=libaio",
                    "--iodepth=16",
                    "--direct=1",
                ],
            )
        })
    })
}

#[test]
fn privileged_writes_through_memory_are_marked() -> Result<()> {
    until_not_void("mmap", || {
        in_a_file("mkfs.ext4", |file| {
            fio(
                file,
                &[
                    "--rw=randwrite",
                    "--bs=4k",
                    "--size=24M",
                    "--io_size=2M",
                    "--ioengine=mmap",
                ],
            )
        })
    })
}

#[test]
fn privileged_discards_are_marked() -> Result<()> {
    until_not_void("discards", || {
        let site = Site::new(DISK_BYTES)?;
        let mount = site.mount("mkfs.ext4", site.device(), "mounted")?;
        let file = mount.path().join("file");
        for number in 0..3 {
            let other = mount.path().join(format!("{number}"));
            fio(
                &other,
                &["--rw=write", "--bs=1M", "--size=8M", "--end_fsync=1"],
            )?;
        }
        fio(
            &file,
            &["--rw=write", "--bs=1M", "--size=24M", "--end_fsync=1"],
        )?;
        let before = site.remember()?;
        let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
        std::fs::remove_file(mount.path().join("1"))?;
        let path = file.to_string_lossy().into_owned();
        run_tool(
            "fallocate",
            ["--punch-hole", "--offset=4M", "--length=6M", &path],
        )?;
        run_tool("truncate", ["--size=20M", &path])?;
        run_tool("sync", [] as [&str; 0])?;
        run_tool("fstrim", [mount.path()])?;
        drop(mount);
        let outcome = judge(&site, &tracker, &before, &[])?;
        if outcome.void.is_none() {
            let discarded = tracker.read_marks().discarded;
            ensure!(discarded.count() > 100, "trimmed: {}", discarded.count());
            ensure!(tracker.figures().discard_requests > 0);
        }
        Ok(outcome)
    })
}

#[test]
fn privileged_large_discards_and_zeroing_are_marked() -> Result<()> {
    until_not_void("blkdiscard", || {
        on_the_device(|device| {
            let path = device.to_string_lossy().into_owned();
            run_tool(
                "blkdiscard",
                ["--force", "--offset=1M", "--length=17M", &path],
            )?;
            run_tool(
                "blkdiscard",
                ["--force", "--zeroout", "--offset=40M", "--length=9M", &path],
            )?;
            Ok(())
        })
    })
}

#[test]
fn privileged_new_file_systems_are_marked() -> Result<()> {
    until_not_void("mkfs", || {
        on_the_device(|device| {
            for make in [["mkfs.ext4", "-F"], ["mkfs.xfs", "-f"]] {
                run_tool(make[0], [Path::new("-q"), Path::new(make[1]), device])?;
            }
            Ok(())
        })
    })
}

#[test]
fn privileged_writes_to_partitions_are_marked_on_the_disk() -> Result<()> {
    until_not_void("partitions", || {
        let site = Site::new(DISK_BYTES)?;
        let partitions = Partitions::two(site.device())?;
        let before = site.remember()?;
        let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
        ensure!(
            Tracker::start_or_resume(&site.root(), &partitions.path(1)).is_err(),
            "a partition is not a disk"
        );
        let mount = site.mount("mkfs.ext4", &partitions.path(2), "second")?;
        fio(
            &mount.path().join("file"),
            &["--rw=randwrite", "--bs=16k", "--size=8M", "--end_fsync=1"],
        )?;
        fio(
            &partitions.path(1),
            &[
                "--rw=randwrite",
                "--bs=8k",
                "--size=16M",
                "--io_size=2M",
                "--direct=1",
            ],
        )?;
        drop(mount);
        judge(&site, &tracker, &before, &[])
    })
}
