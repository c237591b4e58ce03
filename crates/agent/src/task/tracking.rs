//! Follows the changes of a task's disks, where this machine can: then a round reads what changed,
//! and not everything.
//!
//! Marks are kept in the kernel and outlive the agent, one folder a task; they are removed when the
//! task is over. A tracker that has become void is begun anew before the next round: that one
//! compares everything, and those after it profit again.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rehost_change_tracking::{DEFAULT_ROOT, GRAIN_BYTES, GrainSet, State, Tracker, remove_all};
use rehost_replication::source::{
    ChangeTracker, Extents, Marks, SourceVolume, TrackerError, Tracking, error_chain,
};

use crate::copy_plan::Marked;

/// How long an audit may wait for the disk to come to rest. A gap shows at once, however busy the
/// disk is; rest only confirms that there is none.
const AUDIT_PATIENCE: Duration = Duration::from_millis(200);

/// The tracker of one disk.
#[derive(Debug)]
struct DiskTracker {
    root: PathBuf,
    device: PathBuf,
    tracker: Mutex<Tracker>,
}

/// Has the changes of all disks tracked that can be. Returns which are, and why the others are not.
pub(crate) fn track(
    task_id: &str,
    volumes: &mut [SourceVolume],
    paths: &[PathBuf],
) -> BTreeMap<String, Marked> {
    let root = root(task_id);
    let mut begun = BTreeMap::new();
    for (volume, path) in volumes.iter_mut().zip(paths) {
        if !is_block_device(path) {
            continue;
        }
        let marked = match Tracker::start_or_resume(&root, path) {
            Ok(tracker) => {
                tracing::info!(
                    disk = volume.name,
                    beginning = ?tracker.beginning(),
                    "changes of the disk are tracked"
                );
                volume.tracker = Some(Arc::new(DiskTracker {
                    root: root.clone(),
                    device: path.clone(),
                    tracker: Mutex::new(tracker),
                }));
                Ok(())
            }
            Err(error) => {
                let reason = error_chain(&error);
                tracing::info!(
                    disk = volume.name,
                    reason,
                    "changes of the disk cannot be tracked; rounds compare everything"
                );
                Err(reason)
            }
        };
        begun.insert(volume.name.clone(), marked);
    }
    begun
}

/// Ends the tracking for a task.
pub(crate) fn forget(task_id: &str) {
    let root = root(task_id);
    if root.exists()
        && let Err(error) = remove_all(&root)
    {
        let reason = error_chain(&error);
        tracing::warn!(reason, "the tracking of changed blocks goes on");
    }
}

/// Folder of a task's marks. Ids come from the control plane; a name must stay within the folder.
fn root(task_id: &str) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = task_id.chars().map(safe).collect();
    Path::new(DEFAULT_ROOT).join(name)
}

fn is_block_device(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.file_type().is_block_device())
}

impl DiskTracker {
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeTracker for DiskTracker {
    fn tracking(&self) -> Tracking {
        let tracker = self.tracker();
        // A disk that is busy speaks for nothing and against nothing.
        if let Err(error) = tracker.audit(AUDIT_PATIENCE) {
            return Tracking::Void {
                reason: error_chain(&error),
            };
        }
        match tracker.state() {
            State::Tracking => Tracking::Unbroken {
                stretch: tracker.tracking().to_string(),
            },
            State::Void { reason } => Tracking::Void {
                reason: reason.to_string(),
            },
        }
    }

    fn read(&self) -> Result<Marks, TrackerError> {
        let mut tracker = self.tracker();
        if matches!(tracker.state(), State::Void { .. }) {
            let anew = Tracker::start_anew(&self.root, &self.device);
            *tracker = anew.map_err(|error| TrackerError {
                act: "begin anew",
                source: error.into(),
            })?;
        }
        let marks = tracker.read_marks();
        Ok(Marks {
            written: Extents::from_unordered(marks.written.ranges().collect()),
            discarded: Extents::from_unordered(marks.discarded.ranges().collect()),
        })
    }

    fn clear(&self, marks: &Marks) -> Result<(), TrackerError> {
        let tracker = self.tracker();
        let size_bytes = tracker.disk().size_bytes;
        tracker.clear(&rehost_change_tracking::Marks {
            written: grains(&marks.written, size_bytes),
            discarded: grains(&marks.discarded, size_bytes),
        });
        Ok(())
    }
}

/// The grains that lie in the ranges as a whole; the last one of a disk may be short.
fn grains(ranges: &Extents, size_bytes: u64) -> GrainSet {
    let count = usize::try_from(size_bytes.div_ceil(GRAIN_BYTES).div_ceil(64)).unwrap_or(0);
    let mut words = vec![0_u64; count];
    for range in ranges.iter() {
        let end = if range.end >= size_bytes {
            size_bytes.div_ceil(GRAIN_BYTES)
        } else {
            range.end / GRAIN_BYTES
        };
        for grain in range.start.div_ceil(GRAIN_BYTES)..end {
            let word = usize::try_from(grain / 64).ok();
            if let Some(word) = word.and_then(|word| words.get_mut(word)) {
                *word |= 1 << (grain % 64);
            }
        }
    }
    GrainSet::from_words(words, size_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_the_way_there_and_back() {
        let size_bytes = 200 * GRAIN_BYTES + 512;
        let words = vec![u64::MAX, 0b1011, 1 << 63, u64::MAX];
        let set = GrainSet::from_words(words, size_bytes);
        let ranges = Extents::from_unordered(set.ranges().collect());
        assert_eq!(grains(&ranges, size_bytes), set);
        let none = GrainSet::from_words(Vec::new(), size_bytes);
        assert_eq!(grains(&Extents::default(), size_bytes), none);
        // Half a grain is not cleared.
        let half = Extents::whole(1..GRAIN_BYTES + 5);
        assert_eq!(grains(&half, size_bytes), none);
    }

    #[test]
    fn an_image_file_is_not_tracked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.img");
        std::fs::write(&path, [0; 4096]).unwrap();
        let mut volumes = [SourceVolume {
            index: 0,
            name: "disk.img".into(),
            volume: rehost_volumes::open_source(&path).unwrap(),
            tracker: None,
        }];
        assert!(track("t", &mut volumes, &[path]).is_empty());
        assert!(volumes[0].tracker.is_none());
        assert!(root("../../etc").starts_with(DEFAULT_ROOT));
    }
}
