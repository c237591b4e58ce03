//! Whether the log of XFS is clean: its last record then says that the file system was unmounted, and
//! no change of the allocation is in it alone.
//!
//! The log is a ring of blocks of 512 bytes. The first word of each is the number of the round in
//! which it was written, except in the header of a record, where it comes second.

use std::ops::Range;

use rehost_volumes::to_usize;

use crate::fields::{be32, read};
use crate::{Medium, Unmapped};

use super::superblock::Superblock;

const BLOCK_BYTES: u64 = 512;
const RECORD_MAGIC: u32 = 0xfeed_babe;
/// No record is larger, headers included.
const MAX_RECORD_BLOCKS: u64 = 520;
/// Content for which one block of header suffices, in bytes.
const HEADER_CYCLE_BYTES: u32 = 32 << 10;
const VERSION_2: u32 = 2;
/// Of an operation in a record: the file system was unmounted.
const UNMOUNT: u8 = 0x20;

/// Whether the log holds nothing that is still to be done. What is not understood is not clean.
///
/// # Errors
/// [`Unmapped::Read`] if the log cannot be read.
pub(super) fn is_clean(medium: &dyn Medium, superblock: &Superblock) -> Result<bool, Unmapped> {
    let Some(range) = superblock.log.clone() else {
        return Ok(false);
    };
    let log = Log {
        medium,
        sector_bytes: superblock.sector_bytes,
        blocks: (range.end - range.start) / BLOCK_BYTES,
        range,
    };
    log.is_clean()
}

#[derive(Debug)]
struct Log<'a> {
    medium: &'a dyn Medium,
    range: Range<u64>,
    sector_bytes: u64,
    blocks: u64,
}

impl Log<'_> {
    fn is_clean(&self) -> Result<bool, Unmapped> {
        let head = self.head()?;
        // Backwards from the end of the last record to its header.
        for back in 1..=MAX_RECORD_BLOCKS.min(self.blocks) {
            let block = self.block(head + self.blocks - back)?;
            if be32(&block, 0) == RECORD_MAGIC {
                return self.is_unmount(&block, back);
            }
        }
        // A log that was never written to.
        Ok(self.cycle(0)? == 0 && self.cycle(self.blocks - 1)? == 0)
    }

    /// Whether the record whose header lies `back` blocks before the head reaches to the head and
    /// says that the file system was unmounted.
    fn is_unmount(&self, header: &[u8], back: u64) -> Result<bool, Unmapped> {
        let (content_bytes, operations) = (be32(header, 12), be32(header, 40));
        let most_bytes = be32(header, 320);
        let header_blocks = match be32(header, 8) & VERSION_2 {
            0 => 1,
            _ => u64::from(most_bytes.div_ceil(HEADER_CYCLE_BYTES).max(1)),
        };
        let length = header_blocks + u64::from(content_bytes).div_ceil(BLOCK_BYTES);
        if length != back || operations != 1 || header_blocks >= back {
            return Ok(false);
        }
        let operation = self.block(self.head()? + self.blocks - back + header_blocks)?;
        Ok(operation[9] & UNMOUNT != 0)
    }

    /// The first block that the next record will take: the first one of the round before.
    fn head(&self) -> Result<u64, Unmapped> {
        let round = self.cycle(0)?;
        let (mut before, mut after) = (0, self.blocks);
        while after - before > 1 {
            let middle = before.midpoint(after);
            if self.cycle(middle)? == round {
                before = middle;
            } else {
                after = middle;
            }
        }
        Ok(after)
    }

    fn cycle(&self, number: u64) -> Result<u32, Unmapped> {
        let block = self.block(number)?;
        let first = be32(&block, 0);
        Ok(match first {
            RECORD_MAGIC => be32(&block, 4),
            round => round,
        })
    }

    /// A block of the ring. Whole sectors are read, past the page cache.
    fn block(&self, number: u64) -> Result<Vec<u8>, Unmapped> {
        let at = number % self.blocks * BLOCK_BYTES;
        let within = at % self.sector_bytes;
        let sector = read(
            self.medium,
            self.range.start + at - within,
            to_usize(self.sector_bytes),
        )?;
        let within = to_usize(within);
        Ok(sector[within..within + to_usize(BLOCK_BYTES)].to_vec())
    }
}
