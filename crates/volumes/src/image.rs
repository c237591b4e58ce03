//! Opening whatever a path names, and making new image files.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::qcow2::{self, Qcow2Volume};
use crate::{FileVolume, Volume, VolumeError};

/// How an image file stores its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// Byte for byte, sparse.
    Raw,
    /// QEMU's format, version 3.
    Qcow2,
}

/// Opens a block device, a raw image or a qcow2 image for reading.
///
/// A file that starts as qcow2 images do is taken for one.
///
/// # Errors
/// [`VolumeError`] if it cannot be opened, or is a qcow2 image of a kind that is not read.
pub fn open_source(path: &Path) -> Result<Arc<dyn Volume>, VolumeError> {
    open(path, false)
}

/// Opens a block device, a raw image or a qcow2 image for reading and writing.
///
/// # Errors
/// As [`open_source`].
pub fn open_target(path: &Path) -> Result<Arc<dyn Volume>, VolumeError> {
    open(path, true)
}

fn open(path: &Path, writable: bool) -> Result<Arc<dyn Volume>, VolumeError> {
    let file = FileVolume::open(path, writable)?;
    if !file.is_device() && starts_as_qcow2(path)? {
        return Ok(Arc::new(Qcow2Volume::open(file)?));
    }
    Ok(Arc::new(file))
}

fn starts_as_qcow2(path: &Path) -> Result<bool, VolumeError> {
    let failed = |source| VolumeError::Open {
        path: path.into(),
        source,
    };
    let file = OpenOptions::new().read(true).open(path).map_err(failed)?;
    let mut magic = Vec::with_capacity(4);
    file.take(4).read_to_end(&mut magic).map_err(failed)?;
    Ok(magic == qcow2::MAGIC)
}

/// Makes a new image file that reads as zeros and opens it for writing.
///
/// The file is readable by its owner only: it will hold another machine's secrets.
///
/// # Errors
/// [`VolumeError::Create`] if the path exists already or cannot be written.
pub fn create_image(
    path: &Path,
    format: ImageFormat,
    size_bytes: u64,
) -> Result<Arc<dyn Volume>, VolumeError> {
    let failed = |source| VolumeError::Create {
        path: path.into(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    match format {
        ImageFormat::Raw => file.set_len(size_bytes),
        ImageFormat::Qcow2 => qcow2::write_preallocated(&file, size_bytes),
    }
    .and_then(|()| file.sync_all())
    .map_err(failed)?;
    open_target(path)
}
