//! Shadow copies of the volume. What they keep lies in files, and so in `$Bitmap`; but what has not
//! been overwritten since a copy was made, the copy reads from the volume, also where a file was deleted
//! and its clusters are free. So nothing may be left out while there is a shadow copy.
//!
//! ```text
//!   header, at 7680 --> catalog: block --> block: an entry of two kinds for each shadow copy
//! ```
//!
//! Format: the libvshadow project, "Volume Shadow Snapshot (VSS) format".

use rehost_volumes::to_usize;

use crate::fields::{le32, le64, read};
use crate::{Medium, Unmapped};

use super::{WHAT, inconsistent};

const HEADER_AT: u64 = 7680;
const HEADER_BYTES: usize = 512;
/// Begins everything that belongs to shadow copies.
const IDENTITY: &[u8] = b"\x6b\x87\x08\x38\x76\xc1\x48\x4e\xb7\xae\x04\x04\x6e\x6c\xc7\x52";
const CATALOG: u32 = 2;
const BLOCK_BYTES: u64 = 16 << 10;
const ENTRY_BYTES: usize = 128;
/// An entry that was in use.
const UNUSED: u64 = 1;
/// There are four; Windows keeps at most 512 shadow copies.
const MAX_BLOCKS: usize = 64;

/// Fails if there is a shadow copy, or may be.
///
/// # Errors
/// [`Unmapped::Unsupported`] if there is one; [`Unmapped::Inconsistent`] if the catalog makes no
/// sense; [`Unmapped::Read`].
pub(super) fn check(medium: &dyn Medium) -> Result<(), Unmapped> {
    if medium.size_bytes() < HEADER_AT + HEADER_BYTES as u64 {
        return Ok(());
    }
    let header = read(medium, HEADER_AT, HEADER_BYTES)?;
    if !header.starts_with(IDENTITY) {
        return Ok(());
    }
    let mut at = le64(&header, 48);
    for _ in 0..MAX_BLOCKS {
        if at == 0 {
            return Ok(());
        }
        let block = read(medium, at, to_usize(BLOCK_BYTES))?;
        if !block.starts_with(IDENTITY) || le32(&block, 20) != CATALOG {
            return Err(inconsistent("its catalog of shadow copies makes no sense"));
        }
        let mut entries = block.chunks_exact(ENTRY_BYTES).skip(1);
        if entries.any(|entry| le64(entry, 0) > UNUSED) {
            return Err(Unmapped::Unsupported {
                what: WHAT,
                feature: "shadow copies of its volume".to_owned(),
            });
        }
        at = le64(&block, 40);
    }
    Err(inconsistent("its catalog of shadow copies has no end"))
}
