//! Mounting, and taking everything down again in the opposite order. Mount points in a foreign tree
//! are looked up so that no symbolic link of it leads elsewhere.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind_recursive, unmount};

use crate::inside::Inside;
use crate::power;

/// Processes that were ended need a moment to let go of what they used.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// The type that the kernel mounts, for a type in the words of `blkid`. `None` if such a file system
/// cannot be mounted here.
pub(crate) fn kernel_type(file_system: &str) -> Option<&'static str> {
    match file_system {
        // One driver serves all three.
        "ext2" | "ext3" | "ext4" => Some("ext4"),
        "xfs" => Some("xfs"),
        "btrfs" => Some("btrfs"),
        "vfat" => Some("vfat"),
        _ => None,
    }
}

/// Mounts something that is on no disk, such as `proc`.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn mount_virtual(kind: &str, target: &Path) -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(kind, target, kind, flags, None::<&CStr>)
}

/// Mounts a device, whose journal is replayed by that.
///
/// # Errors
/// If the kernel refuses, or `data` is no text for it (`EINVAL`).
pub(crate) fn mount_device(
    device: &str,
    kernel_type: &str,
    data: &str,
    target: &Path,
) -> Result<(), Errno> {
    let data = CString::new(data).map_err(|_| Errno::INVAL)?;
    mount(device, target, kernel_type, MountFlags::empty(), &*data)
}

/// Takes one mount down.
///
/// # Errors
/// If it is in use.
pub(crate) fn unmount_one(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::NOFOLLOW)
}

/// A foreign root directory and all that is mounted in it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    /// What is to be unmounted, last first.
    mounted: Vec<Place>,
}

/// Where something is mounted.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Whether nothing of it is on a disk. It may go while it is in use.
    is_virtual: bool,
}

impl Tree {
    /// Mounts the root itself at `root`, a directory of ours.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub(crate) fn mount_root(
        root: &Path,
        device: &str,
        kernel_type: &str,
        data: &str,
    ) -> Result<Self> {
        mount_device(device, kernel_type, data, root)
            .with_context(|| format!("mount {device} ({kernel_type}) as /"))?;
        Ok(Self {
            root: root.to_path_buf(),
            mounted: vec![Place {
                path: root.to_path_buf(),
                is_virtual: false,
            }],
        })
    }

    /// Mounts a device at `mount_point` of the tree.
    ///
    /// # Errors
    /// If there is no such directory, or the device cannot be mounted.
    pub(crate) fn mount_device(
        &mut self,
        device: &str,
        kernel_type: &str,
        data: &str,
        mount_point: &str,
    ) -> Result<()> {
        self.mount_with(mount_point, false, |target| {
            mount_device(device, kernel_type, data, target)
        })
        .with_context(|| format!("mount {device} ({kernel_type}) at {mount_point}"))
    }

    /// Gives the programs of the tree what they expect from a running system: processes, devices,
    /// and places for what lasts as long as it runs.
    ///
    /// # Errors
    /// If a directory is missing.
    pub(crate) fn mount_running_system(&mut self) -> Result<()> {
        for (kind, mount_point) in [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")] {
            self.mount_with(mount_point, true, |target| mount_virtual(kind, target))
                .with_context(|| format!("mount {kind} at {mount_point} of the system"))?;
        }
        self.mount_with("/dev", true, |target| mount_bind_recursive("/dev", target))
            .context("mount the devices at /dev of the system")
    }

    fn mount_with(
        &mut self,
        mount_point: &str,
        is_virtual: bool,
        mount: impl FnOnce(&Path) -> Result<(), Errno>,
    ) -> Result<()> {
        let found: OwnedFd = Inside::open(&self.root)?
            .find(mount_point)
            .with_context(|| format!("find the directory {mount_point}"))?;
        // By this name the kernel takes exactly what was found.
        let target = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
        let path = std::fs::read_link(&target).context("read the name of a directory")?;
        ensure!(
            path.starts_with(&self.root),
            "{mount_point} is not in the system"
        );
        mount(&target)?;
        self.mounted.push(Place { path, is_virtual });
        Ok(())
    }

    /// Unmounts everything. Programs that still use it are ended.
    ///
    /// # Errors
    /// If something stays in use; it is named.
    pub(crate) fn unmount(mut self) -> Result<()> {
        while let Some(place) = self.mounted.pop() {
            unmount_stubborn(&place)
                .with_context(|| format!("unmount {}", place.path.display()))?;
        }
        Ok(())
    }
}

fn unmount_stubborn(place: &Place) -> Result<(), Errno> {
    if place.is_virtual {
        let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        return unmount(&place.path, flags);
    }
    for _ in 0..TRIES {
        match unmount_one(&place.path) {
            Err(Errno::BUSY) => {}
            result => return result,
        }
        power::end_other_processes();
        std::thread::sleep(PAUSE);
    }
    Err(Errno::BUSY)
}
