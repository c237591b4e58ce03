//! Disks that were named by hand: image files, or block devices such as `/dev/loop3`.
//!
//! They stand for a server: what is on them is read from their own bytes, without any tool. A
//! block device may be in use; where its file systems are mounted, the mounts say more than the
//! superblock does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rehost_volumes::{Volume, VolumeError, open_source};

use super::disk::{Disk, Part};
use super::partition_table::{PartitionTable, read, read_table};
use super::signature::identify;
use crate::device_number::{DeviceNumber, DeviceTree};
use crate::mounts::{Mount, usage};

/// A disk that was named cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NamedDiskError {
    /// It cannot be opened.
    #[error("cannot use {} as a source disk", path.display())]
    Open {
        /// What was named.
        path: PathBuf,
        /// Why.
        #[source]
        cause: VolumeError,
    },
    /// It was named twice.
    #[error("{} is named twice", path.display())]
    Twice {
        /// What was named.
        path: PathBuf,
    },
}

/// Disks with what cannot be told from one of them alone.
#[derive(Debug, Default)]
pub(crate) struct NamedDisks {
    /// The disks, in the order in which they were named; the first counts as the system disk.
    pub disks: Vec<Disk>,
    /// Whether one of them has an EFI system partition.
    pub efi: bool,
    /// Whether one of them starts GRUB from its boot sector.
    pub grub: bool,
}

/// Describes the disks at `paths`.
///
/// # Errors
/// [`NamedDiskError`] if one cannot be opened: a typing error must not become a migration without
/// that disk.
pub(crate) fn describe(paths: &[PathBuf], mounts: &[Mount]) -> Result<NamedDisks, NamedDiskError> {
    let mut found = NamedDisks::default();
    for (path, name) in paths.iter().zip(names(paths)?) {
        let volume = open_source(path).map_err(|cause| NamedDiskError::Open {
            path: path.clone(),
            cause,
        })?;
        let table = read_table(&*volume);
        let boot_code = read(&*volume, 0, 440).unwrap_or_default();
        found.grub |= boot_code.windows(4).any(|window| window == b"GRUB");
        let parts = describe_parts(&*volume, table.as_ref(), &name, path, mounts);
        found.efi |= parts.iter().any(|part| part.efi_system);
        found.disks.push(Disk {
            path: path.clone(),
            size_bytes: volume.size_bytes(),
            table: table.map(|table| table.kind),
            system: found.disks.is_empty(),
            parts,
            name,
        });
    }
    Ok(found)
}

fn describe_parts(
    volume: &dyn Volume,
    table: Option<&PartitionTable>,
    name: &str,
    path: &Path,
    mounts: &[Mount],
) -> Vec<Part> {
    let device = DeviceNumber::of_block_device(path);
    let numbers = device.map(partition_devices).unwrap_or_default();
    let describe = |number: Option<u32>, start_bytes, size_bytes, efi_system| {
        let device = number.map_or(device, |number| numbers.get(&number).copied());
        let mount = device.and_then(|device| mount_of(device, mounts));
        let mounted = mount.and_then(|mount| usage(&mount.mount_point));
        let content = identify(volume, start_bytes);
        let told = mounted.map(|usage| usage.used_bytes).or(content.used_bytes);
        Part {
            name: number.map_or_else(|| name.to_owned(), |number| partition_name(name, number)),
            size_bytes,
            used_bytes: told.map_or(size_bytes, |used| used.min(size_bytes)),
            inodes: mounted.map_or(content.inodes, |usage| usage.inodes),
            file_system: content.file_system,
            uuid: content.uuid,
            mount_point: mount
                .map(|mount| mount.mount_point.to_string_lossy().into_owned())
                .unwrap_or_default(),
            efi_system,
        }
    };
    match table {
        Some(table) => table
            .partitions
            .iter()
            .map(|part| {
                describe(
                    Some(part.number),
                    part.start_bytes,
                    part.size_bytes,
                    part.efi_system,
                )
            })
            .collect(),
        None => {
            let whole = describe(None, 0, volume.size_bytes(), false);
            let is_known = !whole.file_system.is_empty() || !whole.mount_point.is_empty();
            if is_known { vec![whole] } else { Vec::new() }
        }
    }
}

/// A name for each path that no other one has: the file name of an image, or the path where two
/// images have the same file name; a block device is always named by its path.
fn names(paths: &[PathBuf]) -> Result<Vec<String>, NamedDiskError> {
    let short = |path: &PathBuf| {
        let file_name = path.file_name().map(OsStr::to_string_lossy);
        match file_name {
            Some(name) if DeviceNumber::of_block_device(path).is_none() => name.into_owned(),
            _ => path.to_string_lossy().into_owned(),
        }
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for path in paths {
        *count.entry(short(path)).or_default() += 1;
    }
    for (index, path) in paths.iter().enumerate() {
        if paths
            .iter()
            .take(index)
            .any(|earlier| is_same(earlier, path))
        {
            return Err(NamedDiskError::Twice { path: path.clone() });
        }
    }
    let is_unique = |name: &String| count.get(name).is_none_or(|count| *count == 1);
    let unique = |path: &PathBuf| {
        Some(short(path))
            .filter(is_unique)
            .unwrap_or_else(|| path.to_string_lossy().into_owned())
    };
    Ok(paths.iter().map(unique).collect())
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// As the kernel names partitions: a `p` goes between a name that ends in a digit and the number.
fn partition_name(disk: &str, number: u32) -> String {
    let separator = if disk.ends_with(|last: char| last.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    format!("{disk}{separator}{number}")
}

/// Device numbers of a disk's partitions by partition number.
fn partition_devices(disk: DeviceNumber) -> BTreeMap<u32, DeviceNumber> {
    let entries = fs::read_dir(format!("/sys/dev/block/{disk}"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| {
            let attribute = |name: &str| fs::read_to_string(entry.path().join(name)).ok();
            let number = attribute("partition")?.trim().parse().ok()?;
            Some((number, attribute("dev")?.parse().ok()?))
        })
        .collect()
}

fn mount_of(device: DeviceNumber, mounts: &[Mount]) -> Option<&Mount> {
    let tree = DeviceTree::of_this_machine();
    mounts.iter().find(|mount| {
        mount.device == device
            || (mount.file_system == "btrfs"
                && DeviceNumber::of_block_device(&mount.source)
                    .is_some_and(|member| tree.btrfs_members(member).contains(&device)))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn names_are_unique_and_typing_errors_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (
            directory.path().join("a/disk.img"),
            directory.path().join("b/disk.img"),
        );
        let c = directory.path().join("c.img");
        let found = names(&[a.clone(), b.clone(), c.clone()]).unwrap();
        assert_eq!(
            found,
            [a.to_string_lossy(), b.to_string_lossy(), "c.img".into()]
        );
        assert!(matches!(
            names(&[c.clone(), c.clone()]),
            Err(NamedDiskError::Twice { .. })
        ));
        assert!(matches!(
            describe(&[c], &[]),
            Err(NamedDiskError::Open { .. })
        ));
        assert_eq!(partition_name("/dev/loop0", 1), "/dev/loop0p1");
        assert_eq!(partition_name("root.img", 2), "root.img2");
    }

    #[test]
    fn an_image_with_a_file_system_and_no_table_is_its_own_part() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.img");
        File::create(&path).unwrap().set_len(32 << 20).unwrap();
        assert!(
            Command::new("mkfs.ext4")
                .arg("-q")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let found = describe(std::slice::from_ref(&path), &[]).unwrap();
        let disk = &found.disks[0];
        assert_eq!(
            (disk.name.as_str(), disk.size_bytes, disk.table),
            ("root.img", 32 << 20, None)
        );
        assert_eq!(disk.parts[0].file_system, "ext4");
        assert!(disk.used_bytes() > 0 && disk.used_bytes() < 32 << 20);
        assert!(!found.efi && !found.grub);
    }

    #[test]
    fn firmware_and_boot_loader_are_guessed_from_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("boot.img");
        let file = File::create(&path).unwrap();
        file.set_len(8 << 20).unwrap();
        let mut sector = [0; 512];
        sector[300..304].copy_from_slice(b"GRUB");
        sector[450] = 0xEF;
        sector[454..458].copy_from_slice(&2048_u32.to_le_bytes());
        sector[458..462].copy_from_slice(&2048_u32.to_le_bytes());
        sector[510..].copy_from_slice(&[0x55, 0xAA]);
        file.write_all_at(&sector, 0).unwrap();
        let found = describe(&[path], &[]).unwrap();
        assert!(found.efi && found.grub);
        let part = &found.disks[0].parts[0];
        assert_eq!(
            (part.name.as_str(), part.size_bytes),
            ("boot.img1", 1 << 20)
        );
        assert_eq!((part.device_use(), part.used_bytes), ("BOOT", 1 << 20));
    }
}
