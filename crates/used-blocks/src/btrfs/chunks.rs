//! Where logical addresses lie: chunks, each of which maps a range of them to stripes on devices.

use std::collections::BTreeMap;
use std::ops::Range;

use rehost_volumes::to_usize;

use crate::Unmapped;
use crate::fields::{le16, le64};

use super::superblock::unsupported;
use super::{Member, WHAT, inconsistent};

/// What is dealt out to a device at a time; the kernel accepts no other length.
const STRIPE_BYTES: u64 = 64 << 10;
/// Bytes of a chunk item before its stripes, and of each of those.
const FIXED_BYTES: usize = 48;
const PLACE_BYTES: usize = 32;
/// Length of a key, which precedes each chunk in the superblock.
const KEY_BYTES: usize = 17;
/// More are refused: real ones are a gigabyte each.
const MAX_CHUNKS: usize = 1 << 20;
/// More are refused: places of all chunks together, 16 bytes each.
const MAX_PLACES: usize = 4 << 20;

/// Data, system and metadata.
const CONTENT_BITS: u64 = 0x7;
const RAID0: u64 = 1 << 3;
const RAID1: u64 = 1 << 4;
const DUP: u64 = 1 << 5;
const RAID10: u64 = 1 << 6;
const RAID5: u64 = 1 << 7;
const RAID6: u64 = 1 << 8;
const RAID1C3: u64 = 1 << 9;
const RAID1C4: u64 = 1 << 10;

/// Where a chunk begins on a member.
#[derive(Clone, Copy, Debug)]
struct Place {
    member: usize,
    /// In bytes.
    offset: u64,
}

/// How a chunk's bytes are spread over its places.
#[derive(Clone, Copy, Debug)]
enum Profile {
    /// The same on each of them.
    Copies,
    /// Dealt out to groups of so many places, each of which holds copies.
    Striped { copies: usize },
    /// Dealt out, with so many places of each row, in turn, for parity.
    Parity { parities: usize },
}

#[derive(Debug)]
struct Chunk {
    length: u64,
    profile: Profile,
    places: Vec<Place>,
}

/// All chunks that are known.
#[derive(Debug)]
pub(super) struct Chunks {
    by_start: BTreeMap<u64, Chunk>,
    /// How many more places are kept.
    places_left: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            by_start: BTreeMap::new(),
            places_left: MAX_PLACES,
        }
    }
}

impl Chunks {
    /// Those that the superblock holds, so that the chunk tree can be read.
    ///
    /// # Errors
    /// As [`Chunks::insert`].
    pub(super) fn of_superblock(
        mut packed: &[u8],
        members: &[Member<'_>],
    ) -> Result<Self, Unmapped> {
        let mut chunks = Self::default();
        while !packed.is_empty() {
            let Some((key, rest)) = packed.split_at_checked(KEY_BYTES) else {
                return Err(inconsistent("its system chunks are cut off"));
            };
            let length = FIXED_BYTES + usize::from(le16(rest, 44)) * PLACE_BYTES;
            let Some((item, rest)) = rest.split_at_checked(length) else {
                return Err(inconsistent("its system chunks are cut off"));
            };
            chunks.insert(le64(key, 9), item, members)?;
            packed = rest;
        }
        Ok(chunks)
    }

    /// Adds a chunk item.
    ///
    /// # Errors
    /// [`Unmapped::MissingMember`] if it lies on a device that is not given,
    /// [`Unmapped::Unsupported`] and [`Unmapped::Inconsistent`].
    pub(super) fn insert(
        &mut self,
        start: u64,
        item: &[u8],
        members: &[Member<'_>],
    ) -> Result<(), Unmapped> {
        let nonsense = || inconsistent(&format!("the chunk at {start} makes no sense"));
        if item.len() < FIXED_BYTES + PLACE_BYTES {
            return Err(nonsense());
        }
        let length = le64(item, 0);
        let places = usize::from(le16(item, 44));
        let item_places = item[FIXED_BYTES..].chunks_exact(PLACE_BYTES);
        let (profile, columns) =
            profile(le64(item, 24), places, le16(item, 46))?.ok_or_else(nonsense)?;
        if item_places.len() != places
            || le64(item, 16) != STRIPE_BYTES
            || length == 0
            || start.checked_add(length).is_none()
        {
            return Err(nonsense());
        }
        let bytes_each = match profile {
            Profile::Copies => length,
            _ => length.div_ceil(STRIPE_BYTES * columns) * STRIPE_BYTES,
        };
        let place = |bytes: &[u8]| {
            let (device, offset) = (le64(bytes, 0), le64(bytes, 8));
            let member = members.iter().position(|member| member.device.id == device);
            let member = member.ok_or(Unmapped::MissingMember { what: WHAT })?;
            let end = offset.checked_add(bytes_each);
            if end.is_none_or(|end| end > members[member].device.size_bytes) {
                return Err(nonsense());
            }
            Ok(Place { member, offset })
        };
        let places_count = places;
        let places = item_places.map(place).collect::<Result<_, Unmapped>>()?;
        let overlaps = self.find(start).is_some()
            || self.by_start.range(start..start + length).next().is_some();
        if overlaps {
            return Err(nonsense());
        }
        self.places_left = self
            .places_left
            .checked_sub(places_count)
            .filter(|_| self.by_start.len() < MAX_CHUNKS)
            .ok_or_else(|| inconsistent("it has more chunks than anybody needs"))?;
        let chunk = Chunk {
            length,
            profile,
            places,
        };
        self.by_start.insert(start, chunk);
        Ok(())
    }

    /// Where a block can be read: the member and the offset of each copy. None if it lies in no
    /// chunk, or not within one stripe.
    pub(super) fn copies(&self, block: Range<u64>) -> Vec<(usize, u64)> {
        let Some((start, chunk)) = self.find(block.start) else {
            return Vec::new();
        };
        if block.end > start + chunk.length {
            return Vec::new();
        }
        let at = block.start - start;
        let within = at % STRIPE_BYTES;
        let places = match chunk.profile {
            Profile::Copies => return chunk.places.iter().map(|place| place.at(at)).collect(),
            _ if within + (block.end - block.start) > STRIPE_BYTES => return Vec::new(),
            Profile::Striped { copies } => {
                let columns = chunk.columns();
                let (row, column) = (at / STRIPE_BYTES / columns, at / STRIPE_BYTES % columns);
                let first = to_usize(column) * copies;
                let places = chunk.places.iter().skip(first).take(copies);
                (row, places.collect::<Vec<_>>())
            }
            Profile::Parity { .. } => {
                let columns = chunk.columns();
                let (row, column) = (at / STRIPE_BYTES / columns, at / STRIPE_BYTES % columns);
                // Each row begins one place further.
                let number = (row + column) % chunk.places.len() as u64;
                (
                    row,
                    chunk.places.get(to_usize(number)).into_iter().collect(),
                )
            }
        };
        let (row, places) = places;
        let offset = row * STRIPE_BYTES + within;
        places.into_iter().map(|place| place.at(offset)).collect()
    }

    /// Tells `each` the member and the range there for everything that holds bytes of `range`: all
    /// copies, and with parity the whole of each row, because parity is made of the whole row. Every
    /// place takes one of the steps that are left.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if a part of it lies in no chunk, or no step is left.
    pub(super) fn on_members(
        &self,
        range: Range<u64>,
        steps_left: &mut u64,
        each: &mut dyn FnMut(usize, Range<u64>),
    ) -> Result<(), Unmapped> {
        let mut at = range.start;
        while at < range.end {
            let Some((start, chunk)) = self.find(at) else {
                return Err(inconsistent(&format!("what lies at {at} is in no chunk")));
            };
            let end = range.end.min(start + chunk.length);
            *steps_left = steps_left
                .checked_sub(chunk.places.len() as u64)
                .ok_or_else(|| inconsistent("its extents and logs name more than there is"))?;
            chunk.on_members(at - start..end - start, each);
            at = end;
        }
        Ok(())
    }

    fn find(&self, logical: u64) -> Option<(u64, &Chunk)> {
        let (start, chunk) = self.by_start.range(..=logical).next_back()?;
        (logical - start < chunk.length).then_some((*start, chunk))
    }
}

impl Chunk {
    /// Over how many places different bytes of a row are spread.
    fn columns(&self) -> u64 {
        let columns = match self.profile {
            Profile::Copies => 1,
            Profile::Striped { copies } => self.places.len() / copies,
            Profile::Parity { parities } => self.places.len() - parities,
        };
        columns as u64
    }

    fn on_members(&self, range: Range<u64>, each: &mut dyn FnMut(usize, Range<u64>)) {
        let row_bytes = STRIPE_BYTES * self.columns();
        for (number, place) in (0_u64..).zip(&self.places) {
            let (start, end) = match self.profile {
                Profile::Copies => (range.start, range.end),
                Profile::Striped { copies } => {
                    // What a column holds of everything before an address: whole rows, and a part
                    // of one.
                    let column_start = number / copies as u64 * STRIPE_BYTES;
                    let before = |at: u64| {
                        let of_last = (at % row_bytes).saturating_sub(column_start);
                        at / row_bytes * STRIPE_BYTES + of_last.min(STRIPE_BYTES)
                    };
                    (before(range.start), before(range.end))
                }
                Profile::Parity { .. } => (
                    range.start / row_bytes * STRIPE_BYTES,
                    range.end.div_ceil(row_bytes) * STRIPE_BYTES,
                ),
            };
            if start < end {
                each(place.member, place.offset + start..place.offset + end);
            }
        }
    }
}

impl Place {
    fn at(self, distance: u64) -> (usize, u64) {
        (self.member, self.offset + distance)
    }
}

/// The profile that the type of a chunk stands for, with the number of its columns; nothing if it
/// does not go with the number of places.
fn profile(kind: u64, places: usize, copies: u16) -> Result<Option<(Profile, u64)>, Unmapped> {
    let copied = |wanted: usize| (places == wanted).then_some((Profile::Copies, 1));
    let parity = |parities: usize| {
        let columns = places.checked_sub(parities).filter(|columns| *columns > 0);
        columns.map(|columns| (Profile::Parity { parities }, columns as u64))
    };
    let striped = |copies: usize| {
        let is_whole = places > 0 && places.is_multiple_of(copies);
        is_whole.then(|| (Profile::Striped { copies }, (places / copies) as u64))
    };
    Ok(match kind & !CONTENT_BITS {
        0 => copied(1),
        DUP | RAID1 => copied(2),
        RAID1C3 => copied(3),
        RAID1C4 => copied(4),
        RAID0 => striped(1),
        RAID10 if copies == 2 => striped(2),
        RAID10 => None,
        RAID5 => parity(1),
        RAID6 => parity(2),
        unknown => return Err(unsupported(format!("chunks of type {unknown:#x}"))),
    })
}
