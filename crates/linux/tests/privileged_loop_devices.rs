//! The system calls against real loop devices. They need root, and say so loudly without it.
#![expect(clippy::unwrap_used, reason = "a failing helper should fail the test")]

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rehost_linux::{
    block_device_size, discard, freeze, lock_memory, logical_block_size, reread_partitions, thaw,
    unlock_memory, zero_out,
};
use rustix::io::Errno;

const DEVICE_BYTES: u64 = 64 << 20;

/// A loop device over a file of its own, given back when dropped.
struct LoopDevice {
    path: PathBuf,
    directory: tempfile::TempDir,
}

impl LoopDevice {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "privileged tests must be run as root"
        );
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        File::create(&image).unwrap().set_len(DEVICE_BYTES).unwrap();
        let path = run(Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&image));
        Self {
            path: path.trim().into(),
            directory,
        }
    }

    fn open(&self) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .unwrap()
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        run(Command::new("losetup").arg("--detach").arg(&self.path));
    }
}

/// A mounted file system, unmounted when dropped.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        run(Command::new("umount").arg(self.0));
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn privileged_size_and_sector_size_are_the_devices() {
    let device = LoopDevice::new();
    assert_eq!(block_device_size(device.open()), Ok(DEVICE_BYTES));
    assert_eq!(logical_block_size(device.open()), Ok(512));
}

#[test]
fn privileged_only_the_range_is_zeroed_or_discarded() {
    let device = LoopDevice::new();
    let file = device.open();
    file.write_all_at(&[0xAA; 16384], 0).unwrap();
    file.sync_all().unwrap();

    zero_out(&file, 4096, 4096).unwrap();
    discard(&file, 12288, 4096).unwrap();

    let mut read = Vec::new();
    device.open().take(16384).read_to_end(&mut read).unwrap();
    assert!(read[..4096].iter().all(|byte| *byte == 0xAA));
    assert!(read[4096..8192].iter().all(|byte| *byte == 0));
    assert!(read[8192..12288].iter().all(|byte| *byte == 0xAA));
    assert_eq!(zero_out(&file, 1, 512).unwrap_err().errno(), Errno::INVAL);
    assert_eq!(
        discard(&file, DEVICE_BYTES, 512).unwrap_err().errno(),
        Errno::INVAL
    );
}

#[test]
fn privileged_a_device_without_partition_support_is_no_failure() {
    // A loop device that was made without the partition scan flag cannot have partitions.
    let device = LoopDevice::new();
    assert_eq!(reread_partitions(device.open()), Ok(false));
}

#[test]
fn privileged_a_frozen_file_system_says_so_until_it_is_thawed() {
    let device = LoopDevice::new();
    run(Command::new("mkfs.ext4").arg("-q").arg(&device.path));
    let mount_point = device.directory.path().join("mount");
    std::fs::create_dir(&mount_point).unwrap();
    run(Command::new("mount").arg(&device.path).arg(&mount_point));
    let _mount = Mount(&mount_point);
    let root = File::open(&mount_point).unwrap();

    freeze(&root).unwrap();
    assert_eq!(freeze(&root).unwrap_err().errno(), Errno::BUSY);
    thaw(&root).unwrap();
    assert_eq!(thaw(&root).unwrap_err().errno(), Errno::INVAL);
    File::create(mount_point.join("file"))
        .unwrap()
        .write_all(b"writable again")
        .unwrap();
}

#[test]
fn privileged_memory_is_locked_and_unlocked() {
    assert!(
        rustix::process::geteuid().is_root(),
        "privileged tests must be run as root"
    );
    let locked_kib = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmLck:"))
            .unwrap();
        line.trim_end_matches("kB").trim().parse::<u64>().unwrap()
    };
    lock_memory().unwrap();
    assert!(locked_kib() > 0);
    unlock_memory().unwrap();
    assert_eq!(locked_kib(), 0);
}

#[test]
fn a_file_that_is_no_block_device_is_told_apart() {
    let file = tempfile::tempfile().unwrap();
    assert_eq!(block_device_size(&file).unwrap_err().errno(), Errno::NOTTY);
    assert_eq!(logical_block_size(&file).unwrap_err().errno(), Errno::NOTTY);
    assert_eq!(thaw(&file).unwrap_err().errno(), Errno::INVAL);
}

#[test]
fn a_process_that_ignores_termination_lives_on() {
    rehost_linux::ignore_termination().unwrap();
    let this = rustix::process::getpid();
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        rustix::process::kill_process(this, signal).unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_eq!(ignored & 0x4003, 0x4003, "HUP, INT and TERM");
}
