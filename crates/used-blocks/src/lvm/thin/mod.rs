//! Thin pools and the thin volumes on them.
//!
//! A thin volume is looked into like any other: its chunks lie in the pool's data volume where the
//! pool's metadata says, and elsewhere it reads as zeros. Whatever of the pool is allocated and belongs
//! to no volume that is looked into is copied as it is; if the metadata cannot be read, all of the pool.

mod metadata;

use std::sync::Arc;

use super::group::{Group, ThinPool};
use super::{WHAT, inconsistent};
use crate::view::{Layout, Place, Segment, View};
use crate::volume_manager::LogicalVolume;
use crate::{Extents, Medium, Unmapped};
use metadata::{Pool, Run};

/// What the thin pools of a group hold. `place_of` gives the position of the physical volume with an
/// identity.
pub(super) fn volumes(
    group: &Group,
    members: &[&dyn Medium],
    place_of: &dyn Fn(&str) -> Option<usize>,
) -> Vec<LogicalVolume> {
    let disks = members.iter().zip(0..);
    let views: Vec<_> = disks
        .map(|(member, number)| View::disk(number, *member))
        .collect();
    let mut volumes = Vec::new();
    for pool in group.pools() {
        let mut data = group.plain(pool.data, place_of);
        let taken_apart = match data.opaque.take() {
            None => take_apart(group, &pool, &data, &views, place_of),
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
    group: &Group,
    pool: &ThinPool<'_>,
    data: &LogicalVolume,
    views: &[Arc<View<'_>>],
    place_of: &dyn Fn(&str) -> Option<usize>,
) -> Result<Vec<LogicalVolume>, Unmapped> {
    let metadata = group.plain(pool.metadata, place_of);
    if let Some(reason) = metadata.opaque {
        return Err(reason);
    }
    let data = Data::new(&data.segments)?;
    let metadata = View::composed(views, metadata.segments)?;
    let metadata = Pool::read(&*metadata, data.size_bytes)?;
    let mut rest = metadata.allocated()?;

    let known = group.thin_volumes(pool.name);
    let mut volumes = Vec::new();
    // What is too fragmented, or has older mappings beside, is not looked into.
    let mapped = if metadata.has_snapshot {
        Vec::new()
    } else {
        metadata.volumes().unwrap_or_default()
    };
    let mut looked_into = Vec::new();
    let mut others = Vec::new();
    for (number, runs) in mapped {
        let mut with_number = known.iter().filter(|volume| volume.number == number);
        let volume = with_number.next().filter(|_| with_number.next().is_none());
        let volume = volume.filter(|volume| volume.is_plain);
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
                segments: data.of_volume(&runs, metadata.chunk_bytes, volume.length)?,
                opaque: None,
            });
        }
    }
    rest = rest
        .without(&Extents::from_unordered(looked_into))
        .union(&Extents::from_unordered(others));
    let mut segments = Vec::new();
    for range in rest.iter() {
        data.append(range.start, range.end - range.start, &mut segments)?;
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
            self.append(run.chunk * chunk_bytes, end - start, &mut segments)?;
            at = end;
        }
        nowhere(length - at, &mut segments);
        Ok(segments)
    }

    /// Appends the places of a range of the data volume.
    fn append(&self, start: u64, length: u64, to: &mut Vec<Segment>) -> Result<(), Unmapped> {
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

fn nowhere(length: u64, to: &mut Vec<Segment>) {
    if length > 0 {
        to.push(Segment {
            length,
            layout: Layout::Nowhere,
        });
    }
}
