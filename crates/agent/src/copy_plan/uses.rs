//! What uses the disks of this machine now: mounted file systems, and programs that write past them.
//!
//! File systems are found as for the freeze, by the same code. Programs are found by what they have
//! open (`/proc/PID/fd`). Whoever writes from within the kernel is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rehost_migration::copy_plan::{Use, UsedPart};
use rustix::fs::StatVfsMountFlags;

use crate::device_number::{DeviceNumber, DeviceTree};
use crate::freeze::mounted_upon;
use crate::inventory::Disk;
use crate::mounts::{Mount, read_mounts};

/// What Linux can freeze (file systems with `freeze_fs` or `freeze_super`).
const FREEZABLE: [&str; 12] = [
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "gfs2", "jfs", "nilfs2", "ocfs2",
    "reiserfs", "xfs",
];

/// What is in use on each disk.
#[derive(Debug, Default)]
pub(super) struct Uses(BTreeMap<PathBuf, Vec<UsedPart>>);

impl Uses {
    pub(super) fn of_this_machine(disks: &[Disk]) -> Self {
        let mounts = read_mounts().unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not known what is mounted");
            Vec::new()
        });
        let tree = DeviceTree::of_this_machine();
        let writers = Writers::of_this_machine();
        let uses = disks.iter().map(|disk| {
            let mut parts = file_systems(&disk.path, &mounts, &tree);
            parts.extend(writers.to(&disk.path, &tree));
            (disk.path.clone(), parts)
        });
        Self(uses.collect())
    }

    pub(super) fn of(&self, disk: &Path) -> &[UsedPart] {
        self.0.get(disk).map_or(&[], Vec::as_slice)
    }

    #[cfg(test)]
    pub(super) fn known<const N: usize>(uses: [(&str, Vec<UsedPart>); N]) -> Self {
        let uses = uses.into_iter();
        Self(uses.map(|(disk, parts)| (disk.into(), parts)).collect())
    }
}

/// The file systems upon a disk that anybody can change.
fn file_systems(disk: &Path, mounts: &[Mount], tree: &DeviceTree) -> Vec<UsedPart> {
    let mut parts: BTreeMap<DeviceNumber, UsedPart> = BTreeMap::new();
    for mount in mounted_upon(&[disk.into()], mounts, tree) {
        if is_read_only(&mount.mount_point) || parts.contains_key(&mount.device) {
            continue;
        }
        let used_as = if FREEZABLE.contains(&mount.file_system.as_str()) {
            Use::Freezable
        } else {
            Use::Unfreezable
        };
        let name = format!("{} ({})", mount.mount_point.display(), mount.file_system);
        parts.insert(mount.device, UsedPart { name, used_as });
    }
    parts.into_values().collect()
}

/// What cannot be asked may be written to.
fn is_read_only(mount_point: &Path) -> bool {
    rustix::fs::statvfs(mount_point)
        .is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Programs that have devices or files open for writing.
#[derive(Debug, Default)]
struct Writers {
    to_devices: Vec<(DeviceNumber, PathBuf, String)>,
    to_files: Vec<(PathBuf, String)>,
}

impl Writers {
    fn of_this_machine() -> Self {
        let mut writers = Self::default();
        let own = std::process::id().to_string();
        for process in entries(Path::new("/proc")) {
            let number = process.file_name().and_then(|name| name.to_str());
            let is_process = number.is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
            if is_process && number != Some(own.as_str()) {
                writers.add(&process);
            }
        }
        writers
    }

    /// A process may end, and close anything, at any time: what is gone writes no more.
    fn add(&mut self, process: &Path) {
        let program = || {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            name.trim().to_owned()
        };
        for open in entries(&process.join("fd")) {
            let Ok(path) = fs::read_link(&open) else {
                continue;
            };
            // Sockets and pipes have no path; files count if they are the image of a disk.
            if !path.is_absolute() || !is_for_writing(process, &open) {
                continue;
            }
            match DeviceNumber::of_block_device(&open) {
                Some(number) => self.to_devices.push((number, path, program())),
                None => self.to_files.push((path, program())),
            }
        }
    }

    /// Those that write to this disk, or to anything upon it.
    fn to(&self, disk: &Path, tree: &DeviceTree) -> Vec<UsedPart> {
        let upon = DeviceNumber::of_block_device(disk).map(|number| tree.upon(number));
        let mut names = BTreeSet::new();
        match upon {
            Some(upon) => {
                let here = self.to_devices.iter();
                let here = here.filter(|(number, ..)| upon.contains(number));
                names.extend(here.map(|(_, path, program)| named(path, program)));
            }
            None => {
                let disk = disk.canonicalize().unwrap_or_else(|_| disk.into());
                let here = self.to_files.iter().filter(|(path, _)| *path == disk);
                names.extend(here.map(|(path, program)| named(path, program)));
            }
        }
        let names = names.into_iter();
        names
            .map(|name| UsedPart {
                name,
                used_as: Use::Raw,
            })
            .collect()
    }
}

fn named(path: &Path, program: &str) -> String {
    format!("{} (by {program})", path.display())
}

/// By the flags of open(2) that the kernel shows in octal (proc_pid_fdinfo(5)).
fn is_for_writing(process: &Path, open: &Path) -> bool {
    const ACCESS_MODE: u32 = 0o3;
    let info = open
        .file_name()
        .map(|number| process.join("fdinfo").join(number));
    let text = info.and_then(|path| fs::read_to_string(path).ok());
    let text = text.unwrap_or_default();
    let flags = text
        .lines()
        .find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS_MODE != 0)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_program_that_writes_to_an_image_is_seen_and_a_reader_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("disk.img");
        fs::write(&image, [0; 512]).unwrap();
        let disk = |path: &Path| Disk {
            path: path.into(),
            ..Disk::default()
        };
        let found = || Uses::of_this_machine(&[disk(&image)]).of(&image).to_vec();
        // It has the image as its output, and waits for an input that does not come.
        let mut program = Command::new("cat");
        let writing = fs::File::options().write(true).open(&image).unwrap();
        let mut writer = program
            .stdin(Stdio::piped())
            .stdout(writing)
            .spawn()
            .unwrap();
        let seen = found();
        writer.kill().unwrap();
        writer.wait().unwrap();
        drop(program);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].used_as, Use::Raw);
        assert!(seen[0].name.contains("disk.img (by cat)"), "{seen:?}");
        let mut program = Command::new("sleep");
        let reading = fs::File::open(&image).unwrap();
        let mut reader = program.arg("1000").stdin(reading).spawn().unwrap();
        let seen = found();
        reader.kill().unwrap();
        reader.wait().unwrap();
        assert_eq!(seen, []);
    }

    #[test]
    fn a_mount_is_named_with_its_file_system() {
        let mounts = [Mount {
            id: 1,
            device: "7:0".parse().unwrap(),
            root: "/".into(),
            mount_point: "/no/such/mount".into(),
            file_system: "vfat".into(),
            source: "/dev/loop0".into(),
        }];
        let sys = tempfile::tempdir().unwrap();
        let tree = DeviceTree::captured(sys.path());
        // Nothing that is no block device carries a file system.
        assert_eq!(file_systems(Path::new("/dev/null"), &mounts, &tree), []);
        assert!(!is_read_only(Path::new("/no/such/mount")));
        assert!(FREEZABLE.is_sorted());
    }
}
