//! The form of inputs: which base, how large its disks are, and patches.
//!
//! ```text
//!   0    1      2                                   then again
//!   base | size | disk  | offset    | length | bytes | ...
//!   1    | 1    | 1     | 6 LE      | 1      | length
//! ```
//!
//! Everything is an input. What is cut off counts as far as it is there; a patch of no bytes makes its
//! block unreadable.

use std::ops::Range;

use crate::base::Base;
use crate::medium::Patched;

/// Bytes before the patches.
pub(crate) const HEADER_BYTES: usize = 2;
/// Bytes before those of a patch.
pub(crate) const PATCH_HEADER_BYTES: usize = 8;
/// Disks are not made larger than this.
const MAX_DISK_BYTES: u64 = 1 << 40;

/// A patch in an input.
#[derive(Debug)]
pub(crate) struct Patch<'d> {
    pub(crate) disk: u8,
    pub(crate) offset: u64,
    pub(crate) bytes: &'d [u8],
    /// Where it is in the input.
    pub(crate) within: Range<usize>,
}

/// The patches of an input.
pub(crate) fn patches(data: &[u8]) -> impl Iterator<Item = Patch<'_>> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        let [disk, o0, o1, o2, o3, o4, o5, length] = *data.get(at..)?.first_chunk()?;
        let begin = at + PATCH_HEADER_BYTES;
        let end = (begin + usize::from(length)).min(data.len());
        let within = at..end;
        at = end;
        Some(Patch {
            disk,
            offset: u64::from_le_bytes([o0, o1, o2, o3, o4, o5, 0, 0]),
            bytes: &data[begin..end],
            within,
        })
    })
}

/// A patch as it stands in an input.
pub(crate) fn encode(disk: u8, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![disk];
    encoded.extend_from_slice(&offset.to_le_bytes()[..6]);
    encoded.push(bytes.len() as u8);
    encoded.extend_from_slice(bytes);
    encoded
}

/// Whether an input describes nothing but one base as it is.
pub(crate) fn is_a_base(data: &[u8]) -> bool {
    data.len() <= HEADER_BYTES && data.get(1).is_none_or(|size| *size == 0)
}

/// The disks that an input describes.
pub(crate) fn disks(bases: &'static [Base], data: &[u8]) -> Vec<Patched> {
    let byte = |at: usize| data.get(at).copied().unwrap_or(0);
    let base = &bases[usize::from(byte(0)) % bases.len()];
    let mut disks: Vec<Patched> = base
        .iter()
        .map(|disk| Patched::new(disk, resized(disk.size_bytes, byte(1))))
        .collect();
    let count = disks.len();
    for patch in patches(data) {
        let disk = &mut disks[usize::from(patch.disk) % count];
        if patch.bytes.is_empty() {
            disk.damage(patch.offset);
        } else {
            disk.patch(patch.offset, patch.bytes);
        }
    }
    disks
}

/// A disk may be twice, four times... as large as its base, and may have lost some sixteenths of that.
fn resized(size_bytes: u64, how: u8) -> u64 {
    let doublings = u32::from(how & 15);
    let grown = (size_bytes << doublings).min(MAX_DISK_BYTES.max(size_bytes));
    let lost = grown / 16 * u64::from(how >> 4);
    grown - lost
}
