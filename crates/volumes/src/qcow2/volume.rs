//! Reading and writing the clusters of a qcow2 image.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::header::{HEADER_BYTES, Header};
use super::{COMPRESSED, COPIED, OFFSET_MASK, READS_ZERO};
use crate::{ChangeMark, FileVolume, Volume, VolumeError, to_usize};

/// Second-level tables kept in memory: 32 MiB with the largest clusters.
const CACHED_TABLES: usize = 16;

/// A qcow2 image file.
#[derive(Debug)]
pub struct Qcow2Volume {
    file: FileVolume,
    header: Header,
    l1: Vec<u64>,
    tables: Mutex<VecDeque<(u64, Arc<[u64]>)>>,
}

/// Where a stretch of the disk lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nowhere; it reads as zeros.
    Zeros,
    /// At this offset.
    At { offset: u64, writable: bool },
}

impl Qcow2Volume {
    /// Reads header and first-level table of an image.
    ///
    /// # Errors
    /// [`VolumeError::Unsupported`] for damaged images and for those of kinds that are not read.
    pub fn open(file: FileVolume) -> Result<Self, VolumeError> {
        let refuse = |advice| VolumeError::Unsupported {
            path: file.path().into(),
            advice,
        };
        let mut start = vec![0; to_usize(file.size_bytes().min(u64::from(HEADER_BYTES)))];
        file.read_at(&mut start, 0)?;
        let header = Header::parse(&start).map_err(refuse)?;
        let l1 = read_table(&file, header.l1_offset, u64::from(header.l1_entries))?;
        Ok(Self {
            file,
            header,
            l1,
            tables: Mutex::default(),
        })
    }

    fn table(&self, index: u64) -> Result<Option<Arc<[u64]>>, VolumeError> {
        let offset = self.l1.get(to_usize(index)).copied().unwrap_or_default() & OFFSET_MASK;
        if offset == 0 {
            return Ok(None);
        }
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = tables.iter().find(|(cached, _)| *cached == index) {
            return Ok(Some(Arc::clone(table)));
        }
        let table: Arc<[u64]> = read_table(&self.file, offset, self.header.l2_entries())?.into();
        if tables.len() == CACHED_TABLES {
            tables.pop_front();
        }
        tables.push_back((index, Arc::clone(&table)));
        Ok(Some(table))
    }

    /// The place of the byte at `offset`, and how far it holds (to the end of its cluster).
    fn locate(&self, offset: u64) -> Result<(Place, u64), VolumeError> {
        let cluster_bytes = self.header.cluster_bytes();
        let cluster = offset / cluster_bytes;
        let within = offset % cluster_bytes;
        let length = cluster_bytes - within;
        let per_table = self.header.l2_entries();
        let Some(table) = self.table(cluster / per_table)? else {
            return Ok((Place::Zeros, length));
        };
        let entry = table[to_usize(cluster % per_table)];
        if entry & COMPRESSED != 0 {
            return Err(self.refuse(
                "the image has compressed clusters; convert it first: \
                 qemu-img convert -O raw IMAGE NEW-IMAGE",
            ));
        }
        let host = entry & OFFSET_MASK;
        if host == 0 || entry & READS_ZERO != 0 {
            return Ok((Place::Zeros, length));
        }
        let writable = entry & COPIED != 0;
        let offset = host + within;
        Ok((Place::At { offset, writable }, length))
    }

    /// Calls `each` with the place of every piece of a range, pieces ending with their clusters.
    fn pieces(
        &self,
        offset: u64,
        length: u64,
        mut each: impl FnMut(Place, Range<u64>) -> Result<(), VolumeError>,
    ) -> Result<(), VolumeError> {
        let end = offset
            .checked_add(length)
            .filter(|end| *end <= self.header.size_bytes)
            .ok_or_else(|| VolumeError::OutOfRange {
                path: self.file.path().into(),
                offset,
                length,
                size_bytes: self.header.size_bytes,
            })?;
        let mut position = offset;
        while position < end {
            let (place, holds) = self.locate(position)?;
            let next = (position + holds).min(end);
            each(place, position - offset..next - offset)?;
            position = next;
        }
        Ok(())
    }

    /// Reads from within a cluster. The last cluster of a file may be cut short: QEMU writes it only
    /// as far as it must, and what is beyond the end of the file reads as zeros.
    fn read_cluster(&self, part: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let present = self
            .file
            .size_bytes()
            .saturating_sub(offset)
            .min(part.len() as u64);
        let (present, beyond) = part.split_at_mut(to_usize(present));
        beyond.fill(0);
        if present.is_empty() {
            Ok(())
        } else {
            self.file.read_at(present, offset)
        }
    }

    fn refuse(&self, advice: &str) -> VolumeError {
        VolumeError::Unsupported {
            path: self.file.path().into(),
            advice: advice.to_owned(),
        }
    }

    fn writable(&self, place: Place) -> Result<u64, VolumeError> {
        match place {
            Place::At {
                offset,
                writable: true,
            } => Ok(offset),
            _ => Err(self.refuse(
                "the image was changed by another program since it was made here, and no longer \
                 has a place for every byte; remove it and replicate again",
            )),
        }
    }
}

impl Volume for Qcow2Volume {
    fn size_bytes(&self) -> u64 {
        self.header.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        self.pieces(offset, buffer.len() as u64, |place, piece| {
            let part = &mut buffer[to_usize(piece.start)..to_usize(piece.end)];
            match place {
                Place::Zeros => {
                    part.fill(0);
                    Ok(())
                }
                Place::At { offset, .. } => self.read_cluster(part, offset),
            }
        })
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        self.pieces(offset, buffer.len() as u64, |place, piece| {
            let part = &buffer[to_usize(piece.start)..to_usize(piece.end)];
            self.file.write_at(part, self.writable(place)?)
        })
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        self.pieces(offset, length, |place, piece| match place {
            Place::Zeros => Ok(()),
            Place::At { .. } => self
                .file
                .zero(self.writable(place)?, piece.end - piece.start),
        })
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.file.flush()
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        let mut position = offset;
        while position < self.header.size_bytes {
            let (place, holds) = self.locate(position)?;
            let end = (position + holds).min(self.header.size_bytes);
            let length = end - position;
            if let Place::At { offset: host, .. } = place
                && let Some(data) = self.file.next_data(host)?
                && data.start < host + length
            {
                // Data ends where the file says, or at the latest with the cluster.
                let start = position + (data.start - host);
                return Ok(Some(start..position + (data.end - host).min(length)));
            }
            position = end;
        }
        Ok(None)
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        self.file.change_mark()
    }
}

fn read_table(file: &FileVolume, offset: u64, entries: u64) -> Result<Vec<u64>, VolumeError> {
    let mut bytes = vec![0; to_usize(entries * 8)];
    file.read_at(&mut bytes, offset)?;
    let (words, _) = bytes.as_chunks::<8>();
    Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
}
