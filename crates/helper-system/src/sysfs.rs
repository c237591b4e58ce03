//! Block devices as `/sys` shows them: disks by the serial number that their machine gave them,
//! their partitions, and what volume managers made of those.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// No attribute that is read here is longer.
const MAX_ATTRIBUTE_BYTES: u64 = 4096;

/// Where the kernel shows block devices.
pub(crate) const BLOCK: &str = "/sys/block";

/// A block device that is no partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockDevice {
    /// Such as `vda`, `dm-0` or `md127`.
    pub(crate) kernel_name: String,
    pub(crate) serial: Option<String>,
    /// The name that device mapper knows it by.
    pub(crate) mapped_name: Option<String>,
    pub(crate) partitions: Vec<Partition>,
    /// Whether a device was made on top of it, which then holds what matters.
    pub(crate) is_held: bool,
    /// Whether it is a snapshot of another: the same file system as that, at another time.
    pub(crate) is_snapshot: bool,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) kernel_name: String,
    pub(crate) number: u32,
    pub(crate) is_held: bool,
}

/// The block devices below `block`, sorted by name. Devices without a medium are left out.
///
/// # Errors
/// If the directory cannot be read.
pub(crate) fn block_devices(block: &Path) -> Result<Vec<BlockDevice>> {
    let mut found = Vec::new();
    for name in names_in(block)? {
        let folder = block.join(&name);
        if attribute(&folder, "size").is_none_or(|size| size == "0") {
            continue;
        }
        found.push(BlockDevice {
            serial: serial(&folder),
            mapped_name: attribute(&folder, "dm/name"),
            partitions: partitions(&folder, &name)?,
            is_held: is_held(&folder),
            is_snapshot: is_snapshot(&folder),
            kernel_name: name,
        });
    }
    found.sort_by(|a, b| a.kernel_name.cmp(&b.kernel_name));
    Ok(found)
}

/// An attribute's text without white space around it. `None` if it is not there, or is not text.
pub(crate) fn attribute(folder: &Path, name: &str) -> Option<String> {
    let bytes = attribute_bytes(folder, name)?;
    let text = String::from_utf8(bytes).ok()?;
    Some(text.trim().to_owned())
}

fn attribute_bytes(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let file = std::fs::File::open(folder.join(name)).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_ATTRIBUTE_BYTES)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// Virtio disks have their serial number in one place, NVMe in another, and SCSI disks as they sent
/// it: four bytes ahead of the text.
fn serial(folder: &Path) -> Option<String> {
    let text = attribute(folder, "serial")
        .or_else(|| attribute(folder, "device/serial"))
        .or_else(|| {
            let page = attribute_bytes(folder, "device/vpd_pg80")?;
            let text = String::from_utf8(page.get(4..)?.to_vec()).ok()?;
            Some(text.trim_matches(['\0', ' ']).to_owned())
        })?;
    (!text.is_empty()).then_some(text)
}

fn partitions(folder: &Path, disk: &str) -> Result<Vec<Partition>> {
    let mut found = Vec::new();
    for name in names_in(folder)? {
        let partition = folder.join(&name);
        if !name.starts_with(disk) {
            continue;
        }
        let number = attribute(&partition, "partition").and_then(|text| text.parse().ok());
        if let Some(number) = number {
            found.push(Partition {
                is_held: is_held(&partition),
                kernel_name: name,
                number,
            });
        }
    }
    found.sort_by_key(|partition| partition.number);
    Ok(found)
}

fn is_held(folder: &Path) -> bool {
    names_in(&folder.join("holders")).is_ok_and(|names| !names.is_empty())
}

/// LVM keeps what a snapshot has changed in a volume whose name ends in `-cow`.
fn is_snapshot(folder: &Path) -> bool {
    let below = folder.join("slaves");
    names_in(&below).is_ok_and(|names| {
        names.iter().any(|name| {
            attribute(&below.join(name), "dm/name").is_some_and(|name| name.ends_with("-cow"))
        })
    })
}

pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("list {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn disks_are_known_by_the_serial_number_whatever_bus_they_are_on() {
        let root = tree(&[
            ("nvme0n1/size", b"8\n"),
            ("nvme0n1/device/serial", b"rehost-1            \n"),
            ("sda/size", b"8\n"),
            ("sda/device/vpd_pg80", b"\0\x80\0\x08rehost-2"),
            ("vda/size", b"8\n"),
            ("vda/serial", b"rehost-0\n"),
            ("vdb/size", b"8\n"),
            ("vdb/serial", b""),
            ("sr0/size", b"0\n"),
        ]);
        let serials: Vec<_> = block_devices(root.path())
            .unwrap()
            .into_iter()
            .map(|device| (device.kernel_name, device.serial))
            .collect();
        let expected = [
            ("nvme0n1", Some("rehost-1")),
            ("sda", Some("rehost-2")),
            ("vda", Some("rehost-0")),
            ("vdb", None),
        ];
        assert_eq!(
            serials,
            expected.map(|(name, serial)| (name.to_owned(), serial.map(String::from)))
        );
    }

    #[test]
    fn partitions_and_what_is_built_on_them_are_seen() {
        let root = tree(&[
            ("vda/size", b"8\n"),
            ("vda/vda10/partition", b"10\n"),
            ("vda/vda2/partition", b"2\n"),
            ("vda/vda2/holders/dm-0/x", b""),
            ("vda/queue/partition", b"3\n"),
            ("dm-0/size", b"8\n"),
            ("dm-0/dm/name", b"data-root\n"),
            ("dm-1/size", b"8\n"),
            ("dm-1/slaves/dm-2/dm/name", b"data-before--update-cow\n"),
        ]);
        let devices = block_devices(root.path()).unwrap();
        let partition = |number: u32, is_held| Partition {
            kernel_name: format!("vda{number}"),
            number,
            is_held,
        };
        assert_eq!(devices[0].mapped_name.as_deref(), Some("data-root"));
        assert!(devices[1].is_snapshot && !devices[0].is_snapshot);
        assert_eq!(
            devices[2].partitions,
            [partition(2, true), partition(10, false)]
        );
    }
}
