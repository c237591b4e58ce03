//! What a volume manager, LVM or md, makes of its members: the form in which its reader reports.

use crate::view::{Layout, Segment};
use crate::{Extents, Unmapped};

/// What was found out about all media that carry the signature of one volume manager.
#[derive(Debug)]
pub(crate) struct Assembled {
    /// For each of the media, in the order given: what of it the manager itself uses (labels,
    /// metadata, bitmaps, and whatever lies outside of what it hands out), or why it is unknown.
    /// A medium that is not understood is copied as a whole, also if volumes lie on it.
    pub(crate) own: Vec<Result<Extents, Unmapped>>,
    /// What is made of them. Volumes may overlap; what belongs to none is not in use.
    pub(crate) volumes: Vec<LogicalVolume>,
}

/// A volume or array.
#[derive(Debug)]
pub(crate) struct LogicalVolume {
    /// As people know it: `group/volume`, `md0`.
    pub(crate) name: String,
    /// Where it lies; members are counted as the media were given.
    pub(crate) segments: Vec<Segment>,
    /// Why its content cannot be read by way of the segments, if it cannot. They then need not be in
    /// the order of the volume: everything that they name is copied.
    pub(crate) opaque: Option<Unmapped>,
}

impl LogicalVolume {
    /// The members that it lies on, each as often as it is named.
    pub(crate) fn members(&self) -> impl Iterator<Item = usize> {
        self.segments.iter().flat_map(|segment| {
            let places = match &segment.layout {
                Layout::Copies(places) => places.as_slice(),
                Layout::Stripes { columns, .. } => columns.as_slice(),
                Layout::Nowhere => &[],
            };
            places.iter().map(|place| place.member)
        })
    }
}
