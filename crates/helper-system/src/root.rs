//! Finds the system on the disks: the file system whose `/etc/fstab` says that it is the root.
//!
//! Disks may hold several that look like one, such as snapshots, a rescue system or an installation
//! beside the other. What an `fstab` says of `/` decides, and where that leaves a choice we refuse
//! to guess.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rehost_boot_fixups::{FstabEntry, parse_fstab};
use rustix::io::Errno;

use crate::devices::Devices;
use crate::inside::Inside;
use crate::modules::{self, Modules};
use crate::{fstab, mounts, sysfs};

const MAX_FSTAB_BYTES: u64 = 1 << 20;
/// More parts of a btrfs than this are not looked at.
const MAX_SUBVOLUMES: usize = 64;
/// The directory that every part of a btrfs begins with has this number.
const SUBVOLUME_INODE: u64 = 256;

/// A file system that looks like the root of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// Its position among the devices.
    pub(crate) device: usize,
    /// Which part of a btrfs it is; `None` for what is mounted if nothing is said.
    pub(crate) subvolume: Option<String>,
    pub(crate) fstab: Vec<FstabEntry>,
}

impl Root {
    /// Options by which exactly this is mounted.
    pub(crate) fn mount_data(&self) -> String {
        match &self.subvolume {
            Some(name) => format!("subvol={name}"),
            None => String::new(),
        }
    }

    fn entry(&self) -> Option<&FstabEntry> {
        self.fstab.iter().find(|entry| entry.mount_point == "/")
    }

    /// Whether its own table says that it is the root.
    fn names_itself(&self, devices: &Devices) -> bool {
        self.entry().is_some_and(|entry| {
            let is_device = devices.find(&entry.device) == Ok(self.device);
            let named = fstab::subvolume(entry);
            // What is mounted without a name may have any.
            is_device && (self.subvolume.is_none() || named == self.subvolume.as_deref())
        })
    }

    /// Whether its table says that something else is the root, as in a snapshot of it.
    fn names_another(&self, devices: &Devices) -> bool {
        let found = self.entry().map(|entry| devices.find(&entry.device));
        matches!(found, Some(Ok(_))) && !self.names_itself(devices)
    }
}

/// Looks at every file system that may be a root, mounting each at `place` for a moment.
///
/// # Errors
/// If there is no system, or more than one; the message names what was found, and what could not
/// be looked at and why.
pub(crate) fn find(
    devices: &Devices,
    modules: &mut Modules,
    place: &Path,
    log: &dyn Fn(&str),
) -> Result<Root> {
    let mut found = Vec::new();
    let mut closed = Vec::new();
    for (index, device) in devices.all.iter().enumerate() {
        let Some(kind) = mounts::kernel_type(&device.file_system).filter(|kind| *kind != "vfat")
        else {
            if device.file_system == "crypto_LUKS" {
                closed.push(format!("{} is encrypted", device.path));
            }
            continue;
        };
        modules.load(modules::for_file_system(kind))?;
        match look_at(&device.path, kind, place) {
            Ok(roots) => found.extend(roots.into_iter().map(|(subvolume, fstab)| Root {
                device: index,
                subvolume,
                fstab,
            })),
            Err(error) => {
                let reason = format!("{} ({kind}) cannot be looked at: {error:#}", device.path);
                log(&reason);
                closed.push(reason);
            }
        }
    }
    choose(found, devices).map_err(|mut reason| {
        for more in closed {
            reason = format!("{reason}; {more}");
        }
        anyhow::Error::msg(reason)
    })
}

/// The one that is the root of the system, by what each says of itself.
fn choose(found: Vec<Root>, devices: &Devices) -> Result<Root, String> {
    if found.is_empty() {
        return Err("no file system on the disks holds a system: none has /etc/os-release".into());
    }
    let mut candidates: Vec<Root> = found
        .iter()
        .filter(|root| root.names_itself(devices))
        .cloned()
        .collect();
    if candidates.is_empty() {
        // Some systems have no table, or one with names that only their old hardware gave.
        candidates = found
            .iter()
            .filter(|root| !root.names_another(devices))
            .cloned()
            .collect();
    }
    // The part of a btrfs that the table names is the same as the one mounted without a name, or
    // it is the right one of the two.
    if let Some(named) = candidates
        .iter()
        .position(|root| root.subvolume.is_some() && root.names_itself(devices))
    {
        let device = candidates[named].device;
        let named = candidates[named].clone();
        candidates.retain(|root| root.device != device);
        candidates.push(named);
    }
    let names = |roots: &[Root]| {
        let names = roots.iter().map(|root| {
            let path = &devices.all[root.device].path;
            match &root.subvolume {
                Some(subvolume) => format!("{path} (subvolume {subvolume})"),
                None => path.clone(),
            }
        });
        names.collect::<Vec<_>>().join(", ")
    };
    match candidates.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(format!(
            "what looks like a system says that its root is elsewhere: {}",
            names(&found)
        )),
        several => Err(format!(
            "more than one file system may be the root: {}",
            names(several)
        )),
    }
}

type Table = (Option<String>, Vec<FstabEntry>);

fn look_at(device: &str, kind: &str, place: &Path) -> Result<Vec<Table>> {
    let look = |data: &str| {
        let mounted = Mounted::mount(device, kind, data, place).context("mount it")?;
        let table = table_of(place).context("read /etc/fstab");
        mounted.unmount()?;
        table
    };
    let mut found = Vec::new();
    if let Some(table) = look("")? {
        found.push((None, table));
    }
    if kind == "btrfs" {
        let mounted = Mounted::mount(device, kind, "subvolid=5", place)
            .context("mount all of its subvolumes")?;
        let names = subvolumes(place);
        mounted.unmount()?;
        for name in names? {
            if let Some(table) = look(&format!("subvol={name}"))? {
                found.push((Some(name), table));
            }
        }
    }
    Ok(found)
}

/// A mount that is only looked at.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn mount(device: &str, kind: &str, data: &str, place: &'a Path) -> Result<Self, Errno> {
        mounts::mount_device(device, kind, data, place)?;
        Ok(Self(place))
    }

    fn unmount(self) -> Result<()> {
        mounts::unmount_one(self.0).context("unmount it")
    }
}

/// The table of the system at `root`. `None` if there is no system; no entries if it has no table.
fn table_of(root: &Path) -> Result<Option<Vec<FstabEntry>>> {
    let inside = Inside::open(root)?;
    // The file may be in /usr, and that elsewhere: then this is a link to nowhere.
    if !["etc/os-release", "usr/lib/os-release"]
        .iter()
        .any(|name| inside.has(name))
    {
        return Ok(None);
    }
    match inside.read_text("etc/fstab", MAX_FSTAB_BYTES) {
        Ok(text) => Ok(Some(parse_fstab(&text))),
        Err(Errno::NOENT) => Ok(Some(Vec::new())),
        Err(errno) => bail!(errno),
    }
}

/// Names of parts of a btrfs that are directly in it, where distributions have their roots.
fn subvolumes(top: &Path) -> Result<Vec<String>> {
    use std::os::unix::fs::MetadataExt as _;
    let mut names: Vec<String> = sysfs::names_in(top)?
        .into_iter()
        // A comma would end the option that names it.
        .filter(|name| !name.contains(','))
        .filter(|name| {
            let data = top.join(name).symlink_metadata();
            data.is_ok_and(|data| data.is_dir() && data.ino() == SUBVOLUME_INODE)
        })
        .collect();
    names.sort();
    names.truncate(MAX_SUBVOLUMES);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::devices::Seen;
    use crate::sysfs::BlockDevice;

    /// Devices /dev/dm-0 and so on, with these UUIDs.
    fn devices(uuids: &[&str]) -> Devices {
        let path = |index: usize| format!("/dev/dm-{index}");
        let seen = Seen {
            made: (0..uuids.len())
                .map(|index| {
                    let device = BlockDevice {
                        kernel_name: format!("dm-{index}"),
                        ..BlockDevice::default()
                    };
                    (device, Vec::new())
                })
                .collect(),
            signatures: uuids
                .iter()
                .enumerate()
                .map(|(index, uuid)| {
                    let field = ("FS_UUID_ENC".to_owned(), (*uuid).to_owned());
                    (path(index), BTreeMap::from([field]))
                })
                .collect(),
            ..Seen::default()
        };
        seen.into_devices()
    }

    fn root(device: usize, subvolume: Option<&str>, table: &str) -> Root {
        Root {
            device,
            subvolume: subvolume.map(Into::into),
            fstab: parse_fstab(table),
        }
    }

    #[test]
    fn the_root_is_the_one_that_says_so() {
        let devices = devices(&["aa", "bb", "cc"]);
        let rescue = root(0, None, "");
        let copy = root(1, None, "UUID=cc / ext4 defaults\n");
        let system = root(2, None, "UUID=cc / ext4 defaults\n");
        let chosen = choose(vec![rescue, copy, system.clone()], &devices).unwrap();
        assert_eq!(chosen, system);
    }

    #[test]
    fn a_system_whose_table_knows_only_old_hardware_is_taken_if_it_is_alone() {
        let devices = devices(&["aa", "bb"]);
        let alone = root(0, None, "/dev/disk/by-path/pci-1 / ext4 defaults\n");
        assert_eq!(choose(vec![alone.clone()], &devices).unwrap(), alone);
        let error = choose(vec![alone, root(1, None, "")], &devices).unwrap_err();
        assert_eq!(
            error,
            "more than one file system may be the root: /dev/dm-0, /dev/dm-1"
        );
    }

    #[test]
    fn a_copy_that_says_the_root_is_elsewhere_is_not_it() {
        let devices = devices(&["aa", "bb"]);
        let error = choose(vec![root(0, None, "UUID=bb / xfs x\n")], &devices).unwrap_err();
        assert!(error.ends_with("elsewhere: /dev/dm-0"), "{error}");
        let error = choose(Vec::new(), &devices).unwrap_err();
        assert!(error.contains("/etc/os-release"), "{error}");
    }

    #[test]
    fn of_the_parts_of_a_btrfs_the_table_names_one() {
        let devices = devices(&["aa"]);
        let table = "UUID=aa / btrfs subvol=/@,compress=zstd\nUUID=aa /home btrfs subvol=@home\n";
        let system = root(0, Some("@"), table);
        let snapshot = root(0, Some("before-update"), table);
        let unnamed = root(0, None, table);
        for found in [
            vec![system.clone(), snapshot.clone()],
            vec![unnamed, snapshot, system.clone()],
        ] {
            assert_eq!(choose(found, &devices).unwrap(), system);
        }
        // The part that is mounted without a name, as openSUSE has it.
        let unnamed = root(0, None, "UUID=aa / btrfs defaults\n");
        let chosen = choose(vec![unnamed.clone(), root(0, Some("@"), "")], &devices);
        assert_eq!(chosen.unwrap(), unnamed);
    }

    #[test]
    fn a_directory_tree_is_a_system_by_what_is_in_etc() {
        let top = tempfile::tempdir().unwrap();
        let etc = top.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        std::fs::write(etc.join("fstab"), "UUID=aa / ext4 defaults\n").unwrap();
        assert_eq!(table_of(top.path()).unwrap(), None);
        std::os::unix::fs::symlink("../usr/lib/os-release", etc.join("os-release")).unwrap();
        assert_eq!(table_of(top.path()).unwrap().unwrap().len(), 1);
        std::fs::remove_file(etc.join("fstab")).unwrap();
        assert_eq!(table_of(top.path()).unwrap(), Some(Vec::new()));
    }
}
