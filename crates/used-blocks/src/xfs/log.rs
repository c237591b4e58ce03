//! Whether the log of XFS is clean: no change of the allocation is in it alone. It is when its last
//! record says that the file system was unmounted, and also when everything since its tail writes
//! nothing but the superblock: so the kernel leaves the log of a file system that is frozen or idle.
//!
//! The log is a ring of blocks of 512 bytes. The first word of each is the number of the round in
//! which it was written, except in the header of a record, where it comes second; the words that
//! stood there before are in the header.
//!
//! ```text
//!   header | operation: length, flags | its bytes | operation | ... | header | ...
//! ```

use std::ops::Range;

use rehost_volumes::to_usize;

use crate::fields::{be32, le16, le32, le64, read};
use crate::{Medium, Unmapped};

use super::superblock::Superblock;

const BLOCK_BYTES: u64 = 512;
const RECORD_MAGIC: u32 = 0xfeed_babe;
/// No record is larger, headers included.
const MAX_RECORD_BLOCKS: u64 = 520;
/// Content for which one block of header suffices, in bytes.
const HEADER_CYCLE_BYTES: u32 = 32 << 10;
const VERSION_2: u32 = 2;
/// Blocks of a record whose first words are in its first header.
const HEADER_WORDS: usize = 64;
/// Records since the tail of an idle log. There are two.
const MAX_IDLE_RECORDS: usize = 8;

const OPERATION_BYTES: usize = 12;
/// Flags of operations: begin and end of a transaction, and that the file system was unmounted.
const START: u8 = 0x01;
const COMMIT: u8 = 0x02;
const UNMOUNT: u8 = 0x20;
/// The header of a transaction and the item "buffer" in it, in the order of bytes of the machine
/// that wrote them. Those of other machines are not understood.
const TRANSACTION_MAGIC: u32 = 0x5452_414e;
const TRANSACTION_BYTES: usize = 16;
const BUFFER: u16 = 0x123c;

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

/// A record, by its header.
#[derive(Debug)]
struct Record {
    start: u64,
    /// In blocks, of its headers.
    header_blocks: u64,
    /// In blocks, of everything.
    blocks: u64,
    /// Where the record begins with which a replay would begin.
    tail: u64,
    operations: u32,
    /// What the first words of the first blocks were.
    words: Vec<u8>,
}

impl Log<'_> {
    fn is_clean(&self) -> Result<bool, Unmapped> {
        let head = self.head()?;
        // Backwards from the end of the last record to its header.
        for back in 1..=MAX_RECORD_BLOCKS.min(self.blocks) {
            let start = (head + self.blocks - back) % self.blocks;
            let Some(last) = self.record(start)? else {
                continue;
            };
            if last.blocks != back {
                return Ok(false);
            }
            return Ok(self.is_unmount(&last)? || self.is_idle(&last)?);
        }
        // A log that was never written to.
        Ok(self.cycle(0)? == 0 && self.cycle(self.blocks - 1)? == 0)
    }

    /// Whether a record says that the file system was unmounted.
    fn is_unmount(&self, record: &Record) -> Result<bool, Unmapped> {
        let operation = self.block(record.start + record.header_blocks)?;
        Ok(record.operations == 1 && operation[9] & UNMOUNT != 0)
    }

    /// Whether all records from the tail to the last one write nothing but the superblock.
    fn is_idle(&self, last: &Record) -> Result<bool, Unmapped> {
        let mut at = last.tail;
        for _ in 0..MAX_IDLE_RECORDS {
            let Some(record) = self.record(at)? else {
                return Ok(false);
            };
            if !writes_superblock_only(&self.content(&record)?, record.operations) {
                return Ok(false);
            }
            if at == last.start {
                return Ok(true);
            }
            at = (at + record.blocks) % self.blocks;
        }
        Ok(false)
    }

    /// The record that begins at a block, if one does.
    fn record(&self, start: u64) -> Result<Option<Record>, Unmapped> {
        let header = self.block(start)?;
        if be32(&header, 0) != RECORD_MAGIC || u64::from(be32(&header, 20)) != start {
            return Ok(None);
        }
        let content_bytes = u64::from(be32(&header, 12));
        let header_blocks = match be32(&header, 8) & VERSION_2 {
            0 => 1,
            _ => u64::from(be32(&header, 320).div_ceil(HEADER_CYCLE_BYTES).max(1)),
        };
        let blocks = header_blocks + content_bytes.div_ceil(BLOCK_BYTES);
        let is_possible = content_bytes > 0 && blocks <= MAX_RECORD_BLOCKS.min(self.blocks);
        Ok(is_possible.then(|| Record {
            start,
            header_blocks,
            blocks,
            tail: u64::from(be32(&header, 28)) % self.blocks,
            operations: be32(&header, 40),
            words: header[44..44 + 4 * HEADER_WORDS].to_vec(),
        }))
    }

    /// The first blocks of a record's content, as they were before they were written.
    fn content(&self, record: &Record) -> Result<Vec<u8>, Unmapped> {
        let mut content = Vec::new();
        let blocks = record.start + record.header_blocks..record.start + record.blocks;
        for (number, word) in blocks.zip(record.words.chunks_exact(4)) {
            let block = self.block(number)?;
            content.extend_from_slice(word);
            content.extend_from_slice(&block[4..]);
        }
        Ok(content)
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

/// Whether the operations at the start of `content` are whole transactions of one buffer each, the
/// superblock.
fn writes_superblock_only(mut content: &[u8], operations: u32) -> bool {
    let mut regions_left = 0;
    for _ in 0..operations {
        let Some((operation, rest)) = content.split_at_checked(OPERATION_BYTES) else {
            return false;
        };
        let Some((bytes, rest)) = rest.split_at_checked(be32(operation, 4) as usize) else {
            return false;
        };
        content = rest;
        let flags = operation[9];
        let is_mark = bytes.is_empty() && (flags == START || flags == COMMIT);
        let is_transaction =
            flags == 0 && bytes.len() == TRANSACTION_BYTES && le32(bytes, 0) == TRANSACTION_MAGIC;
        // The item says how many regions it has, itself included.
        let is_superblock = flags == 0 && le16(bytes, 0) == BUFFER && le64(bytes, 8) == 0;
        if regions_left > 0 {
            regions_left -= 1;
        } else if is_superblock {
            regions_left = le16(bytes, 2).saturating_sub(1);
        } else if !is_mark && !is_transaction {
            return false;
        }
    }
    regions_left == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(flags: u8, bytes: &[u8]) -> Vec<u8> {
        let mut operation = vec![0; 4];
        operation.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        operation.extend([0x69, flags, 0, 0]);
        operation.extend(bytes);
        operation
    }

    /// A transaction that writes one buffer, as the kernel logs it.
    fn transaction(item: u16, disk_block: u64) -> [Vec<u8>; 5] {
        let mut header = TRANSACTION_MAGIC.to_le_bytes().to_vec();
        header.resize(TRANSACTION_BYTES, 0);
        let mut buffer = item.to_le_bytes().to_vec();
        buffer.extend([2, 0, 0, 0x90, 1, 0]);
        buffer.extend(disk_block.to_le_bytes());
        buffer.extend([1, 0, 0, 0, 7, 0, 0, 0]);
        [
            operation(START, &[]),
            operation(0, &header),
            operation(0, &buffer),
            operation(0, &[0x58; 384]),
            operation(COMMIT, &[]),
        ]
    }

    #[test]
    fn only_the_superblock_may_be_written_by_an_idle_log() {
        let superblock = transaction(BUFFER, 0).concat();
        assert!(writes_superblock_only(&superblock, 5));
        let twice = superblock.repeat(2);
        assert!(writes_superblock_only(&twice, 10));

        let other_block = [superblock.clone(), transaction(BUFFER, 8).concat()].concat();
        assert!(!writes_superblock_only(&other_block, 10));
        let inode = transaction(0x123b, 0).concat();
        assert!(!writes_superblock_only(&inode, 5));
        assert!(!writes_superblock_only(&superblock, 4 + 5));
        assert!(
            !writes_superblock_only(&superblock, 3),
            "its content is missing"
        );
        assert!(!writes_superblock_only(&superblock[..200], 5));
    }
}
