//! The file of a SQLite database: who may read it, and that one control plane serves from it.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::StoreError;

/// Says that this process serves from a database file. The lock is on a file beside it, because
/// SQLite has locks of its own on the database file; it ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct FileLock(Mutex<Option<File>>);

impl FileLock {
    /// Takes the lock of a database file.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = create_private(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Mutex::new(Some(file)))),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: database.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(StoreError::OpenFile { path, source }),
        }
    }

    /// Gives it back.
    pub(crate) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Makes a file that only its owner can read, unless it is there.
///
/// The database holds access keys and the passphrases of task keys; SQLite gives the files beside it
/// (`-wal`, `-shm`) the same mode.
pub(crate) fn create_private(path: &Path) -> Result<File, StoreError> {
    let open = || {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(file)
    };
    open().map_err(|source| StoreError::OpenFile {
        path: path.to_path_buf(),
        source,
    })
}
