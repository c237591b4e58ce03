//! Finding a file of the root directory by its name.
//!
//! A directory is a tree whose nodes are in an order that depends on a table of the volume. As only few
//! names are looked for, all nodes are looked through instead.
//!
//! ```text
//!   root: in the record | header | entry | entry ...
//!   blocks: "INDX" | protection | header | entry: record, length | the file's name ...
//! ```

use rehost_volumes::to_usize;

use crate::Unmapped;
use crate::fields::{le16, le32, le64};

use super::inconsistent;
use super::record::{INDEX_BITMAP, INDEX_BLOCKS, INDEX_ROOT, NUMBER_BITS, unprotect};
use super::volume::{Content, Volume};

const RECORD_OF_ROOT: u64 = 5;
/// A root directory with more names, some 100,000, is not looked through.
const MAX_BLOCKS_BYTES: u64 = 16 << 20;
const MAX_BITMAP_BYTES: u64 = MAX_BLOCKS_BYTES / 512 / 8;
/// Before the header: of the root, and of a block.
const ROOT_BYTES: usize = 16;
const BLOCK_BYTES: usize = 24;
const LAST: u16 = 2;
/// In an entry: where the length of the name is, and the name.
const LENGTH_AT: usize = 16 + 64;
const NAME_AT: usize = 16 + 66;

/// The number of the record of a file in the root directory, if there is one of this name, which is
/// of ASCII characters and in small letters.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if the directory makes no sense, [`Unmapped::Read`].
pub(super) fn find(volume: &Volume<'_>, name: &str) -> Result<Option<u64>, Unmapped> {
    let Some(Content::Resident(root)) = volume.content(RECORD_OF_ROOT, INDEX_ROOT)? else {
        return Err(inconsistent("it has no root directory"));
    };
    if let Some(record) = find_among(root.get(ROOT_BYTES..).unwrap_or_default(), name)? {
        return Ok(Some(record));
    }
    let Some(blocks) = volume.content(RECORD_OF_ROOT, INDEX_BLOCKS)? else {
        return Ok(None);
    };
    let block_bytes = to_usize(u64::from(le32(&root, 8)));
    if !block_bytes.is_power_of_two() || !(512..=65536).contains(&block_bytes) {
        return Err(inconsistent("the root directory makes no sense"));
    }
    let bitmap = volume.content(RECORD_OF_ROOT, INDEX_BITMAP)?;
    let bitmap = bitmap.ok_or_else(|| inconsistent("the root directory makes no sense"))?;
    let bitmap = volume.beginning(&bitmap, MAX_BITMAP_BYTES)?;
    let bytes = volume.beginning(&blocks, MAX_BLOCKS_BYTES + 1)?;
    if bytes.len() as u64 > MAX_BLOCKS_BYTES {
        return Err(inconsistent("the root directory is too large"));
    }
    let bits = bitmap
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    for (block, is_used) in bytes.chunks_exact(block_bytes).zip(bits) {
        if !is_used {
            continue;
        }
        let mut block = block.to_vec();
        if !block.starts_with(b"INDX") {
            return Err(inconsistent("the root directory makes no sense"));
        }
        unprotect(&mut block)?;
        let found = find_among(block.get(BLOCK_BYTES..).unwrap_or_default(), name)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Looks through the entries behind a header.
fn find_among(node: &[u8], name: &str) -> Result<Option<u64>, Unmapped> {
    let nonsense = || inconsistent("the root directory makes no sense");
    let mut at = to_usize(u64::from(le32(node, 0)));
    let end = to_usize(u64::from(le32(node, 4)));
    let entries = node.get(..end).ok_or_else(nonsense)?;
    loop {
        let rest = entries.get(at..).unwrap_or_default();
        let length = usize::from(le16(rest, 8));
        let entry = rest.get(..length).filter(|_| length >= 16);
        let entry = entry.ok_or_else(nonsense)?;
        if le16(entry, 12) & LAST != 0 {
            return Ok(None);
        }
        let characters = usize::from(entry.get(LENGTH_AT).copied().unwrap_or_default());
        let units = (0..characters).map(|number| le16(entry, NAME_AT + number * 2));
        let is_it = characters == name.len()
            && units.zip(name.bytes()).all(|(unit, wanted)| {
                u8::try_from(unit).is_ok_and(|unit| unit.to_ascii_lowercase() == wanted)
            });
        if is_it {
            return Ok(Some(le64(entry, 0) & NUMBER_BITS));
        }
        at += length;
    }
}
