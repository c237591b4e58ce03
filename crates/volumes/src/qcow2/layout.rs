//! The layout of a new image, all tables complete.
//!
//! ```text
//! cluster 0         header
//! 1 ..              table of reference count blocks
//! ..                reference count blocks: 1 for every cluster of the file
//! ..                first-level table
//! ..                second-level tables
//! data_start ..     guest cluster 0, 1, 2, ... in order
//! ```
//!
//! Clusters of 2 MiB, the largest that the format knows, keep the tables at 5 MiB per TiB. With
//! every cluster in place nothing is ever copied on write, so large clusters cost nothing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::COPIED;
use super::header::Header;

const CLUSTER_BITS: u32 = 21;
const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
/// Reference counts of 16 bits in one block.
const COUNTS_PER_BLOCK: u64 = CLUSTER_BYTES / 2;
/// Entries of 64 bits in one table cluster.
const ENTRIES_PER_CLUSTER: u64 = CLUSTER_BYTES / 8;

/// Where everything goes, in clusters from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    data_clusters: u64,
    refcount_table_clusters: u64,
    refcount_blocks: u64,
    l1_clusters: u64,
    l2_tables: u64,
}

impl Layout {
    fn new(size_bytes: u64) -> Self {
        let data_clusters = size_bytes.div_ceil(CLUSTER_BYTES);
        let l2_tables = data_clusters.div_ceil(ENTRIES_PER_CLUSTER);
        let mut layout = Self {
            data_clusters,
            refcount_table_clusters: 1,
            refcount_blocks: 1,
            l1_clusters: l2_tables.div_ceil(ENTRIES_PER_CLUSTER).max(1),
            l2_tables,
        };
        // Counting the blocks adds clusters to be counted; it settles after a step or two.
        loop {
            let blocks = layout.total_clusters().div_ceil(COUNTS_PER_BLOCK);
            let table = blocks.div_ceil(ENTRIES_PER_CLUSTER);
            if (blocks, table) == (layout.refcount_blocks, layout.refcount_table_clusters) {
                return layout;
            }
            layout.refcount_blocks = blocks;
            layout.refcount_table_clusters = table;
        }
    }

    fn refcount_blocks_start(&self) -> u64 {
        1 + self.refcount_table_clusters
    }

    fn l1_start(&self) -> u64 {
        self.refcount_blocks_start() + self.refcount_blocks
    }

    fn l2_start(&self) -> u64 {
        self.l1_start() + self.l1_clusters
    }

    fn data_start(&self) -> u64 {
        self.l2_start() + self.l2_tables
    }

    fn total_clusters(&self) -> u64 {
        self.data_start() + self.data_clusters
    }
}

/// Writes header and tables of an image for a disk of `size_bytes` into an empty file.
///
/// The header goes last: a file that was cut short in between is not taken for an image.
pub(crate) fn write_preallocated(file: &File, size_bytes: u64) -> io::Result<()> {
    let layout = Layout::new(size_bytes);
    file.set_len(layout.total_clusters() * CLUSTER_BYTES)?;
    write_entries(file, 1, layout.refcount_blocks, |block| {
        (layout.refcount_blocks_start() + block) * CLUSTER_BYTES
    })?;
    write_refcounts(file, &layout)?;
    write_entries(file, layout.l1_start(), layout.l2_tables, |table| {
        COPIED | ((layout.l2_start() + table) * CLUSTER_BYTES)
    })?;
    write_entries(file, layout.l2_start(), layout.data_clusters, |cluster| {
        COPIED | ((layout.data_start() + cluster) * CLUSTER_BYTES)
    })?;
    let narrow = |value| u32::try_from(value).map_err(io::Error::other);
    let header = Header {
        cluster_bits: CLUSTER_BITS,
        size_bytes,
        l1_entries: narrow(layout.l2_tables)?,
        l1_offset: layout.l1_start() * CLUSTER_BYTES,
        refcount_table_offset: CLUSTER_BYTES,
        refcount_table_clusters: narrow(layout.refcount_table_clusters)?,
    };
    file.sync_all()?;
    file.write_all_at(&header.to_bytes(), 0)
}

/// Entries written with one call, to bound memory on large disks.
const BATCH: u64 = 128 << 10;

fn write_entries(
    file: &File,
    start_cluster: u64,
    count: u64,
    entry: impl Fn(u64) -> u64,
) -> io::Result<()> {
    for first in (0..count).step_by(crate::to_usize(BATCH)) {
        let last = (first + BATCH).min(count);
        let bytes: Vec<u8> = (first..last).flat_map(|n| entry(n).to_be_bytes()).collect();
        file.write_all_at(&bytes, start_cluster * CLUSTER_BYTES + first * 8)?;
    }
    Ok(())
}

fn write_refcounts(file: &File, layout: &Layout) -> io::Result<()> {
    let ones = 1u16.to_be_bytes().repeat(crate::to_usize(BATCH));
    let start = layout.refcount_blocks_start() * CLUSTER_BYTES;
    let total = layout.total_clusters();
    for first in (0..total).step_by(crate::to_usize(BATCH)) {
        let count = (total - first).min(BATCH);
        file.write_all_at(&ones[..crate::to_usize(count * 2)], start + first * 2)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cluster_is_counted_at_every_size() {
        for size_bytes in [0, 1, CLUSTER_BYTES, 5 << 30, 2 << 40, 16 << 40] {
            let layout = Layout::new(size_bytes);
            assert!(layout.refcount_blocks * COUNTS_PER_BLOCK >= layout.total_clusters());
            assert!(layout.refcount_table_clusters * ENTRIES_PER_CLUSTER >= layout.refcount_blocks);
            assert!(layout.l2_tables * ENTRIES_PER_CLUSTER >= layout.data_clusters);
        }
    }
}
