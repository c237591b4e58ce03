//! The map of disks: what lies where, and what of it is in use.

use std::ops::Range;

use crate::{Extents, Medium, Unmapped};

/// What of a disk is in use.
#[derive(Debug)]
pub struct DiskMap {
    /// Everything that is in use or might be.
    pub used: Extents,
    /// What the disk consists of, in ascending order.
    pub regions: Vec<RegionMap>,
}

/// A part of a disk and how it was mapped.
#[derive(Debug)]
pub struct RegionMap {
    /// Where on the disk, in bytes.
    pub range: Range<u64>,
    /// What lies there.
    pub content: Region,
    /// Why it counts as used as a whole, if it does.
    pub whole: Option<Unmapped>,
}

/// What lies in a part of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Neither known nor empty.
    Unknown,
}

/// The maps of all disks of a server, in the order given. They are mapped together because volume
/// managers and file systems may span several of them.
#[must_use]
pub fn map_disks(disks: &[&dyn Medium]) -> Vec<DiskMap> {
    let map = |disk: &&dyn Medium| {
        let range = 0..disk.size_bytes();
        DiskMap {
            used: Extents::whole(range.clone()),
            regions: vec![RegionMap {
                range,
                content: Region::Unknown,
                whole: Some(Unmapped::Unknown),
            }],
        }
    };
    disks.iter().map(map).collect()
}
