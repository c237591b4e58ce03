//! Records of the master file table: a file's attributes.

use super::inconsistent;
use super::runs::Runs;
use crate::Unmapped;
use crate::fields::{le16, le32, le64};

/// Which attribute of a file is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Its type.
    code: u32,
    /// Its name, in UTF-16; most have none.
    name: &'static [u8],
}

/// Names the records which hold the others, if one does not suffice.
pub(super) const ATTRIBUTE_LIST: Kind = Kind::unnamed(0x20);
/// Of the volume itself: version and flags.
pub(super) const VOLUME_INFORMATION: Kind = Kind::unnamed(0x70);
/// What a file contains.
pub(super) const DATA: Kind = Kind::unnamed(0x80);
/// What a directory contains: the root of its tree, the blocks of the tree, and which are in use.
pub(super) const INDEX_ROOT: Kind = Kind::of_directory(0x90);
pub(super) const INDEX_BLOCKS: Kind = Kind::of_directory(0xa0);
pub(super) const INDEX_BITMAP: Kind = Kind::of_directory(0xb0);

impl Kind {
    const fn unnamed(code: u32) -> Self {
        Self { code, name: b"" }
    }

    const fn of_directory(code: u32) -> Self {
        Self {
            code,
            name: b"$\0I\x003\x000\0",
        }
    }

    /// Whether an attribute, or an entry of a list of attributes, is of this kind: they begin with
    /// their types, and have names of so many characters in some place.
    fn is_of(self, bytes: &[u8], name_length: u8, name_at: usize) -> bool {
        let length = usize::from(name_length) * 2;
        le32(bytes, 0) == self.code
            && length == self.name.len()
            && (length == 0 || bytes.get(name_at..name_at + length) == Some(self.name))
    }
}
const END: u32 = 0xffff_ffff;

/// Every so many bytes two belong to the protection against torn writes.
const STRIDE_BYTES: usize = 512;
const IN_USE: u16 = 1;
/// Compressed, encrypted or sparse.
const SPECIAL: u16 = 0x00ff | 0x4000 | 0x8000;
/// The lower bits of a reference are the record's number.
pub(super) const NUMBER_BITS: u64 = 0xffff_ffff_ffff;

/// A record whose writes are known to be complete.
#[derive(Debug)]
pub(super) struct Record(Vec<u8>);

/// An attribute, or a piece of it.
#[derive(Debug)]
pub(super) enum Attribute<'a> {
    Resident(&'a [u8]),
    Elsewhere {
        runs: Runs,
        /// Length of the attribute; known of the first piece only.
        data_bytes: u64,
        /// What of it was ever written; known of the first piece only.
        valid_bytes: u64,
    },
}

impl Record {
    /// Checks a record, and puts back the bytes that stand aside for the protection.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if it is none, not in use, or torn.
    pub(super) fn new(mut bytes: Vec<u8>) -> Result<Self, Unmapped> {
        if bytes.get(..4) != Some(b"FILE") || le16(&bytes, 22) & IN_USE == 0 {
            return Err(inconsistent("a record of $MFT is missing"));
        }
        unprotect(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The number of the record that this one continues; 0 if it continues none.
    pub(super) fn base(&self) -> u64 {
        le64(&self.0, 32) & NUMBER_BITS
    }

    /// The attribute of this kind, or the piece of it that begins with its cluster `first`.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if the record makes no sense, [`Unmapped::Unsupported`] if the
    /// attribute is not stored plainly.
    pub(super) fn attribute(
        &self,
        kind: Kind,
        first: u64,
    ) -> Result<Option<Attribute<'_>>, Unmapped> {
        let mut at = usize::from(le16(&self.0, 20));
        loop {
            let rest = self.0.get(at..).unwrap_or_default();
            let this = le32(rest, 0);
            if rest.len() < 4 || this == END {
                return Ok(None);
            }
            let length = usize::try_from(le32(rest, 4)).unwrap_or(usize::MAX);
            let attribute = rest
                .get(..length)
                .filter(|_| length >= 24)
                .ok_or_else(|| inconsistent("an attribute reaches beyond its record"))?;
            let is_elsewhere = attribute[8] != 0;
            let its_first = if is_elsewhere { le64(attribute, 16) } else { 0 };
            if kind.is_of(attribute, attribute[9], usize::from(le16(attribute, 10)))
                && its_first == first
            {
                return parse(attribute, is_elsewhere).map(Some);
            }
            at += length;
        }
    }
}

/// Puts back the bytes of a structure that stand aside for the protection against torn writes.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if it is torn, or not protected.
pub(super) fn unprotect(bytes: &mut [u8]) -> Result<(), Unmapped> {
    let aside = usize::from(le16(bytes, 4));
    let strides = bytes.len() / STRIDE_BYTES;
    let end = aside + 2 * strides + 2;
    if usize::from(le16(bytes, 6)) != strides + 1 || end > STRIDE_BYTES - 2 {
        return Err(inconsistent("a record of $MFT has no valid protection"));
    }
    let sign = le16(bytes, aside);
    for stride in 1..=strides {
        let at = stride * STRIDE_BYTES - 2;
        if le16(bytes, at) != sign {
            return Err(inconsistent("a record of $MFT was written in part"));
        }
        let saved = aside + 2 * stride;
        bytes.copy_within(saved..saved + 2, at);
    }
    Ok(())
}

fn parse(attribute: &[u8], is_elsewhere: bool) -> Result<Attribute<'_>, Unmapped> {
    let nonsense = || inconsistent("an attribute makes no sense");
    if le16(attribute, 12) & SPECIAL != 0 {
        return Err(inconsistent(
            "a file of the system is compressed, sparse or encrypted",
        ));
    }
    if is_elsewhere {
        let pairs = attribute.get(usize::from(le16(attribute, 32))..);
        let runs = pairs.and_then(Runs::parse).ok_or_else(nonsense)?;
        return Ok(Attribute::Elsewhere {
            runs,
            data_bytes: le64(attribute, 48),
            valid_bytes: le64(attribute, 56),
        });
    }
    let start = usize::from(le16(attribute, 20));
    let length = usize::try_from(le32(attribute, 16)).unwrap_or(usize::MAX);
    let value = attribute.get(start..).and_then(|value| value.get(..length));
    value.map(Attribute::Resident).ok_or_else(nonsense)
}

/// What an attribute list says of a kind of attribute: the file's cluster with which each piece
/// begins, and the record that tells where it lies; in the order of the file.
///
/// # Errors
/// [`Unmapped::Inconsistent`] if the list makes no sense.
pub(super) fn in_list(mut list: &[u8], kind: Kind) -> Result<Vec<(u64, u64)>, Unmapped> {
    let mut pieces = Vec::new();
    while !list.is_empty() {
        let length = usize::from(le16(list, 4));
        let (entry, rest) = list
            .split_at_checked(length)
            .filter(|_| length >= 26)
            .ok_or_else(|| inconsistent("an attribute list makes no sense"))?;
        if kind.is_of(entry, entry[6], usize::from(entry[7])) {
            pieces.push((le64(entry, 8), le64(entry, 16) & NUMBER_BITS));
        }
        list = rest;
    }
    pieces.sort_unstable();
    Ok(pieces)
}
