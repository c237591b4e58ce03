//! Which file systems lie on the disks that are migrated, and where they can be reached.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use crate::device_number::{DeviceNumber, DeviceTree};
use crate::mounts::Mount;

/// A file system to be frozen: the mounts by which it can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Number and mount point of each of its mounts, the oldest first.
    pub mounts: Vec<(u64, PathBuf)>,
}

/// The file systems upon these disks, in the order in which to freeze them: the youngest mount
/// first. A file system in a file (a loop mount) was mounted after the one that holds the file and
/// must be frozen before it, or its last writes would never reach their medium.
pub(crate) fn targets(disks: &[PathBuf], mounts: &[Mount], tree: &DeviceTree) -> Vec<Target> {
    let mut found: Vec<(DeviceNumber, Target)> = Vec::new();
    for mount in mounted_upon(disks, mounts, tree) {
        let reached_by = (mount.id, mount.mount_point.clone());
        match found.iter_mut().find(|(device, _)| *device == mount.device) {
            Some((_, target)) => target.mounts.push(reached_by),
            None => found.push((
                mount.device,
                Target {
                    mounts: vec![reached_by],
                },
            )),
        }
    }
    found.into_iter().rev().map(|(_, target)| target).collect()
}

/// The mounts of file systems that lie upon these disks, wholly or in part, the oldest first.
pub(crate) fn mounted_upon<'a>(
    disks: &[PathBuf],
    mounts: &'a [Mount],
    tree: &DeviceTree,
) -> Vec<&'a Mount> {
    let devices: BTreeSet<_> = disks
        .iter()
        .filter_map(|path| DeviceNumber::of_block_device(path))
        .flat_map(|disk| tree.upon(disk))
        .collect();
    let is_affected = |mount: &&Mount| {
        devices.contains(&mount.device)
            || (mount.file_system == "btrfs"
                && DeviceNumber::of_block_device(&mount.source)
                    .is_some_and(|member| !tree.btrfs_members(member).is_disjoint(&devices)))
    };
    mounts.iter().filter(is_affected).collect()
}

/// Every mount of a file system is hidden below another mount.
#[derive(Debug, thiserror::Error)]
#[error("the file system mounted at {} cannot be reached, something else is mounted over it", mount_point.display())]
pub(crate) struct Unreachable {
    mount_point: PathBuf,
    #[source]
    cause: io::Error,
}

impl Target {
    /// Opens the file system by the first of its mounts that is not hidden below another one.
    pub(crate) fn open(&self) -> Result<(PathBuf, File), Unreachable> {
        let mut cause = io::ErrorKind::NotFound.into();
        for (mount_id, mount_point) in &self.mounts {
            let opened =
                File::open(mount_point).and_then(|file| Ok((mount_of(&file)? == *mount_id, file)));
            match opened {
                Ok((true, file)) => return Ok((mount_point.clone(), file)),
                Ok((false, _)) => {}
                Err(error) => cause = error,
            }
        }
        let first = self
            .mounts
            .first()
            .map(|(_, mount_point)| mount_point.clone());
        Err(Unreachable {
            mount_point: first.unwrap_or_default(),
            cause,
        })
    }
}

/// Number of the mount through which a file was opened (proc_pid_fdinfo(5)).
fn mount_of(file: &File) -> io::Result<u64> {
    let path = Path::new("/proc/self/fdinfo").join(file.as_raw_fd().to_string());
    fs::read_to_string(path)?
        .lines()
        .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::read_mounts;

    #[test]
    fn the_root_directory_is_reached_by_its_own_mount() {
        let mounts = read_mounts().unwrap();
        let root = mounts
            .iter()
            .rfind(|mount| mount.mount_point == Path::new("/"))
            .unwrap();
        let target = Target {
            mounts: vec![(root.id, "/".into())],
        };
        assert_eq!(target.open().unwrap().0, Path::new("/"));
        let hidden = Target {
            mounts: vec![(u64::MAX, "/".into())],
        };
        assert!(hidden.open().is_err());
    }

    #[test]
    fn image_files_have_nothing_to_freeze() {
        let image = tempfile::NamedTempFile::new().unwrap();
        let mounts = read_mounts().unwrap();
        let tree = DeviceTree::of_this_machine();
        assert_eq!(targets(&[image.path().into()], &mounts, &tree), []);
    }
}
