//! For tests: gives a mounted file system a past, and media that were tampered with.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rehost_testkit::{LoopDevice, Mount, needs_root, run_tool};
use rehost_volumes::VolumeError;

use crate::Medium;

/// A mounted image. Drops in the order of its fields.
#[derive(Debug)]
pub(crate) struct Mounted {
    mount: Mount,
    _directory: tempfile::TempDir,
    devices: Vec<LoopDevice>,
}

impl Mounted {
    /// Attaches the images and mounts the first.
    pub(crate) fn new(images: &[&Path]) -> Self {
        needs_root().unwrap();
        let devices: Vec<LoopDevice> = images
            .iter()
            .map(|image| LoopDevice::attach(image).unwrap())
            .collect();
        if devices.len() > 1 {
            for device in &devices {
                run_tool("btrfs", ["device".as_ref(), "scan".as_ref(), device.path()]).unwrap();
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let first = devices.first().unwrap();
        Self {
            mount: Mount::new(first.path(), directory.path()).unwrap(),
            _directory: directory,
            devices,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.mount.path()
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = &Path> {
        self.devices.iter().map(LoopDevice::path)
    }
}

/// A file system that holds still until this is dropped.
#[derive(Debug)]
pub(crate) struct Frozen(PathBuf);

impl Frozen {
    pub(crate) fn new(mounted: &Mounted) -> Self {
        let path = mounted.path().to_owned();
        run_tool("fsfreeze", ["--freeze".as_ref(), path.as_path()]).unwrap();
        Self(path)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = run_tool("fsfreeze", ["--unfreeze".as_ref(), self.0.as_path()]);
    }
}

/// Makes, grows, shrinks and removes files, so that free space lies in many pieces.
pub(crate) fn age(directory: &Path) {
    let contents: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = |number: usize| {
        let folder = directory.join(format!("folder-{}", number % 7));
        fs::create_dir_all(&folder).unwrap();
        folder.join(format!("file-{number}"))
    };
    let length = |number: usize| number * 7919 % 120_000;
    for number in 0..400 {
        fs::write(path(number), &contents[..length(number)]).unwrap();
    }
    sync(directory);
    for number in (0..400).step_by(3) {
        fs::remove_file(path(number)).unwrap();
    }
    sync(directory);
    for number in (1..400).step_by(3) {
        let file = OpenOptions::new().append(true).open(path(number));
        file.unwrap().write_all(&contents[..9000]).unwrap();
        let file = OpenOptions::new().write(true).open(path(number + 1));
        file.unwrap().set_len(length(number) as u64 / 2).unwrap();
    }
    // With holes in it.
    let file = fs::File::create(directory.join("sparse")).unwrap();
    for number in 0..500 {
        file.write_all_at(&contents[..4096], number * 20_480)
            .unwrap();
    }
    sync(directory);
}

pub(crate) fn sync(directory: &Path) {
    run_tool("sync", ["--file-system".as_ref(), directory]).unwrap();
}

/// Fails if two directories differ in any file.
pub(crate) fn assert_same_files(one: &Path, other: &Path) {
    run_tool("diff", ["--recursive".as_ref(), one, other]).unwrap();
}

/// A copy of all files of a directory, to compare with later.
pub(crate) fn copy_files(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let from = directory.join(".");
    run_tool("cp", ["--recursive".as_ref(), from.as_path(), copy.path()]).unwrap();
    copy
}

/// A medium with other bytes in some places, and perhaps an early end.
#[derive(Clone, Debug)]
pub(crate) struct Tampered<'a> {
    medium: &'a dyn Medium,
    pub(crate) size_bytes: u64,
    pub(crate) patches: Vec<(u64, Vec<u8>)>,
}

impl<'a> Tampered<'a> {
    pub(crate) fn new(medium: &'a dyn Medium, patches: Vec<(u64, Vec<u8>)>) -> Self {
        Self {
            medium,
            size_bytes: medium.size_bytes(),
            patches,
        }
    }
}

impl Medium for Tampered<'_> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let end = offset + buffer.len() as u64;
        if end > self.size_bytes {
            return Err(VolumeError::OutOfRange {
                path: "tampered".into(),
                offset,
                length: buffer.len() as u64,
                size_bytes: self.size_bytes,
            });
        }
        self.medium.read_at(buffer, offset)?;
        for (start, bytes) in &self.patches {
            for (at, byte) in (*start..).zip(bytes) {
                if (offset..end).contains(&at) {
                    buffer[usize::try_from(at - offset).unwrap()] = *byte;
                }
            }
        }
        Ok(())
    }
}
