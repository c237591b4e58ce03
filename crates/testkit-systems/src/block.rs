//! Disks in files seen as block devices, on a kernel that may know neither partition tables nor a
//! volume manager: partitions are announced one by one by `partx`, and other places are loop devices
//! with an offset.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::run_tool;
use serde_json::Value;

const SECTOR_BYTES: u64 = 512;

/// A partition of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) offset_bytes: u64,
    pub(crate) size_bytes: u64,
}

/// An image with partitions, as `/dev/loopN` and `/dev/loopNpM`. Detached when dropped.
#[derive(Debug)]
pub(crate) struct PartitionedDisk {
    device: PathBuf,
}

impl PartitionedDisk {
    /// Attaches an image that has a partition table.
    ///
    /// # Errors
    /// If that does not work.
    pub(crate) fn attach(image: &Path) -> Result<Self> {
        let device = losetup(&[text(image)?])?;
        let disk = Self { device };
        run_tool("partx", ["--add", text(&disk.device)?])?;
        Ok(disk)
    }

    /// The whole disk.
    pub(crate) fn device(&self) -> &Path {
        &self.device
    }

    /// The partition of this number, from one.
    pub(crate) fn partition(&self, number: u32) -> PathBuf {
        format!("{}p{number}", self.device.display()).into()
    }
}

impl Drop for PartitionedDisk {
    fn drop(&mut self) {
        // Nothing can be done about a device that does not go away.
        let _ = run_tool("partx", [OsStr::new("--delete"), self.device.as_os_str()]);
        let _ = run_tool("losetup", [OsStr::new("--detach"), self.device.as_os_str()]);
    }
}

/// A part of an image as a block device. Detached when dropped.
#[derive(Debug)]
pub(crate) struct WindowDevice {
    device: PathBuf,
}

impl WindowDevice {
    /// Attaches a part of an image.
    ///
    /// # Errors
    /// If that does not work.
    pub(crate) fn attach(image: &Path, part: Partition, read_only: bool) -> Result<Self> {
        let offset = format!("--offset={}", part.offset_bytes);
        let size = format!("--sizelimit={}", part.size_bytes);
        let mut words = vec![offset.as_str(), &size];
        if read_only {
            words.push("--read-only");
        }
        words.push(text(image)?);
        Ok(Self {
            device: losetup(&words)?,
        })
    }

    pub(crate) fn device(&self) -> &Path {
        &self.device
    }
}

impl Drop for WindowDevice {
    fn drop(&mut self) {
        // Nothing can be done about a device that does not go away.
        let _ = run_tool("losetup", [OsStr::new("--detach"), self.device.as_os_str()]);
    }
}

fn losetup(words: &[&str]) -> Result<PathBuf> {
    let said = run_tool("losetup", ["--find", "--show"].iter().chain(words.iter()))?;
    ensure!(said.starts_with("/dev/loop"), "losetup said {said:?}");
    Ok(said.trim().into())
}

/// Writes a partition table; `script` is what `sfdisk` understands.
///
/// # Errors
/// If `sfdisk` fails.
pub(crate) fn partition_disk(image: &Path, script: &str) -> Result<()> {
    let file = tempfile::NamedTempFile::new().context("make a file for the script")?;
    std::fs::write(file.path(), script).context("write the script")?;
    let command = r#"exec sfdisk --quiet "$1" < "$2""#;
    run_tool(
        "sh",
        ["-ec", command, "sh", text(image)?, text(file.path())?],
    )?;
    Ok(())
}

/// The partitions of an image, in the order of their numbers.
///
/// # Errors
/// If `sfdisk` finds no table.
pub(crate) fn partitions(image: &Path) -> Result<Vec<Partition>> {
    let said = run_tool("sfdisk", ["--json", text(image)?])?;
    let table: Value = serde_json::from_str(&said).context("read what sfdisk says")?;
    let found = table["partitiontable"]["partitions"]
        .as_array()
        .context("partitions")?;
    let sectors = |entry: &Value, name: &str| entry[name].as_u64().context("a number of sectors");
    found
        .iter()
        .map(|entry| {
            Ok(Partition {
                offset_bytes: sectors(entry, "start")? * SECTOR_BYTES,
                size_bytes: sectors(entry, "size")? * SECTOR_BYTES,
            })
        })
        .collect()
}

/// A path as text, as tools take it.
///
/// # Errors
/// If it is not UTF-8.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// The UUID of a file system.
///
/// # Errors
/// If there is none.
pub(crate) fn uuid(device: &Path) -> Result<String> {
    let words = ["-o", "value", "-s", "UUID", "-p", text(device)?];
    Ok(run_tool("blkid", words)?.trim().to_owned())
}
