//! A disk of a base with patches over it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Mutex, PoisonError};

use rehost_used_blocks::Medium;
use rehost_volumes::VolumeError;

use crate::base::{BLOCK_BYTES, Block, Disk};

/// Most reads of a run that are noted.
const MAX_NOTED: usize = 512;

/// A disk that is never written to a file.
#[derive(Debug)]
pub(crate) struct Patched {
    base: &'static Disk,
    size_bytes: u64,
    patched: BTreeMap<u64, Block>,
    unreadable: BTreeSet<u64>,
    /// Offset and length of what was read.
    noted: Mutex<Vec<(u64, usize)>>,
}

impl Patched {
    pub(crate) fn new(base: &'static Disk, size_bytes: u64) -> Self {
        Self {
            base,
            size_bytes,
            patched: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            noted: Mutex::default(),
        }
    }

    /// Overwrites bytes; beyond the end that changes nothing.
    pub(crate) fn patch(&mut self, offset: u64, bytes: &[u8]) {
        for (at, byte) in (offset..).zip(bytes) {
            let number = at / BLOCK_BYTES as u64;
            let block = self.patched.entry(number).or_insert_with(|| {
                let below = self.base.blocks.get(&number);
                below.cloned().unwrap_or_else(|| Box::new([0; BLOCK_BYTES]))
            });
            block[at as usize % BLOCK_BYTES] = *byte;
        }
    }

    /// Makes the block at an offset unreadable.
    pub(crate) fn damage(&mut self, offset: u64) {
        self.unreadable.insert(offset / BLOCK_BYTES as u64);
    }

    /// What was read so far.
    pub(crate) fn noted(&self) -> Vec<(u64, usize)> {
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The bytes at an offset, which may be any; zeros beyond the end.
    pub(crate) fn peek(&self, buffer: &mut [u8], offset: u64) {
        buffer.fill(0);
        let first = offset / BLOCK_BYTES as u64;
        let end = offset.saturating_add(buffer.len() as u64);
        let numbers = first..end.div_ceil(BLOCK_BYTES as u64);
        let blocks = self.base.blocks.range(numbers.clone());
        for (number, block) in blocks.chain(self.patched.range(numbers)) {
            let start = number * BLOCK_BYTES as u64;
            let from = start.max(offset);
            let to = (start + BLOCK_BYTES as u64).min(end);
            buffer[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&block[(from - start) as usize..(to - start) as usize]);
        }
    }
}

impl Medium for Patched {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let length = buffer.len() as u64;
        let end = offset.checked_add(length);
        let Some(end) = end.filter(|end| *end <= self.size_bytes) else {
            return Err(VolumeError::OutOfRange {
                path: "memory".into(),
                offset,
                length,
                size_bytes: self.size_bytes,
            });
        };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MAX_NOTED {
            noted.push((offset, buffer.len()));
        }
        let blocks = offset / BLOCK_BYTES as u64..end.div_ceil(BLOCK_BYTES as u64);
        if self.unreadable.range(blocks).next().is_some() {
            return Err(VolumeError::Read {
                path: "memory".into(),
                offset,
                length,
                source: io::Error::other("a damaged block"),
            });
        }
        self.peek(buffer, offset);
        Ok(())
    }
}
