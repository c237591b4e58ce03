//! btrfs: what is in use is what its extent tree holds, and what its log trees refer to.
//!
//! ```text
//!   superblock --> chunk tree: logical addresses --> devices
//!              |-> root tree --> extent tree: logical ranges in use
//!              '-> log of logs --> logs: synchronised, and not yet in the extent tree
//! ```
//!
//! Nothing is overwritten before a newer superblock stands, so that one superblock and what it points
//! to are a true map of one moment. On a live file system a walk may lose its ground to newer
//! transactions; it then begins anew from the newer superblock.
//!
//! So the map is always settled: nothing that it leaves out is needed to make sense of the bytes that
//! were read, be the file system mounted, frozen or left by a crash. What is written after the map was
//! read is in no map yet, as with every file system. Freezing commits a transaction, and a copy of a
//! disk in use is made by the map that is read while it is frozen.
//!
//! Format: the kernel's documentation, "On-disk format" of btrfs.

mod allocation;
mod chunks;
mod superblock;
mod tree;

#[cfg(test)]
mod tests;

use crate::{Extents, Medium, Unmapped};

use superblock::{Device, Superblock, read_superblock};

const WHAT: &str = "btrfs";
/// How often a file system that changes meanwhile is read.
const ATTEMPTS: usize = 5;

/// Numbers of trees.
const ROOT_TREE: u64 = 1;
const EXTENT_TREE: u64 = 2;
const CHUNK_TREE: u64 = 3;
const LOG_TREE: u64 = (-6_i64).cast_unsigned();

/// To which file system a device belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The same on all its devices.
    pub(crate) fsid: [u8; 16],
    /// How many devices it has.
    pub(crate) devices: u64,
}

/// A device of the file system.
#[derive(Debug)]
struct Member<'a> {
    medium: &'a dyn Medium,
    device: Device,
}

/// To which btrfs the medium belongs, if to any.
///
/// # Errors
/// Why its superblock is not trusted.
pub(crate) fn identify(medium: &dyn Medium) -> Result<Option<Identity>, Unmapped> {
    let found = read_superblock(medium)?;
    Ok(found.map(|(superblock, _)| Identity {
        fsid: superblock.fsid,
        devices: superblock.devices,
    }))
}

/// What of each member is in use, including whatever lies behind the file system on its medium. All
/// members of one file system must be given, in any order.
///
/// # Errors
/// [`Unmapped::MissingMember`] if there are fewer; otherwise why its trees are not trusted.
pub(crate) fn used(members: &[&dyn Medium]) -> Result<Vec<Extents>, Unmapped> {
    let mut attempt = 1;
    loop {
        let before = read_all(members)?;
        match map_once(members, &before) {
            Ok(maps) => return Ok(maps),
            Err(Unmapped::Inconsistent { .. })
                if attempt < ATTEMPTS && read_all(members)? != before => {}
            Err(reason) => return Err(reason),
        }
        attempt += 1;
    }
}

fn read_all(members: &[&dyn Medium]) -> Result<Vec<(Superblock, Device)>, Unmapped> {
    let found = members.iter().map(|medium| {
        let found = read_superblock(*medium)?;
        found.ok_or_else(|| inconsistent("a member has no superblock"))
    });
    found.collect()
}

fn map_once(
    media: &[&dyn Medium],
    superblocks: &[(Superblock, Device)],
) -> Result<Vec<Extents>, Unmapped> {
    let Some((superblock, _)) = superblocks.first() else {
        return Ok(Vec::new());
    };
    if superblocks.iter().any(|(other, _)| other != superblock) {
        return Err(inconsistent("its devices are not of the same generation"));
    }
    let devices = superblocks.iter().map(|(_, device)| *device);
    let members = media.iter().zip(devices);
    let members: Vec<Member<'_>> = members
        .map(|(medium, device)| Member {
            medium: *medium,
            device,
        })
        .collect();
    let mut ids: Vec<u64> = members.iter().map(|member| member.device.id).collect();
    ids.sort_unstable();
    // Number 0 is a device that is about to replace another.
    if ids.first() == Some(&0) || ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(inconsistent("its devices are not told apart by number"));
    }
    if (members.len() as u64) < superblock.devices {
        return Err(Unmapped::MissingMember { what: WHAT });
    }
    allocation::map(superblock, &members)
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.into(),
    }
}
