//! The first disk of the demo's source: GPT, a root file system on ext4 and swap, made in a file
//! without root rights and without mounting anything.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::tree::Tree;
use super::{programs, random};

const MIB: u64 = 1024 * 1024;
const SECTOR_BYTES: u64 = 512;
const ROOT_OFFSET_BYTES: u64 = MIB;
const SWAP_BYTES: u64 = 64 * MIB;
/// Kept free at the end of the disk for the second copy of the partition table.
const TAIL_BYTES: u64 = MIB;
/// What ext4 needs beside the files, and room for what is written between rounds.
const ROOM_BYTES: u64 = 192 * MIB;
/// Header of a swap area.
const SWAP_HEADER_BYTES: usize = 4096;

/// A disk image with a root file system that can be written to as a running system would.
#[derive(Debug)]
pub(crate) struct SystemDisk {
    path: PathBuf,
}

impl SystemDisk {
    /// Makes the image: partition table, swap, and a root file system that holds `tree`.
    ///
    /// # Errors
    /// If a tool fails or the disk is full.
    pub(crate) fn make(directory: &Path, tree: &Tree) -> Result<Self> {
        let path = directory.join("system.img");
        // A file of one block needs an inode too: 5 % for what ext4 keeps about each.
        let root_bytes =
            (tree.size_bytes + tree.size_bytes / 20 + ROOM_BYTES).next_multiple_of(MIB);
        let swap_offset_bytes = ROOT_OFFSET_BYTES + root_bytes;
        let size_bytes = swap_offset_bytes + SWAP_BYTES + TAIL_BYTES;
        let file =
            std::fs::File::create(&path).with_context(|| format!("create {}", path.display()))?;
        file.set_len(size_bytes)
            .with_context(|| format!("size {}", path.display()))?;

        partition(directory, &path, root_bytes, swap_offset_bytes)?;
        make_root(&path, tree, root_bytes)?;
        make_swap(directory, &path, swap_offset_bytes)?;
        Ok(Self { path })
    }

    /// The image file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a directory with one new file of random content to the root file system, and gives
    /// the size of the file in bytes. Every byte goes through ext4's own tools, so that the file
    /// system stays as consistent as a mounted one.
    ///
    /// # Errors
    /// If debugfs fails or says anything that it does not say on success.
    pub(crate) fn add_file(&self, scratch: &Path, number: u32) -> Result<u64> {
        let size_bytes = 4 * MIB;
        let content = scratch.join(format!("session-{number}"));
        random::make_file(&content, size_bytes)?;

        let commands = scratch.join("debugfs-commands");
        let text = format!(
            "mkdir /session-{number}\nwrite {} /session-{number}/log\n",
            content.display()
        );
        std::fs::write(&commands, text).context("write commands for debugfs")?;
        programs::output(
            "debugfs",
            [
                OsStr::new("-w"),
                OsStr::new("-f"),
                commands.as_os_str(),
                &self.root_file_system(),
            ],
        )?;
        // debugfs ends with success whatever happened: ask it whether the file is there.
        let request = format!("stat /session-{number}/log");
        let answer = programs::output(
            "debugfs",
            [
                OsStr::new("-R"),
                OsStr::new(&request),
                &self.root_file_system(),
            ],
        )?;
        anyhow::ensure!(
            answer.contains(&format!("Size: {size_bytes}")),
            "debugfs did not add session-{number} to {}: is it full?",
            self.path.display()
        );
        std::fs::remove_file(&content).context("remove the file that was added")?;
        Ok(size_bytes)
    }

    /// As e2fsprogs name a file system inside an image.
    fn root_file_system(&self) -> OsString {
        let mut name = self.path.clone().into_os_string();
        name.push(format!("?offset={ROOT_OFFSET_BYTES}"));
        name
    }
}

fn partition(scratch: &Path, image: &Path, root_bytes: u64, swap_offset_bytes: u64) -> Result<()> {
    let script = scratch.join("sfdisk-script");
    let text = format!(
        "label: gpt\n\
         start={}, size={}, type=linux, name=root\n\
         start={}, size={}, type=swap, name=swap\n",
        ROOT_OFFSET_BYTES / SECTOR_BYTES,
        root_bytes / SECTOR_BYTES,
        swap_offset_bytes / SECTOR_BYTES,
        SWAP_BYTES / SECTOR_BYTES,
    );
    std::fs::write(&script, text).context("write script for sfdisk")?;
    programs::output_of_input(
        "sfdisk",
        &script,
        &[OsStr::new("--quiet"), image.as_os_str()],
    )?;
    std::fs::remove_file(&script).context("remove script for sfdisk")
}

fn make_root(image: &Path, tree: &Tree, root_bytes: u64) -> Result<()> {
    let offset = format!("offset={ROOT_OFFSET_BYTES}");
    let inodes = (tree.entries * 2 + 1024).to_string();
    let size = format!("{}k", root_bytes / 1024);
    let arguments: [&OsStr; 14] = [
        "-q".as_ref(),
        "-F".as_ref(),
        "-t".as_ref(),
        "ext4".as_ref(),
        "-L".as_ref(),
        "root".as_ref(),
        "-N".as_ref(),
        inodes.as_ref(),
        "-E".as_ref(),
        offset.as_ref(),
        "-d".as_ref(),
        tree.path.as_ref(),
        image.as_ref(),
        size.as_ref(),
    ];
    programs::output("mke2fs", arguments)?;
    Ok(())
}

/// Puts a swap area into its partition. `mkswap` learned to write at an offset only lately, so it
/// writes into a file of its own, and the header goes from there to where it belongs.
fn make_swap(scratch: &Path, image: &Path, offset_bytes: u64) -> Result<()> {
    let path = scratch.join("swap");
    let mut area = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)
        .context("create swap area")?;
    area.set_len(SWAP_BYTES).context("size swap area")?;
    area.flush().context("write swap area")?;
    programs::output(
        "mkswap",
        [OsStr::new("--label"), OsStr::new("swap"), path.as_os_str()],
    )?;

    let mut header = vec![0; SWAP_HEADER_BYTES];
    area.read_exact_at(&mut header, 0)
        .context("read header of swap area")?;
    let disk = OpenOptions::new()
        .write(true)
        .open(image)
        .context("open image for swap header")?;
    disk.write_all_at(&header, offset_bytes)
        .context("write header of swap area")?;
    std::fs::remove_file(&path).context("remove swap area")
}
