//! What the tools of each file system think of a copy that nobody has mounted.

use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_testkit::{Mount, run_tool};

use crate::block::{Partition, WindowDevice, text};
use crate::layout::{FileSystem, Place};

/// Has a file system in a raw image judged, without writing to the image. Needs root.
///
/// # Errors
/// If there is anything that its tool would repair; the message holds what the tool said.
pub fn check_file_system(image: &Path, place: &Place) -> Result<()> {
    let part = Partition {
        offset_bytes: place.offset_bytes,
        size_bytes: place.size_bytes,
    };
    let judged = match place.file_system {
        FileSystem::Ext4 => judge(image, part, "e2fsck", &["-f", "-n"]),
        FileSystem::Btrfs => judge(image, part, "btrfs", &["check", "--readonly"]),
        FileSystem::Xfs => judge_xfs(image, part),
    };
    judged.with_context(|| format!("check {} in {}", place.mount_point, image.display()))
}

fn judge(image: &Path, part: Partition, tool: &str, words: &[&str]) -> Result<()> {
    let window = WindowDevice::attach(image, part, true)?;
    let device = text(window.device())?;
    run_tool(tool, words.iter().copied().chain([device]))?;
    Ok(())
}

/// A frozen xfs leaves a record in its log so that whoever mounts it next looks for files that were
/// deleted while open. `xfs_repair` does not read logs, so a copy of the copy is mounted before.
fn judge_xfs(image: &Path, part: Partition) -> Result<()> {
    let directory = tempfile::tempdir_in(image.parent().context("folder of the image")?)?;
    let copy = directory.path().join("copy");
    run_tool("cp", ["--sparse=always", text(image)?, text(&copy)?])?;
    let window = WindowDevice::attach(&copy, part, false)?;
    let mount_point = directory.path().join("mounted");
    std::fs::create_dir(&mount_point)?;
    drop(Mount::new(window.device(), &mount_point)?);
    run_tool("xfs_repair", ["-n", text(window.device())?])?;
    Ok(())
}
