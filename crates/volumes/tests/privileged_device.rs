//! A block device is read past its cache to its very end. Needs root, for a loop device.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rehost_volumes::{AlignedBuffer, CHUNK_BYTES, open_source, to_usize};

/// A loop device over a file, given back when dropped.
struct LoopDevice(PathBuf);

impl LoopDevice {
    fn over(file: &Path) -> Self {
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(file)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "privileged tests must be run as root"
        );
        Self(String::from_utf8(made.stdout).unwrap().trim().into())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
    }
}

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
    let device = LoopDevice::over(&path);
    let volume = open_source(&device.0).unwrap();
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
