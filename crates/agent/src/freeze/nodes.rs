//! What programs wrote to block devices themselves, past every file system.
//!
//! It may still be in memory only: each device has a page cache of its own, a partition another one
//! than its disk, and a freeze writes out file systems alone. But the copy reads the disk below all
//! of that, and a change is marked when it reaches the disk. So these caches are written out before
//! the freeze, when that may take its time, and once more when the file systems are held still.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::device_number::{DeviceNumber, DeviceTree};

/// What was written to a device could not be brought to its medium.
#[derive(Debug, thiserror::Error)]
#[error("what was written to {} cannot be brought to its medium", path.display())]
pub(crate) struct Unwritten {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// A block device, opened.
#[derive(Debug)]
pub(crate) struct Node {
    path: PathBuf,
    file: File,
}

/// The disks, their partitions and everything stacked upon them, the topmost last. What cannot be
/// opened is left out: a volume that nobody can open has no cache.
pub(crate) fn nodes(disks: &[PathBuf], tree: &DeviceTree) -> Vec<Node> {
    let mut nodes = Vec::new();
    for disk in disks {
        let Some(number) = DeviceNumber::of_block_device(disk) else {
            continue;
        };
        for device in tree.upon(number) {
            let path = if device == number {
                Some(disk.clone())
            } else {
                tree.node(device)
            };
            let Some(path) =
                path.filter(|path| DeviceNumber::of_block_device(path) == Some(device))
            else {
                tracing::warn!(%device, "a device upon a disk has no node; its cache is not written out");
                continue;
            };
            match File::open(&path) {
                Ok(file) => nodes.push(Node { path, file }),
                Err(error) => tracing::warn!(
                    path = %path.display(),
                    %error,
                    "a device upon a disk cannot be opened; its cache is not written out"
                ),
            }
        }
    }
    nodes
}

impl Node {
    fn write_out(&self) -> Result<(), Unwritten> {
        self.file.sync_all().map_err(|cause| Unwritten {
            path: self.path.clone(),
            cause,
        })
    }
}

/// Brings everything that was written to devices to their media, from the top down: what leaves a
/// volume may be kept by the one below. Writes no log.
///
/// # Errors
/// The first failure; the others are written out all the same.
pub(crate) fn write_out(nodes: &[Node]) -> Result<(), Unwritten> {
    let written = nodes.iter().rev().map(Node::write_out);
    written.fold(Ok(()), Result::and)
}
