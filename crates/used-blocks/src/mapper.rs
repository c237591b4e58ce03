//! Takes disks apart: partition tables, volume managers and file systems, each by its reader, until
//! nothing is left to be looked at.
//!
//! Media are looked at in rounds. What stands alone is mapped at once. Members of arrays and of volume
//! groups wait until all media known so far have been looked at, because only together they make
//! sense; what is made of them is looked at in the next round. Members of btrfs wait to the very end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::collector::Collector;
use crate::partitions::PartitionTable;
use crate::reader::Used;
use crate::view::View;
use crate::volume_manager::Assembled;
use crate::{
    DiskMap, Extents, GivenUp, Medium, Region, RegionMap, Unmapped, btrfs, exfat, ext, fat, lvm,
    md, ntfs, partitions, signature, swap, xfs,
};

/// Deeper than arrays in volumes in arrays nobody builds.
const MAX_ROUNDS: usize = 8;
/// Partitions and volumes of all disks together.
const MAX_MEDIA: usize = 16 << 10;

/// Pieces of volumes that are followed to their disks, for all disks together; each takes some tens of
/// nanoseconds.
const MAX_STEPS: u64 = 256 << 20;

/// The first and the last bytes of every file system's region are used, whatever the file system
/// says: boot loaders lie in the first sectors, superblocks of arrays and of other managers within
/// the last 128 KiB.
const EDGE_BYTES: Range<u64> = 64 << 10..128 << 10;

/// Something to look into.
#[derive(Clone, Debug)]
struct Found<'a> {
    view: Arc<View<'a>>,
    volume: Option<String>,
    /// Whether it may hold a partition table: not if it is a partition itself.
    is_partition: bool,
}

/// The work and its results.
#[derive(Debug)]
pub(crate) struct Mapper<'a> {
    disks: Vec<Found<'a>>,
    used: Vec<Collector>,
    regions: Vec<Vec<RegionMap>>,
    /// To be looked at in this round.
    pending: Vec<Found<'a>>,
    /// How many media there were.
    media: usize,
    /// Pieces that may still be followed.
    steps_left: u64,
    md: Vec<Found<'a>>,
    lvm: Vec<Found<'a>>,
    btrfs: Vec<Found<'a>>,
}

impl<'a> Mapper<'a> {
    /// Begins with disks.
    pub(crate) fn new(disks: &[&'a dyn Medium]) -> Self {
        let found = |(number, disk): (usize, &&'a dyn Medium)| Found {
            view: View::disk(number, *disk),
            volume: None,
            is_partition: false,
        };
        let disks: Vec<Found<'a>> = disks.iter().enumerate().map(found).collect();
        Self {
            used: disks.iter().map(|_| Collector::default()).collect(),
            regions: disks.iter().map(|_| Vec::new()).collect(),
            pending: disks.clone(),
            media: disks.len(),
            disks,
            steps_left: MAX_STEPS,
            md: Vec::new(),
            lvm: Vec::new(),
            btrfs: Vec::new(),
        }
    }

    /// Maps everything.
    pub(crate) fn run(mut self) -> Vec<DiskMap> {
        for _ in 0..MAX_ROUNDS {
            while let Some(found) = self.pending.pop() {
                self.look_at(found);
            }
            if !self.md.is_empty() {
                let members = std::mem::take(&mut self.md);
                self.take_apart(Region::Md, &members);
            } else if !self.lvm.is_empty() {
                let members = std::mem::take(&mut self.lvm);
                self.take_apart(Region::Lvm, &members);
            } else {
                break;
            }
        }
        let too_deep = Arc::new(Unmapped::Inconsistent {
            what: "volume manager",
            detail: "volumes lie in volumes without end".to_owned(),
        });
        let left = [
            (Region::Unknown, std::mem::take(&mut self.pending)),
            (Region::Md, std::mem::take(&mut self.md)),
            (Region::Lvm, std::mem::take(&mut self.lvm)),
        ];
        for (content, media) in left {
            for found in media {
                self.whole(&found, content, &too_deep);
            }
        }
        let members = std::mem::take(&mut self.btrfs);
        self.map_btrfs(members);
        if self.steps_left == 0 {
            self.give_up();
        }

        let results = self.used.into_iter().zip(self.regions);
        results
            .map(|(used, mut regions)| {
                regions.sort_by_key(|region| (region.range.start, u64::MAX - region.range.end));
                let used = used.finish();
                DiskMap { used, regions }
            })
            .collect()
    }

    /// Counts all disks as used.
    fn give_up(&mut self) {
        let reason = Arc::new(Unmapped::Inconsistent {
            what: "volume manager",
            detail: "volumes consist of more pieces than anybody needs".to_owned(),
        });
        self.steps_left = MAX_STEPS;
        for disk in self.disks.clone() {
            self.whole(&disk, Region::Unknown, &reason);
        }
    }

    /// Finds out what a medium holds, and maps it if it stands alone.
    ///
    /// Members of arrays come before partition tables: one that shows through from the array lies on
    /// the array. A table and a file system in the same place contradict each other.
    fn look_at(&mut self, found: Found<'a>) {
        let content = signature::identify(&*found.view);
        if found.is_partition || matches!(content, Ok(Some(Region::Md))) {
            return match content {
                Ok(content) => self.map(found, content),
                Err(reason) => self.whole(&found, Region::Unknown, &Arc::new(reason)),
            };
        }
        match (partitions::read_table(&*found.view), content) {
            (Ok(None), Ok(content)) => self.map(found, content),
            (Ok(Some(table)), Ok(None)) => self.partition(&found, &table),
            (Ok(Some(_)), Ok(Some(content))) => {
                let reason = Unmapped::Inconsistent {
                    what: "disk",
                    detail: format!("it carries both a partition table and the marks of {content}"),
                };
                self.whole(&found, Region::Unknown, &Arc::new(reason));
            }
            (Err(reason), _) => self.whole(&found, Region::PartitionTable, &Arc::new(reason)),
            (_, Err(reason)) => self.whole(&found, Region::Unknown, &Arc::new(reason)),
        }
    }

    /// Takes over a partition table: all that is not in a partition is used.
    fn partition(&mut self, found: &Found<'a>, table: &PartitionTable) {
        let part = |range: Range<u64>| Found {
            view: View::part(&found.view, &range),
            volume: found.volume.clone(),
            is_partition: true,
        };
        self.add(found, &table.own);
        self.note(found, Region::PartitionTable, Noted::Mapped);
        let ranges = table.partitions.iter().map(|one| one.range.clone());
        let claimed = table.own.union(&Extents::from_unordered(ranges.collect()));
        for gap in claimed.gaps(0..found.view.size_bytes()).iter() {
            let gap = part(gap);
            self.add(&gap, &Extents::whole(0..gap.view.size_bytes()));
            self.note(&gap, Region::Gap, Noted::Mapped);
        }
        for partition in &table.partitions {
            let one = part(partition.range.clone());
            if partition.is_opaque {
                self.map(one, None);
            } else {
                self.enqueue(one);
            }
        }
    }

    fn map(&mut self, found: Found<'a>, content: Option<Region>) {
        let Some(content) = content else {
            return self.whole(&found, Region::Unknown, &Arc::new(Unmapped::Unknown));
        };
        match content {
            Region::Md => self.md.push(found),
            Region::Lvm => self.lvm.push(found),
            Region::Btrfs => self.btrfs.push(found),
            _ => {
                let used = read_alone(content, &*found.view);
                self.file_system(&found, content, used);
            }
        }
    }

    /// Takes over the map of a file system.
    fn file_system(&mut self, found: &Found<'a>, content: Region, used: Result<Used, Unmapped>) {
        match used {
            Ok(used) => {
                let size_bytes = found.view.size_bytes();
                self.add(found, &used.extents);
                self.add(found, &Extents::whole(0..size_bytes.min(EDGE_BYTES.start)));
                let end = size_bytes.saturating_sub(EDGE_BYTES.end)..size_bytes;
                self.add(found, &Extents::whole(end));
                let given_up = used.given_up;
                let noted = Noted::FileSystem {
                    is_settled: used.is_settled,
                    given_up: (given_up.groups > 0).then(|| Arc::new(given_up)),
                };
                self.note(found, content, noted);
            }
            Err(reason) => self.whole(found, content, &Arc::new(reason)),
        }
    }

    /// Makes volumes of the members of a volume manager.
    fn take_apart(&mut self, manager: Region, members: &[Found<'a>]) {
        let views: Arc<[Arc<View<'a>>]> = members
            .iter()
            .map(|found| Arc::clone(&found.view))
            .collect();
        let media: Vec<&dyn Medium> = views.iter().map(|view| &**view as &dyn Medium).collect();
        let Some(Assembled { own, volumes }) = assemble(manager, &media) else {
            for found in members {
                self.whole(found, manager, &Arc::new(Unmapped::Unknown));
            }
            return;
        };
        for (found, own) in members.iter().zip(own) {
            match own {
                Ok(own) => {
                    self.add(found, &own);
                    self.note(found, manager, Noted::Mapped);
                }
                Err(reason) => self.whole(found, manager, &Arc::new(reason)),
            }
        }
        for volume in volumes {
            let touched: BTreeSet<usize> = volume.members().collect();
            let opaque = volume.opaque;
            match View::composed(&views, volume.segments) {
                Ok(view) => {
                    let found = Found {
                        view,
                        volume: Some(volume.name),
                        is_partition: false,
                    };
                    match opaque {
                        Some(reason) => self.whole(&found, Region::Unknown, &Arc::new(reason)),
                        None => self.enqueue(found),
                    }
                }
                Err(reason) => {
                    let reason = Arc::new(reason);
                    for found in touched.iter().filter_map(|at| members.get(*at)) {
                        self.whole(found, manager, &reason);
                    }
                }
            }
        }
    }

    fn enqueue(&mut self, found: Found<'a>) {
        self.media += 1;
        if self.media > MAX_MEDIA {
            let reason = Unmapped::Inconsistent {
                what: "volume manager",
                detail: format!("there are more than {MAX_MEDIA} partitions and volumes"),
            };
            return self.whole(&found, Region::Unknown, &Arc::new(reason));
        }
        self.pending.push(found);
    }

    /// Counts all of it as used.
    fn whole(&mut self, found: &Found<'a>, content: Region, reason: &Arc<Unmapped>) {
        self.add(found, &Extents::whole(0..found.view.size_bytes()));
        self.note(found, content, Noted::Whole(Arc::clone(reason)));
    }

    fn add(&mut self, found: &Found<'a>, extents: &Extents) {
        for range in extents.overlapping(0..found.view.size_bytes()) {
            let each = &mut |disk: usize, range: Range<u64>| {
                if let Some(used) = self.used.get_mut(disk) {
                    used.push(range);
                }
            };
            found.view.on_disks(range, &mut self.steps_left, each);
        }
    }

    /// Enters a region with every disk that it lies on.
    fn note(&mut self, found: &Found<'a>, content: Region, noted: Noted) {
        let (is_settled, given_up, whole) = match noted {
            Noted::Mapped => (true, None, None),
            Noted::FileSystem {
                is_settled,
                given_up,
            } => (is_settled, given_up, None),
            Noted::Whole(reason) => (true, None, Some(reason)),
        };
        let mut hulls: Vec<Option<Range<u64>>> = vec![None; self.regions.len()];
        let all = 0..found.view.size_bytes();
        let each = &mut |disk: usize, range: Range<u64>| {
            if let Some(hull) = hulls.get_mut(disk) {
                let known = hull.get_or_insert_with(|| range.clone());
                *known = known.start.min(range.start)..known.end.max(range.end);
            }
        };
        found.view.on_disks(all, &mut self.steps_left, each);
        for (regions, hull) in self.regions.iter_mut().zip(hulls) {
            regions.extend(hull.map(|range| RegionMap {
                range,
                volume: found.volume.clone(),
                content,
                is_settled,
                whole: whole.clone(),
                given_up: given_up.clone(),
            }));
        }
    }

    /// Maps every btrfs together with all its members.
    fn map_btrfs(&mut self, members: Vec<Found<'a>>) {
        let mut groups: BTreeMap<[u8; 16], Vec<Found<'a>>> = BTreeMap::new();
        for found in members {
            match btrfs::identify(&*found.view) {
                Ok(Some(identity)) => groups.entry(identity.fsid).or_default().push(found),
                Ok(None) => self.whole(&found, Region::Btrfs, &Arc::new(Unmapped::Unknown)),
                Err(reason) => self.whole(&found, Region::Btrfs, &Arc::new(reason)),
            }
        }
        for group in groups.into_values() {
            let media: Vec<&dyn Medium> = group.iter().map(|found| &*found.view as _).collect();
            match btrfs::used(&media) {
                Ok(maps) => {
                    for (found, used) in group.iter().zip(maps) {
                        self.file_system(found, Region::Btrfs, Ok(Used::from(used)));
                    }
                }
                Err(reason) => {
                    let reason = Arc::new(reason);
                    for found in &group {
                        self.whole(found, Region::Btrfs, &reason);
                    }
                }
            }
        }
    }
}

/// How a region was mapped.
enum Noted {
    /// All of it.
    Mapped,
    /// By its own map.
    FileSystem {
        is_settled: bool,
        given_up: Option<Arc<GivenUp>>,
    },
    /// Not at all.
    Whole(Arc<Unmapped>),
}

/// The map of a file system that lies on one medium: one arm for each reader.
fn read_alone(content: Region, medium: &dyn Medium) -> Result<Used, Unmapped> {
    match content {
        Region::Ext => ext::used(medium),
        Region::Swap => swap::used(medium).map(Used::from),
        Region::Xfs => xfs::used(medium),
        Region::Fat => fat::used(medium).map(Used::from),
        Region::ExFat => exfat::used(medium).map(Used::from),
        Region::Ntfs => ntfs::used(medium).map(Used::from),
        Region::Foreign(what) => Err(Unmapped::Unsupported {
            what,
            feature: "a layout of its own".to_owned(),
        }),
        _ => Err(Unmapped::Unknown),
    }
}

/// What a volume manager makes of its members: one arm for each.
fn assemble(manager: Region, members: &[&dyn Medium]) -> Option<Assembled> {
    match manager {
        Region::Lvm => Some(lvm::assemble(members)),
        Region::Md => Some(md::assemble(members)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
