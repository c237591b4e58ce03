//! Device numbers, and which devices lie on a disk.
//!
//! A file system may lie on a disk directly, on one of its partitions, on a logical volume over a
//! partition, on an encrypted volume over that, and so on. The kernel shows all of that in `/sys`:
//! partitions are subdirectories of their disk, and whoever is stacked upon a device is listed in
//! its `holders`. Names differ between systems; numbers do not.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Major and minor number of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceNumber {
    /// The driver's number.
    pub major: u32,
    /// The device's number within the driver.
    pub minor: u32,
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// The text is not `MAJOR:MINOR`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no device number")]
pub(crate) struct NoDeviceNumber(String);

impl FromStr for DeviceNumber {
    type Err = NoDeviceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim()
            .split_once(':')
            .and_then(|(major, minor)| {
                Some(Self {
                    major: major.parse().ok()?,
                    minor: minor.parse().ok()?,
                })
            })
            .ok_or_else(|| NoDeviceNumber(text.into()))
    }
}

impl DeviceNumber {
    /// The number of the block device at `path`; `None` if there is none or it is something else.
    #[must_use]
    pub(crate) fn of_block_device(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        metadata.file_type().is_block_device().then(|| Self {
            major: rustix::fs::major(metadata.rdev()),
            minor: rustix::fs::minor(metadata.rdev()),
        })
    }
}

/// The view of the kernel's devices below a directory: `/sys`, or a captured copy of it.
#[derive(Clone, Debug)]
pub(crate) struct DeviceTree {
    sys: PathBuf,
}

impl DeviceTree {
    /// The devices of this machine.
    #[must_use]
    pub(crate) fn of_this_machine() -> Self {
        Self { sys: "/sys".into() }
    }

    #[cfg(test)]
    pub(crate) fn captured(sys: &Path) -> Self {
        Self { sys: sys.into() }
    }

    /// The device itself, its partitions, and everything stacked upon any of them.
    #[must_use]
    pub(crate) fn upon(&self, device: DeviceNumber) -> BTreeSet<DeviceNumber> {
        let mut found = BTreeSet::new();
        let mut to_visit = vec![device];
        while let Some(device) = to_visit.pop() {
            if !found.insert(device) {
                continue;
            }
            let directory = self.sys.join(format!("dev/block/{device}"));
            to_visit.extend(numbers_below(&directory.join("holders")));
            to_visit.extend(numbers_below(&directory));
        }
        found
    }

    /// Where the device can be opened, if the kernel has a name for it.
    #[must_use]
    pub(crate) fn node(&self, device: DeviceNumber) -> Option<PathBuf> {
        let path = self.sys.join(format!("dev/block/{device}/uevent"));
        let text = fs::read_to_string(path).ok()?;
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("DEVNAME="))?;
        Some(Path::new("/dev").join(name))
    }

    /// The devices that a Btrfs file system consists of, found by one of them. Btrfs is no block
    /// device to the kernel, and its mounts carry a number of their own.
    #[must_use]
    pub(crate) fn btrfs_members(&self, member: DeviceNumber) -> BTreeSet<DeviceNumber> {
        let file_systems = directories(&self.sys.join("fs/btrfs"));
        file_systems
            .into_iter()
            .map(|directory| {
                numbers_below(&directory.join("devices"))
                    .into_iter()
                    .collect()
            })
            .find(|members: &BTreeSet<_>| members.contains(&member))
            .unwrap_or_else(|| BTreeSet::from([member]))
    }
}

/// The numbers in the `dev` files one level below a directory; links are followed.
fn numbers_below(directory: &Path) -> Vec<DeviceNumber> {
    directories(directory)
        .into_iter()
        .filter_map(|entry| fs::read_to_string(entry.join("dev")).ok()?.parse().ok())
        .collect()
}

fn directories(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> DeviceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_read_and_written() {
        assert_eq!(number(" 254:3\n").to_string(), "254:3");
        assert!("254".parse::<DeviceNumber>().is_err());
        assert!("a:1".parse::<DeviceNumber>().is_err());
    }

    #[test]
    fn partitions_and_what_is_stacked_on_them_lie_upon_a_disk() {
        // vda (8:0) with vda1 (8:1) and vda2 (8:2); dm-0 (253:0) over vda2; dm-1 (253:1) over dm-0.
        let sys = tempfile::tempdir().unwrap();
        let block = sys.path().join("dev/block");
        let make = |path: &str, dev: &str| {
            let directory = block.join(path);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("dev"), format!("{dev}\n")).unwrap();
        };
        make("8:0", "8:0");
        make("8:0/vda1", "8:1");
        make("8:0/vda2", "8:2");
        make("8:1", "8:1");
        make("8:2", "8:2");
        make("8:2/holders/dm-0", "253:0");
        make("253:0", "253:0");
        make("253:0/holders/dm-1", "253:1");
        make("8:16", "8:16");

        let tree = DeviceTree::captured(sys.path());
        let upon: Vec<_> = tree
            .upon(number("8:0"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(upon, ["8:0", "8:1", "8:2", "253:0", "253:1"]);
        let uevent = "MAJOR=8\nMINOR=1\nDEVNAME=vda1\nDEVTYPE=partition\n";
        fs::write(block.join("8:1/uevent"), uevent).unwrap();
        assert_eq!(tree.node(number("8:1")), Some("/dev/vda1".into()));
        assert_eq!(tree.node(number("8:2")), None);
        assert_eq!(tree.upon(number("8:1")), BTreeSet::from([number("8:1")]));
    }

    #[test]
    fn members_of_a_btrfs_are_found_by_any_of_them() {
        let sys = tempfile::tempdir().unwrap();
        for (name, dev) in [("vdb", "254:16"), ("vdc", "254:32")] {
            let directory = sys.path().join("fs/btrfs/some-uuid/devices").join(name);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("dev"), dev).unwrap();
        }
        let tree = DeviceTree::captured(sys.path());
        let both = BTreeSet::from([number("254:16"), number("254:32")]);
        assert_eq!(tree.btrfs_members(number("254:32")), both);
        assert_eq!(
            tree.btrfs_members(number("8:0")),
            BTreeSet::from([number("8:0")])
        );
    }
}
