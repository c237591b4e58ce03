//! What every map must fulfil, whatever the disks hold.

use rehost_used_blocks::{DiskMap, Medium};

/// # Panics
/// If one does not.
pub(crate) fn check(disks: &[&dyn Medium], maps: &[DiskMap]) {
    assert_eq!(disks.len(), maps.len());
    for (disk, map) in disks.iter().zip(maps) {
        check_one(disk.size_bytes(), map);
    }
}

/// # Panics
/// If a disk counts as used as a whole: then nothing but refusals would be fuzzed.
pub(crate) fn is_understood(disks: &[&dyn Medium], maps: &[DiskMap]) {
    for (disk, map) in disks.iter().zip(maps) {
        assert!(
            map.used.total_bytes() < disk.size_bytes(),
            "a base is not understood: {:?}",
            map.regions
        );
    }
}

fn check_one(size_bytes: u64, map: &DiskMap) {
    let mut end = None;
    for range in map.used.iter() {
        assert!(range.start < range.end, "an empty range: {range:?}");
        assert!(
            end.is_none_or(|end| end < range.start),
            "{range:?} overlaps or touches what ends at {end:?}"
        );
        assert!(range.end <= size_bytes, "{range:?} of {size_bytes} bytes");
        end = Some(range.end);
    }

    let is_told = map.regions.iter().any(|one| one.range == (0..size_bytes));
    assert!(
        is_told || size_bytes == 0,
        "nothing tells of the whole disk"
    );
    for region in &map.regions {
        let range = &region.range;
        assert!(range.end <= size_bytes, "{region:?} of {size_bytes} bytes");
        // A volume lies anywhere within its range; everything else fills it.
        if region.whole.is_some() && region.volume.is_none() {
            let left_out = map.used.gaps(range.clone());
            assert!(left_out.is_empty(), "{region:?} leaves out {left_out:?}");
        }
    }
}
