//! Comparing a disk with another one, or with a proof, chunk by chunk from the medium.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::{
    AlignedBuffer, CHUNK_BYTES, ChunkHash, HashTree, Volume, VolumeError, chunk_count, hash_chunks,
    to_usize,
};

/// Chunks that a worker takes at a time: long enough to read in order, short enough to share.
const BATCH_CHUNKS: u64 = 64;

/// A chunk that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Number of the chunk.
    pub chunk: u64,
    /// Where it starts, in bytes.
    pub offset: u64,
}

impl Difference {
    fn of_chunk(chunk: u64) -> Self {
        Self {
            chunk,
            offset: chunk * CHUNK_BYTES,
        }
    }
}

/// Hashes both volumes and lists the chunks that differ, in order. `progress` gets the number of
/// bytes compared since its last call, from several threads.
///
/// Volumes of different sizes are compared as far as both reach; the caller reports the sizes.
///
/// # Errors
/// [`VolumeError`] of the first read that fails.
pub fn compare_volumes(
    left: &dyn Volume,
    right: &dyn Volume,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Difference>, VolumeError> {
    let common_bytes = left.size_bytes().min(right.size_bytes());
    in_batches(chunk_count(common_bytes), progress, |batch, buffer| {
        let mut hashes: Vec<ChunkHash> = Vec::new();
        hash_chunks(left, batch.clone(), buffer, |_, hash| {
            hashes.push(hash);
            Ok::<(), VolumeError>(())
        })?;
        differing(right, batch, buffer, &hashes)
    })
}

/// Hashes a volume and lists the chunks that differ from the tree of a proof, in order.
///
/// # Errors
/// [`VolumeError`] of the first read that fails.
pub fn compare_with_proof(
    volume: &dyn Volume,
    tree: &HashTree,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Difference>, VolumeError> {
    let common_bytes = volume.size_bytes().min(tree.size_bytes());
    in_batches(chunk_count(common_bytes), progress, |batch, buffer| {
        let expected = &tree.leaves()[to_usize(batch.start)..to_usize(batch.end)];
        differing(volume, batch, buffer, expected)
    })
}

fn differing(
    volume: &dyn Volume,
    chunks: Range<u64>,
    buffer: &mut AlignedBuffer,
    expected: &[ChunkHash],
) -> Result<Vec<Difference>, VolumeError> {
    let mut differences = Vec::new();
    let mut expected = expected.iter();
    hash_chunks(volume, chunks, buffer, |chunk, hash| {
        if expected.next() != Some(&hash) {
            differences.push(Difference::of_chunk(chunk));
        }
        Ok::<(), VolumeError>(())
    })?;
    Ok(differences)
}

/// Shares the chunks `0..count` among as many threads as the machine has processors.
fn in_batches(
    count: u64,
    progress: &(dyn Fn(u64) + Sync),
    work: impl Fn(Range<u64>, &mut AlignedBuffer) -> Result<Vec<Difference>, VolumeError> + Sync,
) -> Result<Vec<Difference>, VolumeError> {
    let next = AtomicU64::new(0);
    let found: Mutex<Result<Vec<Difference>, VolumeError>> = Mutex::new(Ok(Vec::new()));
    let worker = || {
        let mut buffer = AlignedBuffer::new(to_usize(CHUNK_BYTES));
        loop {
            let start = next.fetch_add(BATCH_CHUNKS, Ordering::Relaxed);
            if start >= count {
                return;
            }
            let batch = start..(start + BATCH_CHUNKS).min(count);
            let result = work(batch.clone(), &mut buffer);
            progress((batch.end - batch.start) * CHUNK_BYTES);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *found, result) {
                (Ok(all), Ok(more)) => all.extend(more),
                (Err(_), _) => return,
                (all, Err(error)) => {
                    *all = Err(error);
                    next.store(count, Ordering::Relaxed);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(worker);
        }
    });
    let mut differences = found.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    differences.sort_unstable();
    Ok(differences)
}
