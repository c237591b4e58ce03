//! Thin pools and the thin volumes on them.
//!
//! A thin volume is looked into like any other: its chunks lie in the pool's data volume where the
//! pool's metadata says, and elsewhere it reads as zeros. Whatever of the pool is allocated and belongs
//! to no volume that is looked into is copied as it is; if the metadata cannot be read, all of the pool.

mod metadata;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::{Group, ThinPool, ThinVolume};
use super::{WHAT, inconsistent};
use crate::view::{Layout, Place, Segment, View};
use crate::volume_manager::LogicalVolume;
use crate::{Extents, Unmapped};
use metadata::{Pool, Run};

/// Pieces of thin volumes that are kept, of all pools together. A piece takes some 100 bytes in all
/// the forms that it has until its disk is mapped.
pub(super) const MAX_PIECES: usize = 1 << 20;

/// The thin volumes of a group, by their pools and their numbers there.
type Known<'g> = BTreeMap<(&'g str, u64), Vec<ThinVolume>>;

/// What the thin pools of a group hold. `place_of` gives the position of the physical volume with an
/// identity. Pools for which not enough pieces are left count as used as a whole.
pub(super) fn volumes(
    group: &Group,
    members: &Arc<[Arc<View<'_>>]>,
    place_of: &dyn Fn(&str) -> Option<usize>,
    pieces_left: &mut usize,
) -> Vec<LogicalVolume> {
    let known = group.thin_volumes();
    let mut volumes = Vec::new();
    for pool in group.pools() {
        let mut data = group.plain(pool.data, place_of);
        let taken_apart = match data.opaque.take() {
            None => {
                let metadata = group.plain(pool.metadata, place_of);
                take_apart(&known, &pool, &data, metadata, members, pieces_left)
            }
            Some(reason) => Err(reason),
        };
        match taken_apart {
            Ok(found) => volumes.extend(found),
            Err(reason) => {
                data.opaque = Some(reason);
                volumes.push(data);
            }
        }
    }
    volumes
}

fn take_apart(
    known: &Known<'_>,
    pool: &ThinPool<'_>,
    data: &LogicalVolume,
    metadata: LogicalVolume,
    members: &Arc<[Arc<View<'_>>]>,
    pieces_left: &mut usize,
) -> Result<Vec<LogicalVolume>, Unmapped> {
    if let Some(reason) = metadata.opaque {
        return Err(reason);
    }
    let data = Data::new(&data.segments)?;
    let metadata = View::composed(members, metadata.segments)?;
    let metadata = Pool::read(&*metadata, data.size_bytes)?;
    let mut rest = metadata.allocated()?;

    let mut volumes = Vec::new();
    // What is too fragmented, or has older mappings beside, is not looked into.
    let mapped = if metadata.has_snapshot {
        Vec::new()
    } else {
        metadata.volumes(pieces_left).unwrap_or_default()
    };
    let mut looked_into = Vec::new();
    let mut others = Vec::new();
    for (number, runs) in mapped {
        let volume = match known.get(&(pool.name, number)).map(Vec::as_slice) {
            Some([volume]) if volume.is_plain => Some(volume),
            _ => None,
        };
        let chunks = if volume.is_some() {
            &mut looked_into
        } else {
            &mut others
        };
        for run in &runs {
            let start = run.chunk * metadata.chunk_bytes;
            chunks.push(start..start + run.length * metadata.chunk_bytes);
        }
        if let Some(volume) = volume {
            volumes.push(LogicalVolume {
                name: volume.name.clone(),
                segments: data.of_volume(
                    &runs,
                    metadata.chunk_bytes,
                    volume.length,
                    pieces_left,
                )?,
                opaque: None,
            });
        }
    }
    rest = rest
        .without(&Extents::from_unordered(looked_into))
        .union(&Extents::from_unordered(others));
    let mut segments = Vec::new();
    for range in rest.iter() {
        let length = range.end - range.start;
        data.append(range.start, length, &mut segments, pieces_left)?;
    }
    if !segments.is_empty() {
        volumes.push(LogicalVolume {
            name: pool.title.clone(),
            segments,
            opaque: Some(Unmapped::Unsupported {
                what: WHAT,
                feature: "thin volumes that cannot be looked into".to_owned(),
            }),
        });
    }
    Ok(volumes)
}

/// The data volume of a pool: where its bytes lie.
struct Data {
    size_bytes: u64,
    /// Where each piece begins in the volume, its length, and its place.
    pieces: Vec<(u64, u64, Place)>,
}

impl Data {
    /// Pools on striped volumes are not taken apart.
    fn new(segments: &[Segment]) -> Result<Self, Unmapped> {
        let mut size_bytes = 0_u64;
        let mut pieces = Vec::new();
        for segment in segments {
            let Layout::Copies(places) = &segment.layout else {
                return Err(Unmapped::Unsupported {
                    what: WHAT,
                    feature: "a thin pool on a striped volume".to_owned(),
                });
            };
            let place = places
                .first()
                .ok_or_else(|| inconsistent("a pool lies nowhere"))?;
            pieces.push((size_bytes, segment.length, *place));
            size_bytes = size_bytes
                .checked_add(segment.length)
                .ok_or_else(|| inconsistent("a volume has no valid size"))?;
        }
        Ok(Self { size_bytes, pieces })
    }

    /// The segments of a thin volume of this length, in its order.
    fn of_volume(
        &self,
        runs: &[Run],
        chunk_bytes: u64,
        length: u64,
        pieces_left: &mut usize,
    ) -> Result<Vec<Segment>, Unmapped> {
        let mut segments = Vec::new();
        let mut at = 0;
        for run in runs {
            let start = run.first.saturating_mul(chunk_bytes).min(length);
            let end = run
                .first
                .saturating_add(run.length)
                .saturating_mul(chunk_bytes)
                .min(length);
            nowhere(start - at, &mut segments);
            let from = run.chunk * chunk_bytes;
            self.append(from, end - start, &mut segments, pieces_left)?;
            at = end;
        }
        nowhere(length - at, &mut segments);
        Ok(segments)
    }

    /// Appends the places of a range of the data volume.
    fn append(
        &self,
        start: u64,
        length: u64,
        to: &mut Vec<Segment>,
        pieces_left: &mut usize,
    ) -> Result<(), Unmapped> {
        let end = start.saturating_add(length);
        if end > self.size_bytes {
            return Err(inconsistent("a thin volume reaches beyond its pool"));
        }
        let first = self
            .pieces
            .partition_point(|(at, length, _)| at + length <= start);
        for (at, length, place) in self
            .pieces
            .iter()
            .skip(first)
            .take_while(|(at, ..)| *at < end)
        {
            let here = start.max(*at)..end.min(at + length);
            if !here.is_empty() {
                *pieces_left = pieces_left.checked_sub(1).ok_or_else(too_fragmented)?;
                to.push(Segment {
                    length: here.end - here.start,
                    layout: Layout::Copies(vec![Place {
                        offset: place.offset + (here.start - at),
                        ..*place
                    }]),
                });
            }
        }
        Ok(())
    }
}

fn too_fragmented() -> Unmapped {
    inconsistent("a thin pool is too fragmented to be looked into")
}

fn nowhere(length: u64, to: &mut Vec<Segment>) {
    if length > 0 {
        to.push(Segment {
            length,
            layout: Layout::Nowhere,
        });
    }
}
