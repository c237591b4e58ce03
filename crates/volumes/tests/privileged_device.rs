//! A block device is read past its cache to its very end. Needs root, for a loop device.

use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rehost_testkit::{LoopDevice, run_tool};
use rehost_volumes::{
    AlignedBuffer, CHUNK_BYTES, GptBackup, move_gpt_backup, open_source, open_target, to_usize,
};

#[test]
fn privileged_the_end_of_a_device_is_never_read_from_its_cache() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    let file = std::fs::File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    // Whole sectors, as of every disk, but not whole pages.
    file.set_len(CHUNK_BYTES + 3 * 512).unwrap();
    let device = LoopDevice::attach(&path).unwrap();
    let volume = open_source(device.path()).unwrap();
    assert_eq!(volume.size_bytes(), CHUNK_BYTES + 3 * 512);
    let mut buffer = AlignedBuffer::new(to_usize(CHUNK_BYTES));
    let end = &mut buffer[..3 * 512];
    volume.read_at(end, CHUNK_BYTES).unwrap();
    assert_eq!(*end, [0; 3 * 512]);
    // As a mounted file system does: past the cache of the device.
    file.write_all_at(&[7; 3 * 512], CHUNK_BYTES).unwrap();
    volume.read_at(end, CHUNK_BYTES).unwrap();
    assert_eq!(*end, [7; 3 * 512]);
}

#[test]
fn privileged_what_is_not_aligned_is_read_past_the_cache_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    let file = std::fs::File::create_new(&path).unwrap();
    file.set_len(3 * CHUNK_BYTES).unwrap();
    let device = LoopDevice::attach(&path).unwrap();
    let volume = open_source(device.path()).unwrap();
    let mut buffer = vec![7; to_usize(2 * CHUNK_BYTES)];
    volume.read_at(&mut buffer, 1000).unwrap();
    assert!(buffer.iter().all(|byte| *byte == 0));
    file.write_all_at(b"written past the cache", CHUNK_BYTES - 5)
        .unwrap();
    volume.read_at(&mut buffer, 1000).unwrap();
    let found = to_usize(CHUNK_BYTES) - 5 - 1000;
    assert_eq!(buffer[found..found + 22], *b"written past the cache");
    assert!(buffer[..found].iter().all(|byte| *byte == 0));
}

/// With sectors of 4 KiB nothing smaller can be written past the cache, and tables count in them.
#[test]
fn privileged_a_table_of_large_sectors_is_fitted_to_a_larger_device() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    let file = std::fs::File::create_new(&path).unwrap();
    file.set_len(32 * CHUNK_BYTES).unwrap();
    let sfdisk = |device: &Path, options: &[&str], script: &str| {
        let mut command = Command::new("sfdisk");
        command.args(options).arg(device).env("LC_ALL", "C");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(script.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    {
        let small = LargeSectors::attach(&path);
        let quiet = ["--quiet", "--no-reread", "--no-tell-kernel"];
        sfdisk(&small.0, &quiet, "label: gpt\nsize=8MiB\nsize=8MiB\n");
    }
    file.set_len(48 * CHUNK_BYTES).unwrap();
    let large = LargeSectors::attach(&path);
    let before = sfdisk(&large.0, &["--dump"], "");
    assert!(before.contains("sector-size: 4096"), "{before}");
    let medium = open_target(&large.0).unwrap();
    let moved = move_gpt_backup(&*medium, 32 * CHUNK_BYTES).unwrap();
    assert_eq!(moved, GptBackup::Moved);
    let said = sfdisk(&large.0, &["--verify"], "");
    assert!(said.contains("No errors detected"), "{said}");
    let partitions = |dump: &str| {
        let lines = dump.lines().filter(|line| line.contains("start="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let after = sfdisk(&large.0, &["--dump"], "");
    assert_eq!(partitions(&after), partitions(&before));
}

/// A loop device with sectors of 4 KiB; detached when dropped.
struct LargeSectors(std::path::PathBuf);

impl LargeSectors {
    fn attach(path: &Path) -> Self {
        let path = path.to_str().unwrap();
        let said = run_tool("losetup", ["--sector-size=4096", "--find", "--show", path]);
        Self(said.unwrap().trim().into())
    }
}

impl Drop for LargeSectors {
    fn drop(&mut self) {
        // Nothing can be done about a device that does not go away.
        let _ = run_tool("losetup", [Path::new("--detach"), &self.0]);
    }
}
