//! Bytes of disks in another order: a partition, an array, a logical volume. What is in use of a view
//! is told in terms of the disks below it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rehost_volumes::{VolumeError, to_usize};

use crate::{Medium, Unmapped};

/// Most pieces that one view may consist of. Only thin volumes have many; theirs take 64 bytes each.
const MAX_SEGMENTS: usize = 4 << 20;
/// Most members that one piece may be spread over or repeated on.
const MAX_PLACES: usize = 4096;

/// Where a piece begins on a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The member, by its position in the list that was given.
    pub(crate) member: usize,
    /// In bytes.
    pub(crate) offset: u64,
}

/// How the bytes of a piece lie on members.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// On one member, or the same on each of several. The first is read; all are in use.
    Copies(Vec<Place>),
    /// Dealt out to all in turn, in stripes of this size; the piece is a multiple of all of them
    /// together.
    Stripes {
        /// In bytes.
        stripe_bytes: u64,
        /// Where each member's part begins, in the order of dealing.
        columns: Vec<Place>,
    },
    /// Nowhere: it reads as zeros.
    Nowhere,
}

/// A piece of a view.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// In bytes; more than zero.
    pub(crate) length: u64,
    /// Where it lies.
    pub(crate) layout: Layout,
}

/// A disk, or what was made of disks.
#[derive(Debug)]
pub(crate) struct View<'a> {
    size_bytes: u64,
    base: Base<'a>,
}

#[derive(Debug)]
enum Base<'a> {
    Disk {
        number: usize,
        medium: &'a dyn Medium,
    },
    Composed {
        /// Shared by all that is made of them.
        members: Arc<[Arc<View<'a>>]>,
        /// With the offset in the view at which each begins.
        segments: Vec<(u64, Segment)>,
    },
}

impl<'a> View<'a> {
    /// A disk as it is.
    pub(crate) fn disk(number: usize, medium: &'a dyn Medium) -> Arc<Self> {
        Arc::new(Self {
            size_bytes: medium.size_bytes(),
            base: Base::Disk { number, medium },
        })
    }

    /// A part of a view, which lies within it.
    pub(crate) fn part(whole: &Arc<Self>, range: &Range<u64>) -> Arc<Self> {
        let place = Place {
            member: 0,
            offset: range.start,
        };
        let length = range.end.min(whole.size_bytes).saturating_sub(range.start);
        let segment = Segment {
            length,
            layout: Layout::Copies(vec![place]),
        };
        Arc::new(Self {
            size_bytes: length,
            base: Base::Composed {
                members: Arc::new([Arc::clone(whole)]),
                segments: vec![(0, segment)],
            },
        })
    }

    /// One piece after the other.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if a piece does not lie within its members, or if there are more
    /// than anybody needs.
    pub(crate) fn composed(
        members: &Arc<[Arc<Self>]>,
        pieces: Vec<Segment>,
    ) -> Result<Arc<Self>, Unmapped> {
        let nonsense = |detail: String| Unmapped::Inconsistent {
            what: "volume manager",
            detail,
        };
        if pieces.len() > MAX_SEGMENTS {
            return Err(nonsense(format!("a volume has {} pieces", pieces.len())));
        }
        let mut size_bytes = 0_u64;
        let mut segments = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let end = size_bytes.checked_add(piece.length);
            let end = end.filter(|_| piece.fits(members)).ok_or_else(|| {
                nonsense(format!(
                    "a volume's piece at {size_bytes} is not within its members"
                ))
            })?;
            segments.push((size_bytes, piece));
            size_bytes = end;
        }
        Ok(Arc::new(Self {
            size_bytes,
            base: Base::Composed {
                members: Arc::clone(members),
                segments,
            },
        }))
    }

    /// Tells `each` the number of the disk and the range there, for every place that holds bytes of
    /// `range`. Every piece on the way takes one of the steps that are left; it ends when there is
    /// none, because pieces of pieces that all name the same bytes would have no end.
    pub(crate) fn on_disks(
        &self,
        range: Range<u64>,
        steps_left: &mut u64,
        each: &mut dyn FnMut(usize, Range<u64>),
    ) {
        let (members, segments) = match &self.base {
            Base::Disk { number, .. } => return each(*number, range),
            Base::Composed { members, segments } => (members, segments),
        };
        for (start, segment) in overlapping(segments, &range) {
            let within =
                range.start.saturating_sub(*start)..(range.end - start).min(segment.length);
            *steps_left = steps_left.saturating_sub(1);
            segment.on_members(within, &mut |place, length| {
                *steps_left = steps_left.saturating_sub(1);
                if let Some(member) = members.get(place.member)
                    && *steps_left > 0
                {
                    member.on_disks(place.offset..place.offset + length, steps_left, each);
                }
            });
            if *steps_left == 0 {
                return;
            }
        }
    }
}

impl Medium for View<'_> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let (members, segments) = match &self.base {
            Base::Disk { medium, .. } => return medium.read_at(buffer, offset),
            Base::Composed { members, segments } => (members, segments),
        };
        let length = buffer.len() as u64;
        let end = offset.checked_add(length);
        let Some(end) = end.filter(|end| *end <= self.size_bytes) else {
            return Err(VolumeError::OutOfRange {
                path: Path::new("partition or logical volume").into(),
                offset,
                length,
                size_bytes: self.size_bytes,
            });
        };
        let mut rest = buffer;
        let mut at = offset;
        for (start, segment) in overlapping(segments, &(offset..end)) {
            while !rest.is_empty() && at < start + segment.length {
                let (place, together) = segment.find(at - start);
                let (part, left) = rest.split_at_mut(to_usize(together).min(rest.len()));
                match place.and_then(|place| Some((place, members.get(place.member)?))) {
                    Some((place, member)) => member.read_at(part, place.offset)?,
                    None => part.fill(0),
                }
                at += part.len() as u64;
                rest = left;
            }
        }
        Ok(())
    }
}

/// The segments that `range` touches.
fn overlapping<'s>(
    segments: &'s [(u64, Segment)],
    range: &Range<u64>,
) -> impl Iterator<Item = &'s (u64, Segment)> {
    let first = segments.partition_point(|(start, segment)| start + segment.length <= range.start);
    let end = range.end;
    segments
        .iter()
        .skip(first)
        .take_while(move |(start, _)| *start < end)
}

impl Segment {
    /// Whether all of it lies within the members, so that no later sum can overflow.
    fn fits(&self, members: &[Arc<View<'_>>]) -> bool {
        let lies = |place: &Place, length: u64| {
            let end = place.offset.checked_add(length);
            let member = members.get(place.member);
            member.is_some_and(|member| end.is_some_and(|end| end <= member.size_bytes))
        };
        self.length > 0
            && match &self.layout {
                Layout::Copies(places) => {
                    (1..=MAX_PLACES).contains(&places.len())
                        && places.iter().all(|place| lies(place, self.length))
                }
                Layout::Stripes {
                    stripe_bytes,
                    columns,
                } => {
                    let row_bytes = stripe_bytes.checked_mul(columns.len() as u64);
                    columns.len() <= MAX_PLACES
                        && row_bytes.is_some_and(|row| row > 0 && self.length.is_multiple_of(row))
                        && columns
                            .iter()
                            .all(|place| lies(place, self.length / columns.len() as u64))
                }
                Layout::Nowhere => true,
            }
    }

    /// Where the byte at `at` is read, if anywhere, and how many bytes lie there together.
    fn find(&self, at: u64) -> (Option<Place>, u64) {
        let left = self.length - at;
        match &self.layout {
            Layout::Copies(places) => (places.first().map(|place| place.shifted(at)), left),
            Layout::Stripes {
                stripe_bytes,
                columns,
            } => {
                let stripe = at / stripe_bytes;
                let within = at % stripe_bytes;
                let count = columns.len() as u64;
                let column = columns.get(to_usize(stripe % count));
                let place =
                    column.map(|column| column.shifted(stripe / count * stripe_bytes + within));
                (place, left.min(stripe_bytes - within))
            }
            Layout::Nowhere => (None, left),
        }
    }

    /// Tells `each` where a range of the segment lies, and its length there.
    fn on_members(&self, range: Range<u64>, each: &mut dyn FnMut(Place, u64)) {
        match &self.layout {
            Layout::Copies(places) => {
                for place in places {
                    each(place.shifted(range.start), range.end - range.start);
                }
            }
            Layout::Stripes {
                stripe_bytes,
                columns,
            } => {
                let row_bytes = stripe_bytes * columns.len() as u64;
                for (place, number) in columns.iter().zip(0_u64..) {
                    // What a column holds of everything before `end`: whole rows, and a part of one.
                    let before = |end: u64| {
                        let of_last = (end % row_bytes).saturating_sub(number * stripe_bytes);
                        end / row_bytes * stripe_bytes + of_last.min(*stripe_bytes)
                    };
                    let (start, end) = (before(range.start), before(range.end));
                    if start < end {
                        each(place.shifted(start), end - start);
                    }
                }
            }
            Layout::Nowhere => {}
        }
    }
}

impl Place {
    fn shifted(self, by: u64) -> Self {
        Self {
            member: self.member,
            offset: self.offset + by,
        }
    }
}

#[cfg(test)]
mod tests;
