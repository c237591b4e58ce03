//! The directory where a role keeps what must outlive it, held by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A state directory that belongs to this process until it is dropped.
///
/// Two agents over one directory would answer for the same identity and overwrite each other's
/// progress; the second one is refused. The lock is the kernel's and goes away with the process,
/// however that dies.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

/// A state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirectoryError {
    /// The directory could not be made.
    #[error("cannot make the state directory {}", path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Another process works with it.
    #[error("the state directory {} is in use by another process; stop that one or give another directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory could not be locked.
    #[error("cannot lock the state directory {}", path.display())]
    Lock {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl StateDirectory {
    /// Makes the directory if need be (mode 0700) and takes it for this process.
    ///
    /// # Errors
    /// [`StateDirectoryError`]; [`StateDirectoryError::InUse`] if another process holds it.
    pub fn open(path: &Path) -> Result<Self, StateDirectoryError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|cause| StateDirectoryError::Make {
                path: path.into(),
                cause,
            })?;
        let failed = |cause| StateDirectoryError::Lock {
            path: path.into(),
            cause,
        };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path: path.into(),
                _lock: lock,
            }),
            Err(Errno::WOULDBLOCK) => Err(StateDirectoryError::InUse { path: path.into() }),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_until_its_holder_goes() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/state");
        let held = StateDirectory::open(&path).unwrap();
        assert!(matches!(
            StateDirectory::open(&path),
            Err(StateDirectoryError::InUse { .. })
        ));
        drop(held);
        assert_eq!(StateDirectory::open(&path).unwrap().path(), path);
    }
}
