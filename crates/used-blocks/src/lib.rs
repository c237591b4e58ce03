//! Which blocks of a disk are in use: what a copy needs to read, and what it may leave out.
//!
//! ```text
//!   disks -> disk_map: partition table, gaps --> region: what is in it?
//!                                                  |-- file system  -> its allocation map
//!                                                  |-- LVM, md      -> what lies in it, and where
//!                                                  '-- unknown      -> the whole of it
//! ```
//!
//! A map never leaves out anything that might be needed. What is unknown, inconsistent or hostile is
//! reported as used as a whole, together with the reason; a reader never panics and never takes more
//! memory than its limits say, whatever the disk holds.
//!
//! All readers read the medium itself, never a mount. The map of a file system in use may be a little
//! old: whoever copies a live disk reads the map again while the file system is frozen.

#[cfg(test)]
mod ageing;
mod btrfs;
mod clusters;
mod collector;
mod crc;
mod disk_map;
mod exfat;
mod ext;
mod extents;
mod fat;
mod fields;
mod lvm;
mod mapper;
mod md;
mod medium;
mod ntfs;
#[cfg(test)]
mod oracle;
mod partitions;
mod reader;
mod signature;
mod swap;
mod view;
mod volume_manager;
mod xfs;

pub use disk_map::{DiskMap, Region, RegionMap, map_disks};
pub use extents::Extents;
pub use medium::Medium;
pub use reader::{GivenUp, Unmapped};
