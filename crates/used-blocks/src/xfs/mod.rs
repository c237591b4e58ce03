//! XFS: what is in use is what the free space trees of its allocation groups do not call free.
//!
//! ```text
//!   group 0                                                 group 1
//!   superblock | AGF | AGI | AGFL | trees, inodes, data ... | superblock | AGF | ...
//!                 '--> free space by block number
//! ```
//!
//! A group whose free space cannot be trusted counts as used as a whole; the others do not suffer.
//! While the file system is mounted, the trees lag behind the log, and are caught in the middle of
//! being written: a group that does not make sense is read again. Freezing brings them up to date.
//! Real-time devices are not read here; the data device that goes with one is.
//!
//! Format: "XFS Algorithms & Data Structures", 3rd edition.

mod free_space;
mod log;
mod superblock;

#[cfg(test)]
mod tests;

use crate::collector::Collector;
use crate::reader::{GivenUp, Used};
use crate::{Medium, Unmapped};

use free_space::{GroupMap, map_group};
use superblock::Superblock;

const WHAT: &str = "XFS";
/// How often a group is read until it makes sense.
const ATTEMPTS: usize = 3;

/// What of the file system is in use, including whatever lies behind it on the medium.
///
/// # Errors
/// [`Unmapped::Unknown`] if there is no XFS here; otherwise why its superblock is not trusted.
pub(crate) fn used(medium: &dyn Medium) -> Result<Used, Unmapped> {
    let superblock = Superblock::read(medium)?;
    let mut used = Collector::default();
    let mut miscounted = Vec::new();
    let mut given_up = GivenUp::default();
    let mut give_up = |group: u64, used: &mut Collector| {
        let range = superblock.range_of(group);
        given_up.push(group, range.end - range.start);
        used.push(range);
    };
    for group in 0..superblock.groups {
        match map_patiently(medium, &superblock, group)? {
            Some(map) => {
                map.used.iter().for_each(|range| used.push(range));
                if !map.is_counted_right {
                    miscounted.push(group);
                }
            }
            None => give_up(group, &mut used),
        }
    }
    used.push(superblock.blocks * superblock.block_bytes..medium.size_bytes());
    used.push(superblock.log.clone().unwrap_or_default());
    // Last, so that whatever was logged since the first group was read is seen.
    let is_settled = log::is_clean(medium, &superblock)?;
    if is_settled {
        // Nothing was under way that would explain it.
        for group in miscounted {
            give_up(group, &mut used);
        }
    }
    Ok(Used {
        extents: used.finish(),
        is_settled,
        given_up,
    })
}

/// The map of a group, or `None` if it never makes sense.
fn map_patiently(
    medium: &dyn Medium,
    superblock: &Superblock,
    group: u64,
) -> Result<Option<GroupMap>, Unmapped> {
    for _ in 0..ATTEMPTS {
        match map_group(medium, superblock, group) {
            Ok(map) => return Ok(Some(map)),
            Err(Unmapped::Read(cause)) => return Err(cause.into()),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.into(),
    }
}
