//! Which bytes of the source's disks count, and the view of the disks that a round works on.
//!
//! The promise of a copy: *the target equals the source in which unused bytes read as zeros.* The map
//! of what is used is read anew for every round. While file systems are in use it may lag behind
//! them: what was allocated a moment ago may be in a journal only. Nothing rests on such a map: the
//! final round reads it while the file systems are frozen, which writes their journals back, and
//! sends whatever the map says now and did not say before. What is not settled even then (the image
//! of a server that lost power) counts as used as a whole.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use rehost_used_blocks::Extents;
use rehost_used_blocks::{Medium, RegionMap, map_disks};
use rehost_volumes::{MaskedVolume, UsedRanges, Volume, VolumeError, chunk_range};

use super::SourceVolume;

/// What of a disk is in use.
#[derive(Clone, Debug, Default)]
pub struct UsedMap {
    /// Everything that is allocated, in bytes of the disk.
    pub used: Extents,
    /// Parts whose allocation may have changes that are not where maps are read, such as in a journal.
    pub unsettled: Extents,
    /// Why parts count as used as a whole, for people.
    pub notes: Vec<String>,
}

/// Tells what of the disks of a task is in use. Called also while the source is frozen: must not
/// write anything, not even a log.
pub trait UsedBlocks: Debug + Send + Sync {
    /// The maps of the disks, in their order.
    fn read(&self, volumes: &[SourceVolume]) -> Vec<UsedMap>;
}

/// Everything counts: disks are copied byte for byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct WholeDisks;

impl UsedBlocks for WholeDisks {
    fn read(&self, volumes: &[SourceVolume]) -> Vec<UsedMap> {
        let whole = |volume: &SourceVolume| UsedMap {
            used: Extents::whole(0..volume.volume.size_bytes()),
            ..UsedMap::default()
        };
        volumes.iter().map(whole).collect()
    }
}

/// What partition tables, volume managers and file systems say of themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllocationMaps;

impl UsedBlocks for AllocationMaps {
    fn read(&self, volumes: &[SourceVolume]) -> Vec<UsedMap> {
        let disks: Vec<Disk> = volumes.iter().map(|volume| Disk(&*volume.volume)).collect();
        let media: Vec<&dyn Medium> = disks.iter().map(|disk| disk as &dyn Medium).collect();
        let maps = map_disks(&media).into_iter();
        maps.map(|map| {
            let unsettled = map.regions.iter().filter(|region| !region.is_settled);
            let unsettled = unsettled.map(|region| region.range.clone());
            UsedMap {
                notes: map.regions.iter().filter_map(note).collect(),
                unsettled: Extents::from_unordered(unsettled.collect()),
                used: map.used,
            }
        })
        .collect()
    }
}

fn note(region: &RegionMap) -> Option<String> {
    let whole = region.whole.as_ref().map(ToString::to_string);
    let given_up = region.given_up.as_ref();
    let in_part = given_up.map(|groups| format!("{}: {groups}", region.content));
    let why = whole.or(in_part)?;
    let Range { start, end } = region.range;
    Some(format!("bytes {start} to {end}: {why}"))
}

/// A disk as readers of maps take it.
#[derive(Debug)]
struct Disk<'a>(&'a dyn Volume);

impl Medium for Disk<'_> {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        self.0.read_at(buffer, offset)
    }
}

/// Whether anybody may be writing while a map is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// File systems are in use; a final round will follow.
    InUse,
    /// The source is frozen, or nobody uses it: what is not settled will not be.
    AtRest,
}

/// A disk as a round sees it: what is not in use reads as zeros.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Number of the volume within the task.
    pub(super) index: u32,
    pub(super) volume: Arc<MaskedVolume>,
    /// What counts.
    pub(super) used: Extents,
    /// Whether the map may leave something out that is in a journal.
    pub(super) is_settled: bool,
    /// Why parts count as used as a whole.
    pub(super) notes: Vec<String>,
}

impl View {
    /// Views of all disks by the maps of this moment.
    pub(super) fn all(
        volumes: &[SourceVolume],
        maps: &dyn UsedBlocks,
        source: Source,
    ) -> Vec<Self> {
        let maps = maps.read(volumes);
        let views = volumes.iter().zip(maps);
        views
            .map(|(volume, map)| Self::new(volume, &map, source))
            .collect()
    }

    fn new(volume: &SourceVolume, map: &UsedMap, source: Source) -> Self {
        let within = 0..volume.volume.size_bytes();
        let used = match source {
            Source::InUse => map.used.clone(),
            Source::AtRest => map.used.union(&map.unsettled),
        };
        let used: Vec<_> = used
            .overlapping(within)
            .filter(|range| !range.is_empty())
            .collect();
        let used = Extents::from_unordered(used);
        Self {
            index: volume.index,
            volume: Arc::new(MaskedVolume::new(Arc::clone(&volume.volume), used.iter())),
            used,
            is_settled: source == Source::AtRest || map.unsettled.is_empty(),
            notes: map.notes.clone(),
        }
    }

    /// A view in which exactly these bytes count.
    pub(super) fn of(volume: &SourceVolume, used: Extents) -> Self {
        let map = UsedMap {
            used,
            ..UsedMap::default()
        };
        Self::new(volume, &map, Source::AtRest)
    }

    pub(super) fn size_bytes(&self) -> u64 {
        Volume::size_bytes(&*self.volume)
    }

    /// Bytes that count in a range of chunks.
    pub(super) fn used_bytes(&self, chunks: Range<u64>) -> u64 {
        let start = chunk_range(chunks.start, self.size_bytes()).start;
        let end = chunk_range(chunks.end, self.size_bytes()).start;
        let used = self.used.overlapping(start..end);
        used.map(|range| range.end - range.start).sum()
    }

    /// What the proof says of the map.
    pub(super) fn for_proof(&self) -> UsedRanges {
        UsedRanges::new(self.size_bytes(), self.used.iter())
    }
}
