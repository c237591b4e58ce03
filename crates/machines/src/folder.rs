//! The work folder of a machine, and how to reach sockets in it whatever the length of its path.
//!
//! The path of a Unix socket has 107 bytes at most, and folders with two UUIDs in them are longer.
//! QEMU is therefore started in the folder and told bare file names; this process goes by way of
//! the opened folder, `/proc/self/fd/N/name`.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::MachineError;

/// Nobody else may enter.
const MODE: u32 = 0o700;

/// A work folder that is there.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    opened: File,
}

impl WorkFolder {
    /// Makes the folder if it is missing, and closes it to everybody else.
    pub(crate) fn open(path: &Path) -> Result<Self, MachineError> {
        let open = || {
            let path = std::path::absolute(path)?;
            DirBuilder::new().recursive(true).mode(MODE).create(&path)?;
            std::fs::set_permissions(&path, Permissions::from_mode(MODE))?;
            let opened = File::open(&path)?;
            Ok(Self { path, opened })
        };
        open().map_err(|source| MachineError::File {
            act: "make the work folder",
            path: path.into(),
            source,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Connects to a socket in it.
    pub(crate) fn connect(&self, socket: &str) -> io::Result<UnixStream> {
        let folder = self.opened.as_raw_fd();
        UnixStream::connect(format!("/proc/self/fd/{folder}/{socket}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn sockets_in_folders_with_long_paths_are_reached() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(120)).join("y".repeat(80));
        let folder = WorkFolder::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
        let opened = folder.opened.as_raw_fd();
        let _listener = UnixListener::bind(format!("/proc/self/fd/{opened}/s")).unwrap();
        assert!(path.join("s").exists());
        folder.connect("s").unwrap();
    }
}
