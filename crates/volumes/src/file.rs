//! Raw image files and block devices.
//!
//! Reads and writes go past the page cache where they can. For a block device that is a must: its
//! cache does not see what a mounted file system writes. For files it keeps the cache for those who
//! need it. What is not aligned (the odd end of an image) takes the cached path, which is coherent
//! for files; of a device the blocks around it are read directly.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FallocateFlags, OFlags, SeekFrom};

use crate::buffer::{ALIGNMENT, is_aligned};
use crate::{AlignedBuffer, CHUNK_BYTES, ChangeMark, Volume, VolumeError, to_usize};

/// Age from which a file's time of change can be relied on; far above any file system's step.
const MARK_SETTLE_TIME: Duration = Duration::from_secs(2);

/// A raw image file or a block device.
#[derive(Debug)]
pub struct FileVolume {
    path: PathBuf,
    size_bytes: u64,
    kind: Kind,
    /// What offsets and lengths of direct accesses are multiples of.
    block_bytes: u64,
    /// Opened with `O_DIRECT`; absent where the file system refuses that (some FUSE, old tmpfs).
    direct: Option<File>,
    cached: File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Device,
}

impl FileVolume {
    /// Opens an existing file or device, for reading only unless `writable`.
    ///
    /// # Errors
    /// [`VolumeError`] if it cannot be opened or is neither a file nor a block device.
    pub fn open(path: &Path, writable: bool) -> Result<Self, VolumeError> {
        let open = |flags: OFlags| {
            OpenOptions::new()
                .read(true)
                .write(writable)
                .custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes()))
                .open(path)
        };
        let open_error = |source| VolumeError::Open {
            path: path.into(),
            source,
        };
        let cached = open(OFlags::CLOEXEC).map_err(open_error)?;
        let size_error = |source| VolumeError::Size {
            path: path.into(),
            source,
        };
        let metadata = cached.metadata().map_err(size_error)?;
        let (kind, size_bytes, block_bytes) = if metadata.file_type().is_block_device() {
            let size = rehost_linux::block_device_size(cached.as_fd())
                .map_err(|cause| size_error(io::Error::other(cause)))?;
            let block = rehost_linux::logical_block_size(cached.as_fd())
                .map_err(|cause| size_error(io::Error::other(cause)))?;
            (Kind::Device, size, u64::from(block))
        } else if metadata.is_file() {
            (Kind::File, metadata.len(), ALIGNMENT as u64)
        } else {
            return Err(VolumeError::Kind { path: path.into() });
        };
        let direct = open(OFlags::CLOEXEC | OFlags::DIRECT);
        Ok(Self {
            path: path.into(),
            size_bytes,
            kind,
            block_bytes,
            direct: match kind {
                Kind::File => direct.ok(),
                Kind::Device => Some(direct.map_err(open_error)?),
            },
            cached,
        })
    }

    /// Path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a block device: its first content is then unknown.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.kind == Kind::Device
    }

    /// The file for an access, direct where alignment allows.
    fn route(&self, buffer: &[u8], offset: u64) -> (&File, bool) {
        match &self.direct {
            Some(direct) if is_aligned(buffer, offset, self.block_bytes) => (direct, true),
            _ => (&self.cached, false),
        }
    }

    /// Reads from a device what is not aligned: whole blocks, directly, of which a part is wanted.
    fn read_around(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let Some(direct) = &self.direct else {
            return self.cached.read_exact_at(buffer, offset);
        };
        let block = self.block_bytes;
        let mut blocks = AlignedBuffer::new(0);
        let mut position = offset;
        for part in buffer.chunks_mut(to_usize(CHUNK_BYTES)) {
            let start = position / block * block;
            let end = (position + part.len() as u64).next_multiple_of(block);
            let length = to_usize(end - start);
            if blocks.len() < length {
                blocks = AlignedBuffer::new(length);
            }
            direct.read_exact_at(&mut blocks[..length], start)?;
            let skipped = to_usize(position - start);
            part.copy_from_slice(&blocks[skipped..skipped + part.len()]);
            position += part.len() as u64;
        }
        Ok(())
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        if offset
            .checked_add(length)
            .is_some_and(|end| end <= self.size_bytes)
        {
            return Ok(());
        }
        Err(VolumeError::OutOfRange {
            path: self.path.clone(),
            offset,
            length,
            size_bytes: self.size_bytes,
        })
    }

    fn write_error(&self, offset: u64, length: u64, source: io::Error) -> VolumeError {
        VolumeError::Write {
            path: self.path.clone(),
            offset,
            length,
            source,
        }
    }

    fn read_error(&self, offset: u64, length: u64, source: io::Error) -> VolumeError {
        VolumeError::Read {
            path: self.path.clone(),
            offset,
            length,
            source,
        }
    }

    /// Asks the file system for the next data or hole; `None` if there is none before the end. A
    /// file that was cut short since it was opened has no end to speak of.
    fn seek(&self, position: SeekFrom) -> io::Result<Option<u64>> {
        match rustix::fs::seek(&self.cached, position) {
            Ok(found) => Ok(Some(found)),
            Err(rustix::io::Errno::NXIO) if self.cached.metadata()?.len() < self.size_bytes => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Err(rustix::io::Errno::NXIO) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Volume for FileVolume {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn present_size_bytes(&self) -> Result<u64, VolumeError> {
        let found = match self.kind {
            Kind::File => self.cached.metadata().map(|metadata| metadata.len()),
            Kind::Device => {
                rehost_linux::block_device_size(self.cached.as_fd()).map_err(io::Error::other)
            }
        };
        found.map_err(|source| VolumeError::Size {
            path: self.path.clone(),
            source,
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        let (file, direct) = self.route(buffer, offset);
        if !direct && self.kind == Kind::Device {
            return self
                .read_around(buffer, offset)
                .map_err(|source| self.read_error(offset, length, source));
        }
        match file.read_exact_at(buffer, offset) {
            // A device with blocks larger than our alignment, or a file system that takes the flag
            // on open and refuses it here: the cache still serves files correctly.
            Err(error) if direct && self.kind == Kind::File && is_invalid(&error) => {
                self.cached.read_exact_at(buffer, offset)
            }
            result => result,
        }
        .map_err(|source| self.read_error(offset, length, source))
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<(), VolumeError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        let (file, direct) = self.route(buffer, offset);
        match file.write_all_at(buffer, offset) {
            Err(error) if direct && is_invalid(&error) => self.cached.write_all_at(buffer, offset),
            result => result,
        }
        .map_err(|source| self.write_error(offset, length, source))
    }

    fn zero(&self, offset: u64, length: u64) -> Result<(), VolumeError> {
        self.check_range(offset, length)?;
        if length == 0 {
            return Ok(());
        }
        let result = match self.kind {
            Kind::File => rustix::fs::fallocate(
                &self.cached,
                FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
                offset,
                length,
            )
            .map_err(io::Error::from),
            Kind::Device => rehost_linux::zero_out(self.cached.as_fd(), offset, length)
                .map_err(io::Error::other),
        };
        match result {
            Ok(()) => Ok(()),
            // Neither every file system punches holes nor every range is aligned to blocks.
            Err(_) => write_zeros(&self.cached, offset, length)
                .map_err(|source| self.write_error(offset, length, source)),
        }
    }

    fn flush(&self) -> Result<(), VolumeError> {
        self.cached
            .sync_data()
            .map_err(|source| VolumeError::Flush {
                path: self.path.clone(),
                source,
            })
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, VolumeError> {
        if offset >= self.size_bytes {
            return Ok(None);
        }
        if self.kind == Kind::Device {
            return Ok(Some(offset..self.size_bytes));
        }
        let failed = |source| self.read_error(offset, 0, source);
        let Some(start) = self.seek(SeekFrom::Data(offset)).map_err(failed)? else {
            return Ok(None);
        };
        // A file that is being written may grow a hole in between; then the data reaches the end.
        let end = self.seek(SeekFrom::Hole(start)).map_err(failed)?;
        let end = end.unwrap_or(self.size_bytes).min(self.size_bytes);
        Ok((start < end).then_some(start..end))
    }

    fn change_mark(&self) -> Result<Option<ChangeMark>, VolumeError> {
        if self.kind == Kind::Device {
            return Ok(None);
        }
        let metadata = self.cached.metadata();
        let modified = metadata
            .and_then(|metadata| metadata.modified())
            .map_err(|source| self.read_error(0, 0, source))?;
        // File times advance in steps of some milliseconds: two writes within a step look like one.
        let settled = SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age >= MARK_SETTLE_TIME);
        Ok(settled.then_some(ChangeMark { modified }))
    }
}

fn is_invalid(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

fn write_zeros(file: &File, offset: u64, length: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut position = offset;
    let end = offset + length;
    while position < end {
        let piece = (end - position).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..crate::to_usize(piece)], position)?;
        position += piece;
    }
    Ok(())
}
