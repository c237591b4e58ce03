//! Disks to migrate: image files with a known pattern, and loop devices with file systems.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// Patterns change at this grain.
const BLOCK_BYTES: usize = 64 * 1024;

/// Makes an image of the given size. Every fourth block of 64 KiB is a hole; the others are filled
/// with bytes that depend on `seed` and on where they are, and that do not compress to nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn patterned_image(path: &Path, size_bytes: u64, seed: u64) -> Result<()> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    file.set_len(size_bytes)
        .with_context(|| format!("size {}", path.display()))?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut offset_bytes = 0;
    for number in 0.. {
        let length = usize::try_from(size_bytes - offset_bytes).unwrap_or(usize::MAX);
        let length = length.min(BLOCK_BYTES);
        if length == 0 {
            return Ok(());
        }
        if number % 4 != 3 {
            let part = &mut block[..length];
            fill(part, seed ^ (number << 20));
            file.write_all_at(part, offset_bytes)
                .context("write pattern")?;
        }
        offset_bytes += length as u64;
    }
    Ok(())
}

/// Overwrites a part of an image with a new pattern, in place.
///
/// # Errors
/// If the file cannot be written.
pub fn overwrite(path: &Path, offset_bytes: u64, length: usize, seed: u64) -> Result<()> {
    let mut part = vec![0; length];
    fill(&mut part, seed);
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))?;
    file.write_all_at(&part, offset_bytes)
        .context("overwrite a part of the image")
}

/// The generator of Steele, Lea and Flood (splitmix64): a different sequence for each seed.
fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for word in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        word.copy_from_slice(&mixed.to_le_bytes()[..word.len()]);
    }
}

/// Runs a tool to its end, and gives what it printed.
///
/// # Errors
/// If it fails; the message holds the command and what it said.
pub fn run_tool<I, S>(tool: &str, arguments: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(tool);
    command.args(arguments).env("LC_ALL", "C");
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {said}{errors}", output.status);
    }
    Ok(said)
}

/// Fails where loop devices and mounts cannot be had. A test that passes without having run would
/// hide what it is there to find.
///
/// # Errors
/// If this user is not root.
pub fn needs_root() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "loop devices and mounts need root: run `cargo xtask test` as root"
    );
    Ok(())
}

/// A file that looks like a block device. Needs root. Detached when dropped.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
}

impl LoopDevice {
    /// Attaches a file.
    ///
    /// # Errors
    /// If there is no free loop device or no right to use one.
    pub fn attach(file: &Path) -> Result<Self> {
        let arguments = ["--find", "--show", "--direct-io=on"].map(OsStr::new);
        let said = run_tool("losetup", arguments.into_iter().chain([file.as_os_str()]))?;
        ensure!(said.starts_with("/dev/loop"), "losetup said {said:?}");
        Ok(Self {
            path: said.trim().into(),
        })
    }

    /// The device, such as `/dev/loop3`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // Nothing can be done about a device that does not go away.
        let _ = run_tool("losetup", [OsStr::new("--detach"), self.path.as_os_str()]);
    }
}

/// A mounted file system. Needs root. Unmounted when dropped.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts a device on a directory.
    ///
    /// # Errors
    /// If mounting fails.
    pub fn new(device: &Path, directory: &Path) -> Result<Self> {
        run_tool("mount", [device, directory])?;
        Ok(Self {
            path: directory.into(),
        })
    }

    /// Mounts a file system in memory on a directory, with room for so much: a disk that is soon
    /// full.
    ///
    /// # Errors
    /// If mounting fails.
    pub fn in_memory(directory: &Path, size_bytes: u64) -> Result<Self> {
        let options = format!("size={size_bytes}");
        let arguments = ["-t", "tmpfs", "-o", &options, "rehost-test"].map(OsStr::new);
        run_tool(
            "mount",
            arguments.into_iter().chain([directory.as_os_str()]),
        )?;
        Ok(Self {
            path: directory.into(),
        })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily if it must be: what holds it ends with the test.
        if run_tool("umount", [&self.path]).is_err() {
            let _ = run_tool("umount", [OsStr::new("--lazy"), self.path.as_os_str()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_differ_by_seed_and_place_and_leave_holes() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("1"), directory.path().join("2"));
        patterned_image(&one, 300_001, 1).unwrap();
        patterned_image(&two, 300_001, 2).unwrap();
        let (one_bytes, two_bytes) = (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        assert_eq!(one_bytes.len(), 300_001);
        assert_ne!(one_bytes[..BLOCK_BYTES], two_bytes[..BLOCK_BYTES]);
        assert_ne!(
            one_bytes[..BLOCK_BYTES],
            one_bytes[BLOCK_BYTES..2 * BLOCK_BYTES]
        );
        assert!(
            one_bytes[3 * BLOCK_BYTES..4 * BLOCK_BYTES]
                .iter()
                .all(|&byte| byte == 0)
        );
        overwrite(&one, 5, 3, 7).unwrap();
        let changed = std::fs::read(&one).unwrap();
        assert_ne!(changed[5..8], one_bytes[5..8]);
        assert_eq!(changed[8..], one_bytes[8..]);
    }
}
